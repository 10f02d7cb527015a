from typing import Any

import pytest

from app.domain.complexity import Complexity
from app.domain.effects import Decision, DeleteRef, Enqueue, SetLabels, StopRun, Tell, UpsertComment, nothing
from app.domain.events import RunFinished, RunGivenBack, RunProgressed, Spent, WorkspaceExpired
from app.domain.instructions import Kind
from app.domain.jobs import Purpose, cleanup_job
from app.domain.ledger import Ledger
from app.domain.outcomes import Outcome
from app.domain.record import TaskRecord, Unfinished
from app.domain.snapshot import Need
from app.domain.strategies import single
from app.domain.task import Status, Trigger, can
from handlers.runs import (
    HANDLERS,
    run_finished,
    run_given_back,
    run_progressed,
    run_started,
    spent,
    workspace_expired,
)
from tests.unit import build
from tests.unit.build import NOW, RUN, TASK

SHOW = (SetLabels(), UpsertComment())
WORKS = f"Agent `script` works on attempt 1, run `{RUN}`."
REVIEW = build.instruction("review-4", kind=Kind.REVIEW)
IDLE = [status for status in Status if not can(status, Trigger.START)]


def test_a_run_that_began_is_the_current_one() -> None:
    decision = run_started(build.started(), build.snapshot(build.record(Status.ROUTED)))
    assert decision == Decision(f"run {RUN} began", build.record(why=WORKS), SHOW)


def test_i3_a_run_that_replaces_a_lost_one_is_current_and_clears_what_that_pushed() -> None:
    known = build.record(run_id="run-0")
    decision = run_started(build.started(lost="run-0"), build.snapshot(known))
    effects = (*SHOW, DeleteRef(ref="refs/orch/runs/run-0"))
    assert decision == Decision(f"run {RUN} began", build.record(why=WORKS), effects)


def test_a_run_that_begins_is_told_what_people_said_before_and_what_a_lost_run_was_told() -> None:
    said = (build.instruction("c-1"), build.instruction("c-2", run_id="run-0"), build.instruction("c-3", run_id="old"))
    known = build.record(run_id="run-0", instructions=(*said, REVIEW))
    decision = run_started(build.started(lost="run-0"), build.snapshot(known))
    untold = (said[0], build.instruction("c-2"))
    assert decision.record == build.record(why=WORKS, instructions=(*untold, said[2], REVIEW))
    assert decision.effects[0] == Tell(run_id=RUN, instructions=untold)


def test_a_run_that_began_leaves_none_behind_that_could_still_tell_of_its_end() -> None:
    decision = run_started(build.started(), build.snapshot(build.record(Status.ROUTED, stopping="run-0")))
    assert decision.record == build.record(why=WORKS)


def test_an_agent_that_only_reads_is_told_nothing_in_the_middle_of_its_run() -> None:
    known = build.record(Status.ROUTED, purpose=Purpose.REVIEW, instructions=(build.instruction(),))
    assert run_started(build.started(), build.snapshot(known)).effects == SHOW


@pytest.mark.parametrize("record", [None, build.record(job_id="newer"), *(build.record(status) for status in IDLE)])
def test_i3_a_run_that_the_task_does_not_want_is_stopped(record: TaskRecord | None) -> None:
    decision = run_started(build.started(), build.snapshot(record))
    assert decision == Decision("the task does not want this run any more", effects=(StopRun(run_id=RUN),))


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("record", [None, build.record(run_id="run-2"), build.record(Status.NEEDS_REVIEW)])
def test_i3_the_end_of_a_run_that_is_not_current_changes_nothing(record: TaskRecord | None, outcome: Outcome) -> None:
    decision = run_finished(build.finished(build.result(outcome)), build.snapshot(record))
    pushed = record is not None and outcome is Outcome.DELIVERED
    removed = (DeleteRef(ref=f"refs/orch/runs/{RUN}"),) if pushed else ()
    assert decision == Decision(f"run {RUN} is not the current run", effects=removed)


@pytest.mark.parametrize("outcome", Outcome)
def test_the_end_of_a_run_that_was_told_to_stop_is_written_down_with_its_cost(outcome: Outcome) -> None:
    event = build.finished(build.result(outcome))
    decision = run_finished(event, build.snapshot(build.record(Status.PAUSED, stopping=RUN)))
    assert decision == single.after_stop(event, build.record(Status.PAUSED, stopping=RUN))
    assert isinstance(decision.record, TaskRecord)
    again = run_finished(event, build.snapshot(decision.record))
    assert again == nothing(f"run {RUN} is not the current run")


@pytest.mark.parametrize("outcome", Outcome)
def test_i2_the_end_of_a_run_counts_once(outcome: Outcome) -> None:
    event = build.finished(build.result(outcome))
    first = run_finished(event, build.snapshot(build.record()))
    assert first == single.after_run(event, build.record(), build.snapshot())
    assert isinstance(first.record, TaskRecord)
    assert run_finished(event, build.snapshot(first.record)) == nothing(f"run {RUN} is not the current run")


def progressed(*delivered: str, share: int | None = None, run_id: str = RUN) -> RunProgressed:
    return RunProgressed(task=TASK, run_id=run_id, delivered=delivered, share=share)


def test_people_see_what_the_agent_was_told_and_what_its_run_has_spent() -> None:
    known = build.record(instructions=(build.instruction("c-1"), build.instruction("c-2")))
    decision = run_progressed(progressed("c-1", "c-9", share=80), build.snapshot(known))
    told = (build.instruction("c-1", run_id=RUN), build.instruction("c-2"))
    expected = build.record(instructions=told, spent_share=80)
    assert decision == Decision("the run went on", expected, (UpsertComment(),))


def test_i2_progress_that_is_told_again_or_late_changes_nothing() -> None:
    known = build.record(instructions=(build.instruction("c-1", run_id=RUN),), spent_share=100)
    for event in (progressed("c-1", share=100), progressed(share=80), progressed("c-1")):
        assert run_progressed(event, build.snapshot(known)) == nothing("that is known")


@pytest.mark.parametrize("record", [None, build.record(Status.PAUSED, stopping=RUN)])
def test_i3_progress_of_a_run_that_is_not_current_changes_nothing(record: TaskRecord | None) -> None:
    decision = run_progressed(progressed("c-1"), build.snapshot(record))
    assert decision == nothing(f"run {RUN} is not the current run")


GIVEN_BACK = RunGivenBack(task=TASK, run_id=RUN, kept="1" * 40)
KEPT = Unfinished(run_id=RUN, sha="1" * 40)
BEFORE = Unfinished(run_id="run-0", sha="2" * 40)


@pytest.mark.parametrize("state", [{"run_id": RUN}, {"status": Status.PAUSED, "stopping": RUN, "stop_keeps": True}])
def test_what_a_run_was_given_back_with_is_gone_on_from(state: dict[str, Any]) -> None:
    known = build.record(**{"run_id": None, "unfinished": BEFORE, **state})
    decision = run_given_back(GIVEN_BACK, build.snapshot(known))
    gone = DeleteRef(ref="refs/orch/runs/run-0")
    why = f"run {RUN} was given back with what it did so far"
    assert decision == Decision(why, known.change(unfinished=KEPT), (gone,))


@pytest.mark.parametrize("state", [{"run_id": "run-2"}, {"status": Status.PAUSED, "stopping": RUN}])
def test_i3_what_a_run_that_is_not_current_was_given_back_with_is_removed(state: dict[str, Any]) -> None:
    decision = run_given_back(GIVEN_BACK, build.snapshot(build.record(**{"run_id": None, **state})))
    gone = DeleteRef(ref=f"refs/orch/runs/{RUN}")
    assert decision == Decision(f"run {RUN} is not the current run", effects=(gone,))


def test_i2_a_run_is_given_back_once() -> None:
    known = build.record(run_id="run-2", unfinished=KEPT)
    assert run_given_back(GIVEN_BACK, build.snapshot(known)) == nothing("that is known")
    assert run_given_back(GIVEN_BACK, build.snapshot(None)) == nothing("the task is not known")


def test_the_run_after_one_that_was_given_back_leaves_what_that_kept() -> None:
    known = build.record(Status.ROUTED, unfinished=KEPT)
    assert run_started(build.started("run-2", lost=RUN), build.snapshot(known)).effects == SHOW


EXPIRED = WorkspaceExpired(task=TASK, attempt=1)


def test_the_workspace_of_a_failed_attempt_is_removed_at_last() -> None:
    decision = workspace_expired(EXPIRED, build.snapshot(build.record(Status.NEEDS_REVIEW)))
    tidied = Enqueue(job=cleanup_job(TASK, 1))
    assert decision == Decision("the workspace was kept for long enough", effects=(tidied,))


@pytest.mark.parametrize("record", [None, build.record(), build.record(Status.NEEDS_REVIEW, attempt=2)])
def test_a_workspace_that_is_used_again_stays(record: TaskRecord | None) -> None:
    assert workspace_expired(EXPIRED, build.snapshot(record)) == nothing("the workspace is used, or gone")


@pytest.mark.parametrize("known", [None, Ledger()])
def test_i2_what_a_run_cost_is_counted_once(known: Ledger | None) -> None:
    event = Spent(repository=TASK.repository, run_id=RUN, cost=build.USAGE.cost, at=NOW)
    counted = Ledger().add(RUN, 1, build.USAGE.cost, NOW)
    assert spent(event, build.snapshot(ledger=known)) == Decision("a run was counted", counted)
    assert spent(event, build.snapshot(ledger=counted)) == nothing("the run was counted")


@pytest.mark.parametrize(("outcome", "successes"), [(Outcome.DELIVERED, 1), (Outcome.AGENT_FAILED, 0)])
def test_what_a_run_of_an_agent_came_to_is_learnt_once(outcome: Outcome, successes: int) -> None:
    event = build.spent(outcome, complexity=Complexity.SIMPLE).event
    assert isinstance(event, Spent)
    after = spent(event, build.snapshot(ledger=None)).record
    assert isinstance(after, Ledger)
    seen = after.seen("script", Complexity.SIMPLE)
    assert (seen.runs, seen.successes, seen.seconds) == (1, successes, 90)
    assert spent(event, build.snapshot(ledger=after)) == nothing("the run was counted")


@pytest.mark.parametrize(("outcome", "looks"), [(Outcome.PROVIDER_LIMITED, True), (Outcome.DELIVERED, False)])
def test_other_agents_are_looked_at_only_where_one_may_have_to_go_on(outcome: Outcome, looks: bool) -> None:
    [handler] = [one for one in HANDLERS if one.event is RunFinished]
    spared = handler.spares(build.finished(build.result(outcome)), build.record())
    assert (Need.POOL in handler.needs - spared) is looks
