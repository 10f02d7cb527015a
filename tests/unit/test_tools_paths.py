"""Globs and places: what a rule can say of a path."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.tools.globs import ANY, MARKED, ONE, STAR, path_fits, path_may_fit, word_fits, word_may_fit
from app.domain.tools.paths import LONGEST, covers, is_outside, locate, may_cover
from tests.unit.draw import examine

ROOT = PurePosixPath("/room/space")
PIECES = st.text("ab./*", max_size=6)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("a/./b//c", "a/b/c"),
        ("", "."),
        ("a/..", "."),
        ("a/../../x", "/room/x"),
        ("/room/space/a", "a"),
        ("/room/space/../space/a", "a"),
        ("/room/space2/a", "/room/space2/a"),
        ("/room/space", "."),
        ("../../../../etc", "/etc"),
        ("/", "/"),
        ("~", "~"),
        ("~/a/../b", "~/b"),
        ("~/../x", "/x"),
        ("~other/x", "/other/x"),
        ("./~x", "$"),
        ("./$x", "$"),
        (f"a/{ANY}", "$"),
        (f".{STAR}/x", "$"),
        (f"~/.{ONE}", "$"),
        (f".g{STAR}", f".g{STAR}"),
        ("a" * (LONGEST + 1), "$"),
    ],
)
def test_a_path_is_spelled_by_where_it_leads(path: str, place: str) -> None:
    assert locate(path, ".", ROOT) == place


@pytest.mark.parametrize(
    ("folder", "place"), [("a", "a/x"), ("/etc", "/etc/x"), ("~", "~/x"), ("$", "$"), ("/room", "/room/x")]
)
def test_a_path_begins_where_its_folder_is(folder: str, place: str) -> None:
    assert locate("x", folder, ROOT) == place


def test_outside_is_what_may_not_be_inside() -> None:
    assert [is_outside(place) for place in ("a", ".", "/a", "~/a", "$")] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("glob", "fits", "fits_not"),
    [
        ("a/**", ["a", "a/b", "a/b/c", "A/b"], ["ab", "b/a"]),
        ("**/.env", [".env", "a/.env", "a/b/.env"], ["x.env", ".envy"]),
        ("a/*/c", ["a/b/c", "a//c"], ["a/b/b/c", "a/c"]),
        ("a/**/c", ["a/c", "a/b/c", "a/b/b/c"], ["a/bc"]),
        ("*.py", ["a.py", ".py"], ["a/b.py"]),
        ("[a]?", ["[a]?"], ["a", "ab"]),
        ("**", ["a", "a/b", "."], []),
    ],
)
def test_a_glob_covers_paths(glob: str, fits: list[str], fits_not: list[str]) -> None:
    assert [path for path in (*fits, *fits_not) if path_fits(glob, path)] == fits


@pytest.mark.parametrize(
    ("glob", "fits", "fits_not"),
    [
        (".git/**", [f".g{STAR}", f".gi{ONE}/x", f".{STAR}t/hooks"], [f"{STAR}", f"{ONE}git", f"a/{STAR}"]),
        ("**/.env", [f"{STAR}/.env", f"a/.e{STAR}"], [f"{STAR}", f"{STAR}{STAR}", f"a{STAR}"]),
        ("secrets/*.pem", [f"{STAR}/{STAR}", f"secrets/{STAR}", f"{STAR}{STAR}/x.{STAR}"], [f"secrets/{STAR}.py"]),
        ("src/**", [f"{STAR}", f"s{STAR}/a", f"src/{ONE}"], [f"t{STAR}/a"]),
    ],
)
def test_a_wildcard_may_become_what_a_glob_covers(glob: str, fits: list[str], fits_not: list[str]) -> None:
    assert [path for path in (*fits, *fits_not) if path_may_fit(glob, path)] == fits


def test_what_is_too_long_to_look_at_may_be_anything() -> None:
    assert path_may_fit("a", STAR + "b" * MARKED)


def test_a_star_in_a_word_is_any_text() -> None:
    assert word_fits("*.ssh/*", "x/.ssh/y")
    assert not word_fits("ls", "LS")
    assert word_may_fit("push", f"p{STAR}")
    assert word_may_fit("push", ANY)
    assert not word_may_fit("push", f"q{STAR}")


def test_a_glob_is_about_the_workspace_or_about_what_lies_outside() -> None:
    places = ("a", "/a", "~/a", "$")
    assert [[place for place in places if covers(glob, place)] for glob in ("**", "/**", "~/**", "$")] == [
        ["a"],
        ["/a"],
        ["~/a"],
        ["$"],
    ]
    assert [place for place in places if may_cover("**", place)] == ["a"]


@examine
@given(PIECES, PIECES, st.text("ab./", max_size=4))
def test_what_a_wildcard_becomes_is_foreseen(glob: str, before: str, filled: str) -> None:
    text = before.replace("*", "")
    whole = f"{text}x{filled.replace('/', '')}"
    if path_fits(glob, whole):
        assert path_may_fit(glob, f"{text}x{STAR}")
        assert path_may_fit(glob, f"{text}{ANY}")
