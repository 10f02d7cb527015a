"""What two repositories need to be alike again."""

import pytest

from app.entry.local_plan import Clash, Fetch, Land, Move, plan

HISTORY = {"2": "1", "3": "2", "x": "1"}
"""Each commit's parent: 1-2-3, and x beside 2."""


def contains(commit: str, ancestor: str) -> bool:
    return commit == ancestor or (commit in HISTORY and contains(HISTORY[commit], ancestor))


def planned(mine: str | None, hub: str | None, agreed: str | None) -> list[Move]:
    here, there, last = ({"b": sha} if sha else {} for sha in (mine, hub, agreed))
    return plan(here, there, last, contains)


@pytest.mark.parametrize(
    ("mine", "hub", "agreed", "moves"),
    [
        ("2", "1", "1", [Fetch("b", "2", "1")]),
        ("x", "2", "2", [Fetch("b", "x", "2", forced=True)]),
        ("1", None, None, [Fetch("b", "1", None)]),
        ("1", "2", "1", [Land("b", "2", "1")]),
        (None, "1", None, [Land("b", "1", None)]),
        (None, "2", "1", [Land("b", "2", None)]),
        ("1", None, "1", [Land("b", None, "1")]),
        ("3", "2", "1", [Fetch("b", "3", "2")]),
        ("2", "3", "1", [Land("b", "3", "2")]),
        ("2", "x", "1", [Clash("b", "x")]),
        ("2", "x", None, [Clash("b", "x")]),
        ("2", None, "1", [Clash("b", None)]),
        (None, "1", "1", []),
        ("1", "1", None, []),
        (None, None, "1", []),
    ],
)
def test_a_branch_goes_where_nothing_is_lost(
    mine: str | None, hub: str | None, agreed: str | None, moves: list[Move]
) -> None:
    assert planned(mine, hub, agreed) == moves


def test_what_is_alike_is_noted() -> None:
    agreed = {"gone": "1", "moved": "1"}
    assert plan({"new": "1", "moved": "2"}, {"new": "1", "moved": "2"}, agreed, contains) == []
    assert agreed == {"new": "1", "moved": "2"}
