"""Lists of people: who is in two of them, and what that is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.people import ROLES, are_same, name_people, narrow
from tests.unit.draw import examine

WORDS = ("write", "maintain", "admin", "@one", "@One", "@two", "@one&maintain", "@two&admin")
lists = st.lists(st.sampled_from(WORDS), max_size=4)


def is_in(login: str, role: str, people: list[str] | tuple[str, ...]) -> bool:
    """Say whether somebody is in a list, word by word."""
    for word in people:
        name, _, needed = word.partition("&") if word.startswith("@") else ("", "", word)
        if name.lower() in ("", f"@{login}") and ROLES.index(role) >= ROLES.index(needed or "write"):
            return True
    return False


ALL = [(login, role) for login in ("one", "two", "three") for role in ROLES]


@pytest.mark.parametrize(
    ("allowed", "asked", "both"),
    [
        (["write"], ["maintain", "@one"], ("maintain", "@one")),
        (["admin"], ["write"], ("admin",)),
        (["admin"], ["@one"], ("@one&admin",)),
        (["@one"], ["maintain"], ("@one&maintain",)),
        (["@one", "admin"], ["@ONE", "@two"], ("@ONE", "@two&admin")),
        (["@one"], ["@two"], ()),
        ([], ["write"], ()),
        (["write", "admin"], ["@one", "admin", "maintain"], ("@one", "maintain")),
    ],
)
def test_those_in_both_lists_remain(allowed: list[str], asked: list[str], both: tuple[str, ...]) -> None:
    assert narrow(allowed, asked) == both


@examine
@given(lists, lists)
def test_exactly_those_in_both_lists_remain(allowed: list[str], asked: list[str]) -> None:
    both = narrow(allowed, asked)
    for somebody in ALL:
        assert is_in(*somebody, both) == (is_in(*somebody, allowed) and is_in(*somebody, asked))


@examine
@given(lists, lists)
def test_lists_are_the_same_if_the_same_people_are_in_them(one: list[str], other: list[str]) -> None:
    assert are_same(one, other) == all(is_in(*somebody, one) == is_in(*somebody, other) for somebody in ALL)


def test_people_are_named() -> None:
    names = "people with the role `maintain` and `one` and `two` (with the role `admin`)"
    assert name_people(["maintain", "@one", "@two&admin"]) == names
    assert name_people([]) == "nobody"
