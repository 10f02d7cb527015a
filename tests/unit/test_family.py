"""A parent and its children: started, followed, and ended as they end."""

from decimal import Decimal
from typing import Any

import pytest

from app.domain.approvals import Question
from app.domain.effects import AddComment, CloseIssue, CreateChild, Decision, Enqueue, LinkChild, Send, nothing
from app.domain.events import SlotFreed, SlotWanted
from app.domain.facts import SubIssue
from app.domain.graph import NodeState
from app.domain.graph_events import BlockerMoved, ChildMoved, ChildWanted, GraphDue, GraphShown
from app.domain.jobs import Purpose, cleanup_job, run_job
from app.domain.outcomes import Outcome
from app.domain.plan import Criterion, Verdict
from app.domain.record import TaskRecord
from app.domain.strategies import family
from app.domain.strategies.single import after_run
from app.domain.strategies.starting import SHOW
from app.domain.task import Status, Trigger
from tests.unit import build, families
from tests.unit.build import NOW, TASK
from tests.unit.families import graph, node, parent, planned_child, proposal

SNAPSHOT = build.snapshot()
PLAIN = build.snapshot(policy=build.POLICY.model_copy(update={"integration": False}))
LATER = Send(event=GraphShown(task=TASK), delay=build.POLICY.settle * 5)
TIDY = Enqueue(job=cleanup_job(TASK, 1))
FIRST = (Send(event=SlotFreed(job_id="j")),)
DONE: dict[str, Any] = {"state": NodeState.COMPLETED}
ENDED = graph(node("a", 21, **DONE), node("b", 22, **DONE))
BOTH = "All sub-issues are closed, so an agent checks the whole by its acceptance criteria."


def moved(number: int = 21, state: NodeState = NodeState.OPEN, **changes: Any) -> ChildMoved:
    return ChildMoved(task=TASK, child=build.task(number), state=state, **changes)


def listed(number: int) -> SubIssue:
    return SubIssue(id=number, number=number, repository=TASK.repository, title="b", is_open=True)


def follow(known: TaskRecord, event: ChildMoved) -> Decision:
    assert known.graph is not None
    return family.follow_child(known, known.graph, event, SNAPSHOT)


def checking(known: TaskRecord) -> Decision:
    """Return what sets an agent on the whole."""
    job = run_job(TASK, 2, "integration")
    numbers = {"attempt": 2, "job_id": job.id, "tries": 1, "rounds": 0}
    routed = known.advance(Trigger.ROUTE, BOTH, purpose=Purpose.INTEGRATION, **numbers)
    slot = Send(event=SlotWanted(job=job, since=NOW.timestamp(), agent="script"))
    return Decision(BOTH, routed, (slot, build.SOON))


def ended(known: TaskRecord, why: str) -> Decision:
    return Decision(why, known.advance(Trigger.COMPLETE, why), (CloseIssue(), TIDY, *SHOW))


def wanted(number: int = 21, **changes: Any) -> Send:
    made = ChildWanted(
        task=build.task(number),
        parent=TASK,
        title="Do a",
        digest="digest-a",
        requested_by="writer",
        requested_by_id=11,
        locks=("src/a",),
    )
    return Send(event=made.model_copy(update=changes))


def test_children_are_wanted_as_the_plan_says() -> None:
    known = parent(of=graph(node("a", 21), node("b", 22), started=False))
    second = {"title": "Do b", "digest": "digest-b", "locks": ("src/b",), "blockers": (build.task(21),)}
    assert known.graph is not None
    started = known.change(graph=graph(node("a", 21), node("b", 22)), why="0 of 2 sub-issues are closed.")
    decision = Decision("2 sub-issues were created", started, (wanted(), wanted(22, **second), *SHOW))
    assert family.start_children(known, known.graph, SNAPSHOT) == decision


@pytest.mark.parametrize(
    ("autonomy", "flags"), [("manual", {"held": True}), ("checkpoint", {}), ("full", {"hands_off": True})]
)
def test_the_autonomy_says_who_starts_and_who_merges(autonomy: str, flags: dict[str, bool]) -> None:
    known = parent(of=graph(node("a", 21), started=False), plan=proposal(planned_child("a")))
    assert known.graph is not None
    snapshot = build.snapshot(policy=build.POLICY.model_copy(update={"autonomy": autonomy}))
    assert family.start_children(known, known.graph, snapshot).effects[0] == wanted(**flags)


@pytest.mark.parametrize(("agent", "taken"), [("script", "script"), ("claude", None)])
def test_a_planned_agent_counts_if_it_may_be_used(agent: str, taken: str | None) -> None:
    known = parent(of=graph(node("a", 21), started=False), plan=proposal(planned_child("a", agent=agent)))
    assert known.graph is not None
    assert family.start_children(known, known.graph, SNAPSHOT).effects[0] == wanted(agent=taken)


@pytest.mark.parametrize(("state", "blockers"), [(NodeState.COMPLETED, ()), (NodeState.DROPPED, (build.task(21),))])
def test_a_child_that_was_closed_meanwhile_is_not_begun(state: NodeState, blockers: tuple[Any, ...]) -> None:
    known = parent(of=graph(node("a", 21, state=state), node("b", 22), started=False))
    assert known.graph is not None
    second = {"title": "Do b", "digest": "digest-b", "locks": ("src/b",), "blockers": blockers}
    assert family.start_children(known, known.graph, SNAPSHOT).effects == (wanted(22, **second), *SHOW)


def test_what_a_child_tells_is_shown_a_little_later() -> None:
    known = parent(of=graph(node("a", 21), node("b", 22)))
    news: dict[str, Any] = {"status": Status.IN_REVIEW, "why": "So.", "cost": Decimal(1), "runs": 1, "pull": 30}
    after = known.change(
        graph=graph(node("a", 21, **news), node("b", 22), due=True), why="0 of 2 sub-issues are closed."
    )
    assert follow(known, moved(**news)) == Decision("owner/project#21 changed", after, (LATER,))


def test_what_is_shown_soon_is_not_asked_for_again() -> None:
    known = parent(of=graph(due=True))
    assert follow(known, moved(status=Status.ROUTED)).effects == ()


def test_i2_what_a_child_told_before_changes_nothing() -> None:
    known = parent(of=graph(node("a", 21, status=Status.ROUTED, waits_for=("#8", "#7"))))
    assert follow(known, moved(status=Status.ROUTED, waits_for=("#7", "#8"))) == nothing("that is known")
    assert follow(known, moved(status=Status.ROUTED)) == nothing("that is known")


def test_an_issue_that_is_no_child_changes_nothing() -> None:
    assert follow(parent(), moved(99)) == nothing("the issue is none of its sub-issues")


def test_a_closed_child_that_is_no_task_counts_as_closed() -> None:
    known = parent(of=graph(node("", 21, status=None), node("b", 22)))
    after = follow(known, moved(state=NodeState.COMPLETED)).record
    assert isinstance(after, TaskRecord)
    assert after.graph == graph(node("", 21, **DONE), node("b", 22), due=True)
    assert after.why == "1 of 2 sub-issues are closed."


@pytest.mark.parametrize("started", [True, False])
def test_what_changes_before_the_start_or_after_the_end_is_shown(started: bool) -> None:
    status = Status.DONE if started else Status.NEEDS_REVIEW
    known = parent(status, graph(node("a", 21), started=started))
    after = known.change(graph=graph(node("a", 21, status=Status.NEW), started=started, due=True))
    decision = Decision("its sub-issues changed", after, (LATER,))
    assert follow(known, moved(status=Status.NEW, why="", waits_for=())) == decision


def test_github_is_looked_at_once_more_when_all_that_is_known_is_completed() -> None:
    known = parent(of=graph(node("a", 21), node("b", 22, **DONE)))
    due = (Send(event=GraphDue(task=TASK)),)
    why = "its sub-issues are closed, as far as known"
    assert follow(known, moved(**DONE)) == Decision(why, known.change(graph=ENDED), due)


def test_the_whole_is_checked_once_all_is_completed() -> None:
    known = parent(of=ENDED)
    assert family.evaluate(known, ENDED, SNAPSHOT) == checking(known)


def test_the_end_waits_for_a_sub_issue_that_no_webhook_told_of_but_for_no_late_list() -> None:
    known = graph(node("a", 21, status=Status.DONE, **DONE))
    after = family.evaluate(parent(of=known), known, build.snapshot(children=(listed(21), listed(23)))).record
    assert isinstance(after, TaskRecord)
    assert after.graph is not None
    assert [(one.number, one.state) for one in after.graph.nodes] == [(21, NodeState.COMPLETED), (23, NodeState.OPEN)]
    assert after.status is Status.BLOCKED


def test_without_a_check_the_parent_is_done_with_its_children() -> None:
    known = parent(of=ENDED)
    assert family.evaluate(known, ENDED, PLAIN) == ended(known, "All sub-issues are closed as completed.")


@pytest.mark.parametrize(
    ("nodes", "what"),
    [
        ((node("a", 21, state=NodeState.DROPPED), node("b", 22, **DONE)), "#21 was closed, but not as completed"),
        (
            (node("a", 21, state=NodeState.DROPPED), node("b", 22, state=NodeState.DROPPED)),
            "#21, #22 were closed, but not as completed",
        ),
        ((), "none is left"),
    ],
)
def test_a_person_is_asked_about_children_that_were_dropped(nodes: tuple[Any, ...], what: str) -> None:
    left = graph().model_copy(update={"nodes": nodes})
    known = parent(of=left)
    why = (
        f"All sub-issues are closed: {what}. A person with write access says `/approve` if the rest is enough, or "
        "reopens or adds sub-issues."
    )
    dropped = sum(one.state is NodeState.DROPPED for one in nodes)
    call = AddComment(task=TASK, key=f"dropped-1-{dropped}", body=why)
    decision = Decision("sub-issues were dropped", known.advance(Trigger.PARK, why), (*SHOW, call))
    assert family.evaluate(known, left, SNAPSHOT) == decision


def test_a_parked_parent_waits_again_for_a_child_that_is_open_again() -> None:
    known = parent(Status.NEEDS_REVIEW, graph(node("a", 21, state=NodeState.DROPPED)))
    changed = known.change(graph=graph(node("a", 21)))
    blocked = changed.advance(Trigger.BLOCK, "0 of 1 sub-issues are closed.", job_id=None)
    assert follow(known, moved()) == Decision("a sub-issue is open again", blocked, SHOW)


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (Status.PAUSED, {"purpose": Purpose.INTEGRATION}),
        (Status.IN_PROGRESS, {"purpose": Purpose.INTEGRATION}),
        (Status.NEEDS_REVIEW, {"asked": Question(key="k", text="?", at=NOW)}),
    ],
)
def test_a_parent_that_was_paused_is_at_work_or_asks_stays_so(status: Status, changes: dict[str, object]) -> None:
    known = parent(status, ENDED, **changes)
    after = known.change(graph=graph(node("a", 21), node("b", 22, **DONE), due=True))
    assert follow(known, moved()) == Decision("a sub-issue changed", after, (LATER,))


def test_a_stopped_parent_does_not_end_by_itself() -> None:
    known = parent(Status.PAUSED, graph(node("a", 21)))
    after = known.change(graph=graph(node("a", 21, **DONE), due=True))
    assert follow(known, moved(**DONE)) == Decision("its sub-issues are closed", after, (LATER,))


def verdict(*met: bool) -> Verdict:
    criteria = tuple(Criterion(text=f"criterion {n}", met=one, why="seen") for n, one in enumerate(met))
    return Verdict(summary="It was tried.", criteria=criteria)


def test_a_whole_that_is_as_it_should_be_is_done() -> None:
    known = parent(Status.IN_PROGRESS, ENDED, purpose=Purpose.INTEGRATION)
    decision = family.checked(known, build.result(Outcome.CHECKED, verdict=verdict(True)), FIRST)
    done = ended(known, "All sub-issues are closed, and the whole was checked: It was tried.")
    assert decision == Decision(done.why, done.record, (*FIRST, *done.effects))


def test_a_person_is_told_what_of_the_whole_is_not_met() -> None:
    known = parent(Status.IN_PROGRESS, ENDED, purpose=Purpose.INTEGRATION)
    why = (
        "All sub-issues are closed, but 1 acceptance criteria are not met. A person with write access adds sub-issues "
        "for what is missing, or says `/approve` if it is enough, or `/retry` to have it checked again."
    )
    call = AddComment(task=TASK, key="checked-1", body=f"{why}\n\n* criterion 1: seen\n\n> It was tried.")
    after = known.advance(Trigger.PARK, why)
    decision = Decision("not all criteria are met", after, (*FIRST, *SHOW, call))
    assert family.checked(known, build.result(Outcome.CHECKED, verdict=verdict(True, False)), FIRST) == decision


@pytest.mark.parametrize("found", [None, verdict()])
def test_i10_a_check_of_nothing_is_no_success(found: Verdict | None) -> None:
    known = parent(Status.IN_PROGRESS, ENDED, purpose=Purpose.INTEGRATION)
    after = family.checked(known, build.result(Outcome.CHECKED, verdict=found), FIRST).record
    assert isinstance(after, TaskRecord)
    assert after.status is Status.NEEDS_REVIEW
    assert after.why.startswith("All sub-issues are closed, but no acceptance criterion was checked. A person")


def test_a_verdict_on_a_whole_that_is_not_whole_any_more_counts_for_nothing() -> None:
    known = parent(Status.IN_PROGRESS, graph(node("a", 21)), purpose=Purpose.INTEGRATION)
    blocked = known.advance(Trigger.BLOCK, "0 of 1 sub-issues are closed.", job_id=None)
    decision = family.checked(known, build.result(Outcome.CHECKED, verdict=verdict(True)), FIRST)
    assert decision == Decision("a sub-issue is open again", blocked, (*FIRST, *SHOW))


def test_a_parent_that_goes_on_waits_for_what_is_open() -> None:
    known = parent(Status.PAUSED, graph(node("a", 21)))
    blocked = known.advance(Trigger.BLOCK, "So. 0 of 1 sub-issues are closed.", job_id=None)
    assert family.resume_whole(known, SNAPSHOT, "So.") == Decision("So.", blocked, SHOW)


def test_a_parent_that_goes_on_has_the_whole_checked_once_all_is_closed() -> None:
    known = parent(Status.PAUSED, ENDED)
    assert family.resume_whole(known, SNAPSHOT, "So.") == checking(known)


def test_a_parent_that_goes_on_is_done_where_nothing_is_checked() -> None:
    known = parent(Status.PAUSED, ENDED)
    assert family.resume_whole(known, PLAIN, "So.") == ended(known, "All sub-issues are closed.")


def test_a_parent_that_was_stopped_before_the_start_creates_what_is_missing() -> None:
    known = parent(Status.PAUSED, graph(node("a", 21), started=False))
    blocked = known.advance(Trigger.BLOCK, "So.", job_id=None)
    creates = (CreateChild(key="b", looks=True), LinkChild(key="b", after="a"), Send(event=GraphDue(task=TASK)))
    assert family.resume_whole(known, SNAPSHOT, "So.") == Decision("So.", blocked, (*SHOW, *creates))


def test_a_task_without_children_goes_on_with_another_attempt() -> None:
    known = build.record(Status.PAUSED)
    after = family.resume_whole(known, SNAPSHOT, "So.").record
    assert isinstance(after, TaskRecord)
    assert (after.status, after.purpose) == (Status.ROUTED, Purpose.WORK)


def test_those_who_wait_for_an_issue_that_is_no_task_are_told_how_it_stands() -> None:
    decision = family.tell_about(TASK, NodeState.COMPLETED, [build.task(7)], families.PARENT)
    told = (
        Send(event=BlockerMoved(task=build.task(7), blocker=TASK, state=NodeState.COMPLETED)),
        Send(event=ChildMoved(task=families.PARENT, child=TASK, state=NodeState.COMPLETED)),
    )
    assert decision == Decision("the issue is completed", effects=told)
    assert family.tell_about(TASK, NodeState.OPEN, [], None) == nothing("nobody waits for the issue")


def test_the_end_of_a_run_for_the_whole_is_followed() -> None:
    known = parent(Status.IN_PROGRESS, ENDED, purpose=Purpose.INTEGRATION, run_id=build.RUN)
    event = build.finished(build.result(Outcome.CHECKED, verdict=verdict(True)))
    after = after_run(event, known, SNAPSHOT).record
    assert isinstance(after, TaskRecord)
    assert (after.status, after.run_id) == (Status.DONE, None)


def test_the_end_of_a_run_that_planned_is_followed() -> None:
    known = build.record(purpose=Purpose.PLAN)
    made = families.plan()
    after = after_run(build.finished(build.result(Outcome.PLANNED, plan=made)), known, SNAPSHOT).record
    assert isinstance(after, TaskRecord)
    assert after.plan is not None
    assert (after.status, [item.key for item in after.plan.items]) == (Status.NEEDS_REVIEW, ["a", "b"])
