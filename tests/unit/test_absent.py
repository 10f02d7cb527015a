import pytest

from app.domain.absent import Absent, describe_absent, lfs_patterns, submodule_paths

TRACKED = "filter=lfs diff=lfs merge=lfs -text"


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("", ()),
        (f"# art\n\n*.png {TRACKED}\n*.py text\n/data/** {TRACKED}\n", ("*.png", "/data/**")),
        (f'"two words.bin" {TRACKED}\n"a \\"b\\".bin" {TRACKED}', ("two words.bin", 'a "b".bin')),
        (f"*.png {TRACKED}\n*.gif {TRACKED}\n*.png !filter\n*.jpg -filter", ("*.gif",)),
        (f"*.png {TRACKED}\n*.png filter=crypt\n*.gif filter", ()),
        (f"[attr]big {TRACKED}\n[attr]small -filter\n*.iso big\n*.png small text", ("*.iso",)),
        (f"#*.png {TRACKED}", ()),
    ],
)
def test_patterns_in_lfs_are_read_from_attributes(text: str, patterns: tuple[str, ...]) -> None:
    assert lfs_patterns(text) == patterns


def test_patterns_of_a_folder_are_under_it() -> None:
    assert lfs_patterns(f"*.bin {TRACKED}\n/a {TRACKED}", "assets/x") == ("assets/x/*.bin", "assets/x/a")


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", ()),
        ('[submodule "x"]\n\tpath = libs/x\n\turl = ../x\n[submodule "y"]\n  path=y/\n', ("libs/x", "y")),
        ('[ submodule "x" ]\npath = "two words"\npath =\n', ("two words",)),
        ('path = nowhere\n[other]\n\tpath = z\n[submodule "x"]\nurl = path = z', ()),
    ],
)
def test_submodules_are_read_from_modules(text: str, paths: tuple[str, ...]) -> None:
    assert submodule_paths(text) == paths


@pytest.mark.parametrize(
    ("absent", "sentences"),
    [
        (Absent(), ()),
        (
            Absent(lfs=("*.png",), submodules=("libs/x",)),
            (
                "`*.png` are in Git LFS: the agent sees pointers, and a change to them cannot be delivered.",
                "`libs/x` is a submodule; its files are not there in the run.",
            ),
        ),
        (
            Absent(lfs=tuple("abcdefg"), submodules=("x", "y")),
            (
                "`a`, `b`, `c`, `d`, `e` and 2 more are in Git LFS: the agent sees pointers, and a change to them"
                " cannot be delivered.",
                "`x` and `y` are submodules; their files are not there in the run.",
            ),
        ),
    ],
)
def test_what_is_absent_is_said_in_a_sentence_for_each_kind(absent: Absent, sentences: tuple[str, ...]) -> None:
    assert describe_absent(absent) == sentences


def test_what_a_file_names_mentions_nobody() -> None:
    [sentence] = describe_absent(Absent(lfs=("@octocat `x`\n",)))
    assert "@octocat" not in sentence
    assert sentence.count("`") == 2
