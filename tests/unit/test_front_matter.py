"""Front matter: what is read of it, what is remarked on, and what is left to others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.declared import read_declared
from app.domain.front_matter import LONGEST_LINE, FrontMatter, read_front_matter, write_front_matter
from app.domain.locks import take_paths, widen
from tests.unit.draw import examine

MARK = f"<!-- orch:ticket {'a' * 32} -->"
NOTHING = FrontMatter()
NO_LIST = (
    "Line 2 of the issue's text: `locks` must be a list, as in `locks: [src/parser.py, docs/]`, so it does not count."
)
NO_PATH = "Line 2 of the issue's text: `locks` names no path: write a list, as in `locks: [src/parser.py, docs/]`."
NO_END = "Line 1 of the issue's text begins front matter that no line `---` ends, so it does not count."
ABSOLUTE = "/etc must be relative to the root of the repository, without .. or a backslash"


@pytest.mark.parametrize(
    "text",
    [
        "---\nlocks: [src/a.py, docs/]\n---\nDo it.",
        "\n\n---\nlocks: ['src/a.py', \"docs\",] # they change\n---",
        f"{MARK}\n---\nlocks:\n  - src/a.py\n  # a comment\n\n  - 'docs' # too\ntitle: x\n---\nDo it.",
        "---\r\nlabels:\r\n- x\r\nlocks:\r\n- src/a.py\r\n- docs/\r\n---\r\nDo it.",
    ],
)
def test_locks_are_a_list_of_paths(text: str) -> None:
    assert read_front_matter(text) == FrontMatter(locks=("src/a.py", "docs"))


def test_a_priority_counts_whatever_its_case() -> None:
    assert read_front_matter("---\npriority: High\n---") == FrontMatter(priority="high")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Do it.\n---\nlocks: [a]\n---",
        "---\n\nA line above, and no front matter.",
        "---\ntitle: x\nlabels: [a]\nlock: b\n---",
        f"Do it.\n{MARK}\n---\nlocks: [a]\n---",
    ],
)
def test_what_is_not_orchs_is_left_alone(text: str) -> None:
    assert read_front_matter(text) == NOTHING


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("---\nlocks: src/a.py\n---", NO_LIST),
        ("---\nlocks: [a, b\n---", NO_LIST),
        ("---\nlocks: [a,,b]\n---", NO_LIST),
        ("---\nlocks:\ntitle: x\n---", NO_PATH),
        ("---\nlocks: [/etc]\n---", f"Line 2 of the issue's text: {ABSOLUTE}; that path is not locked."),
        ("---\nlocks:\n-\n---", "Line 3 of the issue's text: is no path: write a text as in src/app; that path is not"),
        (f"---\nlocks: [{'a' * LONGEST_LINE}]\n---", "Line 2 of the issue's text: it has more than 4000 characters"),
        ("---\npriority: urgent\n---", "Line 2 of the issue's text: `priority` must be high, normal or low, so it"),
        (f"{MARK}\r\n---\r\npriority:\r\n---", "Line 3 of the issue's text: `priority` must be high, normal or low"),
        ("---\nlocks: [a]\n\nDo it.", NO_END),
    ],
)
def test_what_is_wrong_does_not_count_and_is_told_with_its_line(text: str, remark: str) -> None:
    read = read_front_matter(text)
    assert (read.locks, read.priority, len(read.remarks)) == ((), None, 1)
    assert read.remarks[0].startswith(remark)


def test_what_is_right_counts_beside_what_is_wrong() -> None:
    read = read_front_matter("---\nlocks: [src, ../b]\npriority: low\npriority: high\n---")
    assert (read.locks, read.priority) == (("src",), "low")
    assert [remark.partition(":")[0] for remark in read.remarks] == [
        "Line 2 of the issue's text",
        "Line 4 of the issue's text",
    ]


def test_i12_remarks_are_few() -> None:
    read = read_front_matter("---\nlocks:\n" + "- /etc\n" * 9 + "---")
    assert read.remarks[5:] == ("There are 4 more mistakes in the front matter of the issue's text.",)


@examine
@given(st.lists(st.text(st.sampled_from("ab/.*'\"[], #:-"), min_size=1, max_size=9), max_size=5))
def test_what_is_written_is_read_again(texts: list[str]) -> None:
    paths = [text for text in texts if not _is_refused(text)]
    wanted = widen((), take_paths(paths))
    read = read_front_matter(f"{MARK}\n{write_front_matter(take_paths(paths))}\n\nDo it.")
    assert read.locks == wanted


def _is_refused(text: str) -> bool:
    try:
        take_paths([text])
    except ValueError:
        return True
    return False


def test_labels_name_locks_besides() -> None:
    read = read_declared("---\nlocks: [docs]\n---", {"lock:src/a.py", "LOCK: lib/", "bug", "priority:low"})
    assert read == FrontMatter(locks=("docs", "lib", "src/a.py"))


def test_a_label_with_a_bad_path_is_told_of() -> None:
    read = read_declared("", {"lock:/etc", "lock:src"})
    assert read == FrontMatter(locks=("src",), remarks=(f"The label `lock:/etc` does not count: {ABSOLUTE}.",))
