"""Setting a task going, and the two bounds on that: the loop breaker and the number of rounds."""

from datetime import timedelta

import pytest

from app.domain.effects import AddComment, Decision, DeleteRef, Send, UpsertComment
from app.domain.events import SlotWanted
from app.domain.facts import CutOff
from app.domain.instructions import Kind
from app.domain.jobs import Purpose, run_job
from app.domain.policy import Policy
from app.domain.record import MergeWish, RunSummary, TaskRecord, Unfinished
from app.domain.strategies.starting import MOST_RUNS, SHOW, begin, drop_unfinished, resume, rework
from app.domain.task import Status
from tests.unit import build
from tests.unit.build import NOW, OTHER_SHA, RUN, SHA, TASK

SNAPSHOT = build.snapshot()
SAID = build.instruction()
STOPPED = (
    "This task had 10 runs within 30 minutes, so something goes round in circles and Orch stopped. A person with write "
    "access looks into it; `/retry` works again from 12:01 UTC on."
)


def busy(count: int = MOST_RUNS, minutes: int = 29) -> tuple[RunSummary, ...]:
    """Make so many runs, of which the first ended so long ago and the others just now."""
    first = build.summary("run-0", ended_at=NOW - timedelta(minutes=minutes))
    return (first, *(build.summary(f"run-{number}") for number in range(1, count)))


@pytest.mark.parametrize(
    "status",
    [
        *(Status.NEW, Status.NEEDS_REVIEW, Status.PAUSED, Status.DONE, Status.CANCELLED),
        *(Status.IN_REVIEW, Status.IN_PROGRESS),
    ],
)
def test_a_run_is_a_new_attempt_with_a_job_of_its_own(status: Status) -> None:
    known = build.record(status, run_id=None, cut_off=CutOff.ARCHIVED, tries=3, rounds=2)
    job = run_job(TASK, 2, "rebase")
    after, effects = begin(known, SNAPSHOT, "So.", purpose=Purpose.REBASE, rounds=1, delay=7)
    changes = {"attempt": 2, "job_id": job.id, "purpose": Purpose.REBASE, "tries": 1, "rounds": 1}
    assert after == build.record(Status.ROUTED, why="So.", **changes)
    assert effects == (Send(event=SlotWanted(job=job, since=NOW.timestamp(), agent="script"), delay=7),)


def test_what_else_changes_is_written_down_with_it() -> None:
    after, _ = begin(build.record(Status.PAUSED), SNAPSHOT, "So.", changes={"instructions": (SAID,)})
    assert after.instructions == (SAID,)


def test_i12_after_ten_runs_in_half_an_hour_a_person_is_called() -> None:
    known = build.record(Status.IN_REVIEW, runs=busy(), merge=MergeWish(by="writer"))
    after, effects = begin(known, SNAPSHOT, "So.", changes={"instructions": (SAID,)})
    parked = known.change(instructions=(SAID,), merge=None)
    assert after.model_dump() == {**parked.model_dump(), "status": "needs_review", "why": STOPPED}
    assert effects == (AddComment(task=TASK, key="loop-1", body=STOPPED),)


@pytest.mark.parametrize("status", [Status.PAUSED, Status.DONE, Status.CANCELLED])
def test_i12_what_cannot_be_parked_stays_as_it_is_and_says_so(status: Status) -> None:
    known = build.record(status, runs=busy())
    assert begin(known, SNAPSHOT, "So.") == (known.change(notice=STOPPED), (UpsertComment(),))


@pytest.mark.parametrize("runs", [busy(MOST_RUNS - 1), busy(MOST_RUNS, 30)], ids=["fewer", "longer ago"])
def test_fewer_runs_or_over_a_longer_time_are_no_circle(runs: tuple[RunSummary, ...]) -> None:
    after, _ = begin(build.record(Status.PAUSED, runs=runs), SNAPSHOT, "So.")
    assert after.status is Status.ROUTED


def test_another_round_begins_on_an_open_pull_request() -> None:
    known = build.record(Status.IN_REVIEW, rounds=1)
    job = run_job(TASK, 2, "rework")
    changes = {"attempt": 2, "job_id": job.id, "purpose": Purpose.REWORK, "rounds": 2, "checked": SHA}
    wanted = Send(event=SlotWanted(job=job, since=NOW.timestamp(), agent="script"))
    expected = Decision("So.", build.record(Status.ROUTED, why="So.", **changes), (wanted, build.SOON))
    assert rework(known, SNAPSHOT, "So.", changes={"checked": SHA}) == expected


@pytest.mark.parametrize(("rounds", "status"), [(2, Status.ROUTED), (3, Status.NEEDS_REVIEW)])
def test_i12_rounds_are_bounded(rounds: int, status: Status) -> None:
    decision = rework(build.record(Status.IN_REVIEW, rounds=rounds), build.snapshot(policy=Policy(max_rounds=3)), "So.")
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.status is status


def test_what_was_said_last_is_kept_for_the_round_that_a_person_allows() -> None:
    known = build.record(Status.IN_REVIEW, rounds=5, merge=MergeWish(by="writer"))
    why = (
        "So. But there were 5 rounds since a person last set the task going, as many as are allowed. "
        "A person with write access says `/retry` for more of them, or takes over."
    )
    parked = build.record(Status.NEEDS_REVIEW, why=why, rounds=5, purpose=Purpose.REBASE, instructions=(SAID,))
    call = AddComment(task=TASK, key="rounds-1", body=why)
    decision = rework(known, SNAPSHOT, "So.", purpose=Purpose.REBASE, changes={"instructions": (SAID,)})
    assert decision == Decision("there were too many rounds", parked, (*SHOW, call))


def test_a_task_goes_on_with_what_it_was_about() -> None:
    known = build.record(Status.PAUSED, purpose=Purpose.REWORK, rounds=4)
    after = resume(known, SNAPSHOT, "On.").record
    assert isinstance(after, TaskRecord)
    assert (after.purpose, after.rounds, after.job_id) == (Purpose.REWORK, 0, run_job(TASK, 2, "rework").id)


@pytest.mark.parametrize(
    ("was", "kind", "becomes"),
    [
        (Purpose.WORK, Kind.REVIEW, Purpose.REWORK),
        (Purpose.REVIEW, Kind.MENTION, Purpose.REWORK),
        (Purpose.REVIEW, Kind.COMMENT, Purpose.REVIEW),
        (Purpose.WORK, Kind.MENTION, Purpose.WORK),
    ],
)
def test_a_task_goes_on_with_what_meets_the_words_that_wait(was: Purpose, kind: Kind, becomes: Purpose) -> None:
    said = (build.instruction("c-1", kind=kind),)
    known = build.record(Status.PAUSED, purpose=was, pull=30, instructions=said)
    after, closed = (resume(one, SNAPSHOT, "On.").record for one in (known, known.change(pull_closed=True)))
    assert isinstance(after, TaskRecord)
    assert isinstance(closed, TaskRecord)
    assert (after.purpose, closed.purpose) == (becomes, was)


def test_unfinished_work_is_removed_unless_it_is_what_was_delivered() -> None:
    left = Unfinished(run_id=RUN, sha=SHA)
    assert drop_unfinished(build.record()) == ()
    assert drop_unfinished(build.record(unfinished=left, head_sha=OTHER_SHA, pull=30)) == (
        DeleteRef(ref=f"refs/orch/runs/{RUN}"),
    )
    assert drop_unfinished(build.record(unfinished=left, head_sha=SHA, pull=30)) == ()
