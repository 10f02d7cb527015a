from dataclasses import replace

import pytest

from app.domain import life
from app.domain.effects import CheckRepositories, Decision, Effect, ListRepositories, Send, nothing
from app.domain.events import RepositoryArchived, RepositoryChanged, RepositoryDeleted, TaskCutOff, WorkCutOff
from app.domain.facts import CutOff
from app.domain.jobs import Job, run_job
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.task import Status
from handlers.repositories import (
    AT_ONCE,
    repository_archived,
    repository_changed,
    repository_deleted,
    task_cut_off,
    work_cut_off,
)
from tests.unit import build
from tests.unit.boards import board_of
from tests.unit.build import TASK

HERE = build.repository()
ARCHIVED = WorkCutOff(because=CutOff.ARCHIVED, installation_id=5, repository_ids=(1,))


def seen(*jobs: Job) -> Snapshot:
    """Make a snapshot of a board where the first job holds a slot and the others wait."""
    return replace(build.snapshot(), board=board_of(*jobs[1:], holding=jobs[:1]))


def with_tasks(*records: TaskRecord) -> Snapshot:
    return replace(build.snapshot(), tasks=records)


def record_of(number: int, status: Status = Status.ROUTED) -> TaskRecord:
    return build.record(status, task=build.task(number))


def told(because: CutOff, *numbers: int) -> tuple[Effect, ...]:
    return tuple(Send(event=TaskCutOff(task=build.task(number), because=because)) for number in numbers)


def sent(decision: Decision) -> list[TaskCutOff | RepositoryDeleted | WorkCutOff]:
    events = [effect.event for effect in decision.effects if isinstance(effect, Send)]
    looks = [effect for effect in decision.effects if isinstance(effect, CheckRepositories | ListRepositories)]
    assert len(events) + len(looks) == len(decision.effects)
    return [event for event in events if isinstance(event, TaskCutOff | RepositoryDeleted | WorkCutOff)]


def test_a_repository_that_changed_is_looked_at_under_its_name_of_now() -> None:
    decision = repository_changed(RepositoryChanged(repository=HERE), build.snapshot())
    why = "the repository is owner/project now, and can be written to"
    assert decision == Decision(why, effects=(CheckRepositories(repository_ids=(1,)),))


def test_an_archived_repository_has_its_work_stopped() -> None:
    decision = repository_archived(RepositoryArchived(repository=HERE), build.snapshot())
    assert decision == Decision("owner/project was archived", effects=(Send(event=ARCHIVED),))


def test_a_deleted_repository_has_its_open_tasks_ended() -> None:
    seen_tasks = with_tasks(record_of(9), record_of(2, Status.IN_REVIEW), record_of(3, Status.DONE))
    decision = repository_deleted(RepositoryDeleted(repository=HERE), seen_tasks)
    assert decision == Decision("owner/project was deleted with 2 open tasks", effects=told(CutOff.GONE, 2, 9))


def test_i12_many_tasks_are_told_in_parts_of_which_none_is_lost() -> None:
    snapshot = with_tasks(*(record_of(number) for number in range(1, 2 * AT_ONCE + 6)))
    event: RepositoryDeleted | None = RepositoryDeleted(repository=HERE)
    numbers = list[int]()
    while event:
        events = sent(repository_deleted(event, snapshot))
        numbers += [one.task.number for one in events if isinstance(one, TaskCutOff)]
        event = next((one for one in events if isinstance(one, RepositoryDeleted)), None)
    assert numbers == list(range(1, 2 * AT_ONCE + 6))


def test_what_runs_and_what_waits_is_told() -> None:
    decision = work_cut_off(ARCHIVED, seen(run_job(build.task(2), 1), run_job(build.task(4), 1)))
    look = CheckRepositories(repository_ids=(1,))
    assert decision == Decision("2 tasks are cut off: archived", effects=(*told(CutOff.ARCHIVED, 2, 4), look))


def test_i2_whether_orch_is_cut_off_still_is_looked_at_after_the_tasks_were_told() -> None:
    event = ARCHIVED.model_copy(update={"repository_ids": None, "because": CutOff.SUSPENDED})
    *_, look = work_cut_off(event, seen(run_job(TASK, 1))).effects
    assert look == ListRepositories(installation_id=5)


def test_an_empty_board_has_nobody_to_tell() -> None:
    assert work_cut_off(ARCHIVED, build.snapshot()) == Decision("0 tasks are cut off: archived")


def test_other_repositories_and_installations_go_on() -> None:
    other, far = build.repository(2), build.repository(3, installation=6)
    board = seen(*(run_job(build.task(1, of), 1) for of in (HERE, other, far)))
    ours = ARCHIVED.model_copy(update={"repository_ids": None})
    ids = [
        [one.task.repository.id for one in sent(work_cut_off(event, board)) if isinstance(one, TaskCutOff)]
        for event in (ARCHIVED, ours)
    ]
    assert ids == [[1], [1, 2]]


def test_i12_much_work_is_told_in_parts_of_which_none_is_lost() -> None:
    board = seen(*(run_job(build.task(number), 1) for number in range(1, AT_ONCE + 20)))
    event: WorkCutOff | None = ARCHIVED
    numbers = list[int]()
    while event:
        events = sent(work_cut_off(event, board))
        numbers += [one.task.number for one in events if isinstance(one, TaskCutOff)]
        event = next((one for one in events if isinstance(one, WorkCutOff)), None)
    assert sorted(numbers) == list(range(1, AT_ONCE + 20))


@pytest.mark.parametrize("because", CutOff)
def test_a_task_at_work_is_stopped(because: CutOff) -> None:
    event = TaskCutOff(task=TASK, because=because)
    assert task_cut_off(event, build.snapshot(build.record())) == life.cut_off(build.record(), because)


def test_a_task_that_is_not_at_work_stays_as_it_is() -> None:
    event = TaskCutOff(task=TASK, because=CutOff.SUSPENDED)
    assert task_cut_off(event, build.snapshot(build.record(Status.IN_REVIEW))) == nothing("nothing is under way")
    assert task_cut_off(event, build.snapshot()) == nothing("there is no task")
