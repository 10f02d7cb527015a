import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.locks import MOST, MOST_TEXT, WHOLE, Claims, conflicts, outside, overlap, take_paths, widen
from tests.unit.draw import examine

PARTS = st.sampled_from(["a", "b", "ab", "c.py", "*", "x*.py"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("src/a.py", "src/a.py", True),
        ("src", "src/a.py", True),
        ("src", "srcs", False),
        ("src/a", "src/b", False),
        ("src/*.py", "src/deep/a.txt", True),
        ("src/*.py", "docs/a.py", False),
        ("s[rc]c/a", "docs", True),
        (WHOLE, "a", True),
    ],
)
def test_paths_overlap_that_are_equal_or_above_each_other(one: str, other: str, expected: bool) -> None:
    assert (overlap(one, other), overlap(other, one)) == (expected, expected)


def test_the_held_path_is_named_that_stands_in_the_way() -> None:
    assert conflicts(("docs", "src/a.py"), ("lib", "src", "docs/x")) == "src"
    assert conflicts(("docs",), ("lib",)) is None


@examine
@given(st.lists(PATHS, max_size=8), st.lists(PATHS, max_size=8), PATHS)
def test_nothing_is_held_less_by_being_widened(locks: list[str], touched: list[str], path: str) -> None:
    widened = widen(locks, touched)
    assert bool(conflicts([path], [*locks, *touched])) == bool(conflicts([path], widened))
    assert not any(overlap(one, other) for one in widened for other in widened if one != other)


@pytest.mark.parametrize(
    ("touched", "expected"),
    [
        ([f"src/{n % 3}/{n}.py" for n in range(MOST + 1)], ("src/0", "src/1", "src/2")),
        ([f"{n}/file" for n in range(MOST + 1)], (WHOLE,)),
        (["top", *(f"src/{n}" for n in range(MOST))], ("top", "src")),
        ([f"src/{n}" for n in range(MOST)], tuple(f"src/{n}" for n in range(MOST))),
    ],
)
def test_i12_many_paths_are_held_as_their_directories(touched: list[str], expected: tuple[str, ...]) -> None:
    assert widen((), touched) == expected


def test_paths_are_written_in_one_way() -> None:
    assert take_paths([" ./src//app/ ", "src/app", ".", "docs/*.md"]) == ("src/app", WHOLE, "docs/*.md")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (7, "`7` is no path: write a text as in `src/app`"),
        ("  ", "`  ` is no path: write a text as in `src/app`"),
        ("../x", "`../x` must be relative to the root of the repository, without `..` or a backslash"),
        ("/etc", "`/etc` must be relative to the root of the repository, without `..` or a backslash"),
        ("a\\b", "`a\\b` must be relative to the root of the repository, without `..` or a backslash"),
        ("a\nb", f"at most {MOST_TEXT} characters, all of them printable"),
        ("a" * (MOST_TEXT + 1), f"at most {MOST_TEXT} characters, all of them printable"),
    ],
)
def test_what_is_no_path_is_refused_with_what_is_wrong(value: object, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        take_paths([value])


def test_a_task_is_stopped_by_whoever_came_first() -> None:
    claims = Claims([(1, ("src/a",)), (2, ("src", "docs"))])
    asked = [claims.stopping(9, paths) for paths in (("src/a/b",), ("src",), ("src/c",), ("docs/x",), ("lib",))]
    assert asked == [(1, "src/a"), (1, "src/a"), (2, "src"), (2, "docs"), None]


def test_a_task_that_holds_something_is_stopped_by_those_before_it_only() -> None:
    claims = Claims([(1, ("src/a",)), (2, ("src",)), (3, ("src/b",))])
    assert [claims.stopping(task, ("src",)) for task in (1, 2, 3)] == [None, (1, "src/a"), (1, "src/a")]


@examine
@given(st.lists(st.tuples(st.integers(1, 4), PATHS), max_size=8), st.lists(PATHS, max_size=3))
def test_who_is_stopped_is_found_as_by_comparing_all(held: list[tuple[int, str]], wanted: list[str]) -> None:
    holders = [(owner, tuple(path for one, path in held if one == owner)) for owner in sorted({n for n, _ in held})]
    expected = next((owner for owner, paths in holders if conflicts(wanted, paths)), None)
    found = Claims(holders).stopping(9, wanted)
    assert (found and found[0]) == expected


@pytest.mark.parametrize(
    ("locks", "expected"),
    [
        (("src",), ("docs/x", "*.md")),
        (("src/*.py", "docs"), ("*.md",)),
        ((WHOLE,), ()),
        (("src/a.py", "docs/x/y"), ("src", "docs/x", "*.md")),
    ],
)
def test_what_no_lock_covers_is_outside(locks: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert outside(locks, ("src/a.py", "src", "docs/x", "*.md")) == expected
