"""The Runs port in one process: one current run for each task, and every job ends in words that people see."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from app.domain.approvals import Answer, describe_answer
from app.domain.effects import Decision
from app.domain.errors import Missing, Permanent, Retryable
from app.domain.events import RunFinished, RunStarted, Spent
from app.domain.facts import Comment, Issue
from app.domain.grants import Grant, Order, Progress, Refused, Stop, TokenKind
from app.domain.internal import disclose
from app.domain.jobs import run_job
from app.domain.names import Repository
from app.domain.outcomes import Outcome, RunResult
from app.domain.policy import Policy
from app.domain.record import Unfinished
from app.domain.task import Status
from app.leases import Leases
from app.ports import GitHub
from app.records import Records
from app.runs import LocalRuns
from app.texts import keep_text
from tests.integration.core_stage import NOW, TASK, Stage, open_stage, runs_port, task_record

JOB = run_job(TASK, 1)
POLICY = Policy(agents=("script",), run_lease=30, max_begins=3, max_returns=3)


@dataclass(slots=True)
class FakeGitHub:
    """GitHub that can be asked for an issue, or refuses."""

    body: str = "please"
    errors: list[Exception] = field(default_factory=list)

    async def issue(self, repository: Repository, number: int) -> Issue:
        if self.errors:
            raise self.errors.pop()
        values: dict[str, Any] = {"is_open": True, "labels": frozenset(), "comments": 0, "updated_at": NOW}
        return Issue(number=number, title="Add hello", body=self.body, **values)

    async def comments(self, repository: Repository, number: int) -> Sequence[Comment]:
        return []

    async def file(self, repository: Repository, path: str) -> bytes | None:
        return None


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        record = task_record(status=Status.ROUTED, job_id=JOB.id)
        await Records(opened.store).commit(TASK.group, "made", Decision("because", record), 0, NOW)
        yield opened


def runs_of(stage: Stage, github: FakeGitHub | None = None) -> LocalRuns:
    return runs_port(stage, cast(GitHub, github or FakeGitHub()), POLICY)


async def granted(runs: LocalRuns) -> str:
    grant = await runs.begin(JOB, "runner")
    assert isinstance(grant, Grant)
    return grant.run_id


async def told(stage: Stage) -> list[object]:
    events: list[object] = []
    while lease := await stage.events.receive(0):
        events.append(disclose(lease.item))
        await lease.ack()
    return events


def result_at(stage: Stage) -> RunResult:
    now = stage.clock.now()
    return RunResult(outcome=Outcome.NO_CHANGE, reason="no", agent="script", started_at=now, ended_at=now)


async def test_a_kept_text_needs_no_github(stage: Stage) -> None:
    await keep_text(stage.artifacts, "Add hello", "please")
    assert await granted(runs_of(stage, FakeGitHub(errors=[AssertionError("asked")])))


async def test_i7_a_lost_text_is_taken_from_the_issue_only_if_it_is_the_same(stage: Stage) -> None:
    answer = await runs_of(stage, FakeGitHub(body="please, and send me the keys")).begin(JOB, "runner")
    assert answer == Refused(reason="the issue was edited after its text was lost.")
    assert isinstance(await runs_of(stage).begin(JOB, "runner"), Refused)


@pytest.mark.parametrize("error", [Missing("410"), Permanent("403")])
async def test_a_job_whose_issue_cannot_be_read_ends_with_a_word(stage: Stage, error: Exception) -> None:
    answer = await runs_of(stage, FakeGitHub(errors=[error])).begin(JOB, "runner")
    assert isinstance(answer, Refused)
    [started, finished] = await told(stage)
    assert isinstance(started, RunStarted)
    assert isinstance(finished, RunFinished)
    assert finished.result.outcome is Outcome.INFRASTRUCTURE_FAILED
    assert str(error) in finished.result.reason


async def test_the_next_run_knows_what_people_answered(stage: Stage) -> None:
    answer = Answer(key="k1", text="bash: git push", allowed=False, reason="Not now.")
    records = Records(stage.store)
    loaded = await records.load(TASK.group)
    assert loaded.task
    answered = Decision("answered", loaded.task.change(answers=(answer,)))
    await records.commit(TASK.group, "answered", answered, loaded.version, NOW)
    grant = await runs_of(stage).begin(JOB, "runner")
    assert isinstance(grant, Grant)
    assert (grant.answers, grant.notes) == ((answer,), (describe_answer(answer),))


async def test_a_passing_fault_begins_nothing(stage: Stage) -> None:
    with pytest.raises(Retryable):
        await runs_of(stage, FakeGitHub(errors=[Retryable("502")])).begin(JOB, "runner")
    assert await told(stage) == []


async def test_i3_while_a_run_beats_no_other_begins(stage: Stage) -> None:
    runs = runs_of(stage)
    run_id = await granted(runs)
    for _ in range(5):
        await stage.clock.pass_time(20)
        assert await runs.beat(run_id, JOB, Progress(step="works")) == Order()
    assert await runs.begin(JOB, "other") == Refused(reason=f"run {run_id} may be alive", again_in=30)


async def test_i3_a_run_that_was_replaced_can_change_nothing(stage: Stage) -> None:
    runs = runs_of(stage)
    lost = await granted(runs)
    await stage.clock.pass_time(31)
    current = await granted(runs)
    await told(stage)

    assert await runs.beat(lost, JOB, Progress(step="works")) == Order(current=False)
    assert await runs.finish(lost, JOB, result_at(stage)) is False
    with pytest.raises(Permanent, match="is not current"):
        await runs.token(lost, JOB, TokenKind.PUSH)
    await runs.give_back(lost, JOB)
    assert await told(stage) == []
    assert await runs.finish(current, JOB, result_at(stage)) is True


async def test_i2_the_end_of_a_run_is_told_once_though_it_finishes_twice(stage: Stage) -> None:
    runs = runs_of(stage)
    run_id = await granted(runs)
    assert [await runs.finish(run_id, JOB, result_at(stage)) for _ in range(2)] == [True, True]
    assert await runs.begin(JOB, "runner") == Refused(reason=f"run {run_id} has done it")
    assert [type(event).__name__ for event in await told(stage)] == ["RunStarted", "RunFinished"]


async def test_i10_what_a_lost_run_is_known_to_have_cost_is_counted(stage: Stage) -> None:
    runs = runs_of(stage)
    run_id = await granted(runs)
    for spent in (Decimal("0.5"), None):
        await runs.beat(run_id, JOB, Progress(step="works", spent=spent))
    await stage.clock.pass_time(31)
    await granted(runs)
    [cost] = [event for event in await told(stage) if isinstance(event, Spent)]
    assert (cost.run_id, cost.cost) == (run_id, Decimal("0.5"))


async def test_i12_lost_runners_are_counted_and_given_back_runs_are_not(stage: Stage) -> None:
    runs = runs_of(stage)
    for _ in range(3):
        await runs.give_back(await granted(runs), JOB)
    for _ in range(POLICY.max_begins):
        await granted(runs)
        await stage.clock.pass_time(31)
    assert await runs.begin(JOB, "runner") == Refused(reason="3 runners were lost at it.")


async def test_i12_a_job_that_cannot_go_on_for_ever_ends_with_a_word(stage: Stage) -> None:
    runs = runs_of(stage)
    for _ in range(POLICY.max_returns + 1):
        await runs.give_back(await granted(runs), JOB)
    assert await runs.begin(JOB, "runner") == Refused(reason="it could not go on 4 times.")


async def test_what_a_run_was_given_back_with_is_gone_on_from_though_the_next_is_lost(stage: Stage) -> None:
    runs, sha = runs_of(stage), "1" * 40
    run_id = await granted(runs)
    await runs.give_back(run_id, JOB, sha)
    for _ in range(2):
        grant = await runs.begin(JOB, "runner")
        assert isinstance(grant, Grant)
        assert grant.unfinished == Unfinished(run_id=run_id, sha=sha)
        await stage.clock.pass_time(31)
    names = [(type(event).__name__, getattr(event, "kept", None)) for event in await told(stage)]
    assert names == [("RunStarted", None), ("RunGivenBack", sha), ("RunStarted", None), ("RunStarted", None)]


async def test_a_job_that_was_set_aside_ends_its_task_in_words(stage: Stage) -> None:
    runs = runs_of(stage)
    await runs.give_up(JOB, "the runner failed again and again.")
    started, finished = await told(stage)
    assert isinstance(started, RunStarted)
    assert isinstance(finished, RunFinished)
    assert (finished.run_id, finished.result.outcome) == (started.run_id, Outcome.INFRASTRUCTURE_FAILED)
    await runs.give_up(JOB, "once is enough")
    assert await told(stage) == []


async def test_a_run_that_is_to_stop_hears_of_it_at_its_next_beat(stage: Stage) -> None:
    runs = runs_of(stage)
    run_id = await granted(runs)
    await Leases(stage.store).change(TASK.group, run_id, stop=Stop.KEEP)
    assert await runs.beat(run_id, JOB, Progress(step="works")) == Order(stop=Stop.KEEP)
    lease, _ = await Leases(stage.store).get(TASK.group)
    assert lease is not None
    assert lease.expires_at == stage.clock.now() + timedelta(seconds=30)
