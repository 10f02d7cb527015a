"""What `/orch` and `/why` say."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from app.domain.approvals import describe_question
from app.domain.command_words import COMMANDS, Word
from app.domain.complexity import Complexity
from app.domain.explaining import DECISIONS_SHOWN, describe_leave, describe_route, describe_why
from app.domain.facts import Actor, Permission
from app.domain.graph import Graph, Node, NodeState
from app.domain.outcomes import Outcome
from app.domain.proposal import Item, Proposal
from app.domain.record import MergeWish, TaskRecord
from app.domain.strategies.commanded import obey
from app.domain.strategies.listening import Scene
from app.domain.task import TRANSITIONS, Status
from tests.unit import build
from tests.unit.build import NOW, POLICY, ROBOT, STRANGER, WRITER
from tests.unit.commenting import read
from tests.unit.draw import examine, records

REVIEWED = build.record(Status.IN_REVIEW, pull=30, head_sha=build.SHA)
NO_WRITE = "only people with write access to this repository start or steer work"
TEXTS = {
    Word.AGENT: "/agent script",
    Word.RETRY: "/retry do more",
    Word.APPROVE: "/approve budget 1",
    Word.PLAN: "/plan split it",
}


def leave(
    record: TaskRecord | None, actor: Actor = WRITER, permission: Permission = Permission.WRITE, **policy: object
) -> str:
    seen = build.snapshot(record, build.issue("orch"), permission, policy=POLICY.model_copy(update=policy))
    return describe_leave(record, actor, seen)


def offered(text: str) -> set[str]:
    return {line.split("`")[1].split()[0] for line in text.splitlines() if line.startswith("| `/")}


def test_where_there_is_no_task_people_are_told_how_to_make_one() -> None:
    text = leave(None)
    assert text.startswith("This issue is no task of Orch's.\n\n| what you may say now, `writer` |")
    assert offered(text) == {"/orch", "/why", "/ok-to-run", "/plan"}
    assert text.endswith("a person with write access puts the label `orch` on, or mentions `orch`.")


def all_that_does_something(record: TaskRecord) -> set[str]:
    at = build.snapshot(record, build.issue("orch"), Permission.WRITE)
    texts = {word: TEXTS.get(word, f"/{word.value}") for word in Word}
    return {
        f"/{word.value}"
        for word in Word
        if obey(read(texts[word]), record, Scene(build.commented(texts[word]), at)).done
    }


@pytest.mark.parametrize("status", sorted(set(TRANSITIONS.values())))
def test_what_is_offered_does_something_and_what_is_not_does_nothing(status: Status) -> None:
    record = build.record(status, pull=30 if status is Status.IN_REVIEW else None, head_sha=build.SHA)
    record = record.change(runs=(build.summary(),), asked=build.QUESTION if status is Status.NEEDS_REVIEW else None)
    done = all_that_does_something(record)
    unsaid = {"/resume"} if record.asked else set()
    assert done - offered(leave(record)) <= {"/ok-to-run", "/approve"}
    assert offered(leave(record)) - done == unsaid & offered(leave(record))


@pytest.mark.parametrize("status", [Status.BLOCKED, Status.NEEDS_REVIEW, Status.PAUSED, Status.DONE])
@pytest.mark.parametrize("state", NodeState)
def test_what_is_offered_on_a_parent_does_something_and_what_is_not_does_nothing(
    status: Status, state: NodeState
) -> None:
    graph = Graph(nodes=(Node(number=13, title="A part", state=state),), started=True)
    record = build.record(status, graph=graph, job_id=None, runs=(build.summary(),))
    done = all_that_does_something(record)
    assert done - offered(leave(record)) <= {"/ok-to-run", "/approve"}
    assert offered(leave(record)) <= done
    is_over = status is Status.NEEDS_REVIEW and state is not NodeState.OPEN
    assert ("/approve" in offered(leave(record))) == is_over


PLAN = Proposal(digest="d", summary="s", items=(Item(key="a", title="A"),))
PROPOSED = build.record(Status.NEEDS_REVIEW, plan=PLAN, runs=(build.summary(outcome=Outcome.PLANNED),))


def test_on_a_plan_that_waits_one_may_approve_deny_or_change_it() -> None:
    assert {"/approve", "/deny", "/plan"} <= offered(leave(PROPOSED)) & all_that_does_something(PROPOSED)
    assert "Who acts next: a person with write access: `/approve`, `/deny REASON` or `/plan CHANGE`." in why(PROPOSED)


def test_why_says_how_far_the_sub_issues_are_and_where_a_person_must_act() -> None:
    asking = Node(number=13, title="A part", status=Status.NEEDS_REVIEW)
    graph = Graph(nodes=(asking, Node(number=14, title="Another", state=NodeState.COMPLETED)), started=True)
    told = why(build.record(Status.BLOCKED, graph=graph))
    assert told[1] == "Who acts next: a person with write access, on #13."
    assert "1 of 2 sub-issues are closed. A person must act on #13." in told


def test_every_command_is_shown_with_an_example() -> None:
    rows = [line for line in leave(REVIEWED).splitlines() if line.startswith("| `/")]
    assert len(rows) > 10
    assert all(row.endswith("` |") and row.count(" `/") >= 2 for row in rows)
    assert f"| `/merge` | {COMMANDS[Word.MERGE].help} | `/merge` |" in rows


def test_strangers_are_offered_what_they_may_and_told_why_not_more() -> None:
    text = leave(REVIEWED, STRANGER, Permission.READ)
    assert (offered(text), f"Not all is allowed: {NO_WRITE}." in text) == ({"/orch", "/why"}, True)
    assert "bots start and steer no work" in leave(REVIEWED, ROBOT, Permission.WRITE)


def test_people_are_told_who_approves_budgets_and_merges() -> None:
    text = leave(build.record(Status.NEEDS_REVIEW), budget_approvers=("admin",))
    assert "Not all is allowed: only people with the role `admin` approve budgets here." in text
    assert "/merge" not in offered(leave(REVIEWED, mergers=("@boss",)))
    assert "Not all" not in leave(REVIEWED)


def why(record: TaskRecord | None, **seen: Any) -> list[str]:
    return describe_why(record, replace(build.snapshot(record), **seen)).split("\n\n")


def test_why_an_issue_is_no_task() -> None:
    [text] = why(None)
    assert text == (
        "This issue is no task of Orch's: nobody with write access put the label `orch` on, or Orch was not running "
        "then."
    )


def test_why_says_who_acts_next_and_what_waits() -> None:
    said = (build.instruction("c-1"), build.instruction("c-2", author="asker"), build.instruction("c-3", run_id="r"))
    record = REVIEWED.change(
        merge=MergeWish(by="writer", waits="It waits."), instructions=said, notice="Note this.", rounds=2
    )
    assert why(record) == [
        "The task is `in_review`. Because.",
        "Who acts next: a reviewer.",
        "Note this.",
        "Agent `script` (no model), attempt 1, round 2.",
        "`writer` wants it merged. It waits.",
        "Not told to the agent yet: 2 by `asker`, `writer`.",
    ]


def test_why_shows_what_is_asked() -> None:
    record = build.record(Status.NEEDS_REVIEW, asked=build.QUESTION)
    assert describe_question(build.QUESTION) in describe_why(record, build.snapshot(record))


def test_why_tells_the_last_decisions() -> None:
    decisions = tuple((NOW + timedelta(seconds=number), f"d{number} <b>\n@all") for number in range(12))
    told = why(build.record(), decisions=decisions)[-2].splitlines()
    assert len(told) == DECISIONS_SHOWN
    assert told[-1] == "* 2025-03-01 12:00:11 UTC: d11 <\u2060b> @\u2060all"


@examine
@given(records())
def test_nothing_that_is_said_holds_a_marker(record: TaskRecord) -> None:
    seen = build.snapshot(record, permission=Permission.READ)
    shown = record.change(why="", notice="")
    assert "<!--" not in describe_leave(shown, STRANGER, seen) + describe_why(shown, seen)


def test_every_command_has_its_place() -> None:
    shown = set().union(*(offered(leave(build.record(status))) for status in Status), offered(leave(None)))
    assert shown == {f"/{word.value}" for word in COMMANDS}


def test_people_learn_by_what_the_agent_was_chosen_and_how_the_task_counts() -> None:
    record = build.record(chosen="by a command", complexity=Complexity.COMPLEX, role="tester", priority="low")
    assert describe_route(record) == [
        "That agent was chosen by a command.",
        "It counts as: complexity `complex`, role `tester`, priority `low`.",
    ]
    assert describe_route(build.record()) == []
    assert "That agent was chosen by a command." in describe_why(record, build.snapshot(record))
