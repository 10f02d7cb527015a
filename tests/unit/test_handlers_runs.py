import pytest

from app.domain.effects import Decision, DeleteRef, SetLabels, StopRun, UpsertComment, nothing
from app.domain.outcomes import Outcome
from app.domain.record import TaskRecord
from app.domain.strategies import single
from app.domain.task import Status, Trigger, can
from handlers.runs import run_finished, run_started
from tests.unit import build
from tests.unit.build import RUN

SHOW = (SetLabels(), UpsertComment())
WORKS = f"Agent `script` works on attempt 1, run `{RUN}`."
IDLE = [status for status in Status if not can(status, Trigger.START)]


def test_a_run_that_began_is_the_current_one() -> None:
    decision = run_started(build.started(), build.snapshot(build.record(Status.ROUTED)))
    assert decision == Decision(f"run {RUN} began", build.record(why=WORKS), SHOW)


def test_i3_a_run_that_replaces_a_lost_one_is_current_and_clears_what_that_pushed() -> None:
    known = build.record(run_id="run-0")
    decision = run_started(build.started(lost="run-0"), build.snapshot(known))
    effects = (*SHOW, DeleteRef(ref="refs/orch/runs/run-0"))
    assert decision == Decision(f"run {RUN} began", build.record(why=WORKS), effects)


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
