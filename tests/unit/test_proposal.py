"""A plan as the record holds it: bounded, and without what people dropped."""

import pytest

from app.domain.complexity import Complexity
from app.domain.proposal import LONGEST_SUMMARY, MOST_PATHS, Item, Proposal, propose
from tests.unit.families import DIGEST, plan, planned_child, proposal

CHAIN = (planned_child("a"), planned_child("b", "a"), planned_child("c", "b"))


def test_a_proposal_says_what_the_plan_says_but_the_texts() -> None:
    made = planned_child("a", role="tester", complexity=Complexity.SIMPLE, agent="claude")
    item = Item(key="a", title="Do a", paths=("src/a",), role="tester", complexity=Complexity.SIMPLE, agent="claude")
    assert propose(plan(made), DIGEST) == Proposal(digest=DIGEST, summary="In two steps.", items=(item,))


def test_a_long_summary_is_cut() -> None:
    long = plan().model_copy(update={"summary": "x" * 4000})
    assert propose(long, DIGEST).summary == "x" * LONGEST_SUMMARY


def test_children_come_after_those_they_depend_on() -> None:
    turned = proposal(planned_child("c", "b"), planned_child("b", "a"), planned_child("a"))
    assert [item.key for item in turned.kept] == ["a", "b", "c"]


def test_who_depended_on_a_dropped_child_depends_on_what_that_one_did() -> None:
    left = proposal(*CHAIN).drop(frozenset({"b"}))
    assert [(item.key, item.depends_on) for item in left.kept] == [("a", ()), ("c", ("a",))]


def test_a_box_that_is_ticked_again_takes_the_child_back() -> None:
    assert proposal(*CHAIN).drop(frozenset({"b"})).drop(frozenset()) == proposal(*CHAIN)


def test_dropping_all_leaves_none() -> None:
    assert proposal(*CHAIN).drop(frozenset({"a", "b", "c"})).kept == ()


def test_many_paths_become_their_directories() -> None:
    children = [planned_child(f"k{n}", paths=tuple(f"src/part{n}/{'x' * 60}{i}" for i in range(50))) for n in range(5)]
    paths = {item.key: item.paths for item in propose(plan(*children), DIGEST).items}
    assert paths == {f"k{n}": (f"src/part{n}",) for n in range(5)}


@pytest.mark.parametrize("path", ["x" * 300, "x" * 300 + "/"])
def test_paths_that_are_not_in_directories_are_cut_and_fewer(path: str) -> None:
    children = [planned_child(f"k{n}", paths=tuple(f"{n}-{i:02}{path}" for i in range(50))) for n in range(30)]
    items = propose(plan(*children), DIGEST).items
    assert items[1].paths == tuple(f"1-{i:02}{'x' * 36}" for i in range(5))
    assert sum(len(path) for item in items for path in item.paths) <= MOST_PATHS
