"""What the runner does with a job when something is wrong: the slot goes on, and the task hears of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import Missing, Retryable
from app.domain.grants import Grant, Order, Progress, Refused, RunToken, TokenKind
from app.domain.jobs import Job, run_job
from app.domain.outcomes import Outcome, RunResult
from app.domain.policy import RunLimits
from app.ports import Conflict
from app.redaction import Redaction
from runner.agents.script import ScriptAgent
from runner.equipment import AgentSetup, Equipment
from runner.sandbox import SandboxKind, find_sandbox
from runner.worker import Worker
from tests.integration.core_stage import IDENTITY, LEASE, MAX_FAILURES, NOW, TASK, Stage, open_stage

LONG = 120
JOB = run_job(TASK, 1)
GRANT = Grant(
    run_id="r1",
    clone_url="http://127.0.0.1:9/acme/widgets.git",
    base_branch="main",
    start_sha=None,
    title="Add hello",
    body="please",
    agent="script",
    model=None,
    author=IDENTITY,
    requested_by="writer",
    requested_by_id=11,
    limits=RunLimits(wall_seconds=60, silence_seconds=60),
    profile="trusted",
)
Step = Callable[[], Awaitable[Any]]


@dataclass(slots=True)
class FakeRuns:
    """The port as a runner sees it: each `begin` is the next of the steps, and what was finished is kept."""

    steps: list[Step]
    finished: list[RunResult] = field(default_factory=list)
    given_back: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    beats: list[Exception] = field(default_factory=list)
    beaten: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    deaf: list[Exception] = field(default_factory=list)
    mint: Step | None = None

    async def begin(self, job: Job, runner: str) -> Grant | Refused:
        answer: Grant | Refused = await self.steps.pop(0)()
        return answer

    async def beat(self, run_id: str, job: Job, progress: Progress) -> Order:
        if self.beats:
            raise self.beats.pop()
        self.beaten.set()
        return Order()

    async def token(self, run_id: str, job: Job, kind: TokenKind) -> RunToken:
        if self.mint:
            await self.mint()
        return RunToken(value="t", expires_at=NOW)

    async def revoke(self, run_id: str, job: Job, token: RunToken) -> None:
        return

    async def give_back(self, run_id: str, job: Job, kept: str | None = None) -> None:
        self.given_back.append(run_id)

    async def give_up(self, job: Job, reason: str) -> None:
        self._listen()
        self.given_up.append(job.id)
        self.ended.set()

    def _listen(self) -> None:
        if self.deaf:
            raise self.deaf.pop()

    async def finish(self, run_id: str, job: Job, result: RunResult) -> bool:
        self._listen()
        self.finished.append(result)
        self.ended.set()
        return True


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        yield opened


def worker_of(stage: Stage, runs: FakeRuns, root: Path) -> Worker:
    sandbox = find_sandbox(SandboxKind.NONE)
    equipment = Equipment({"script": AgentSetup(ScriptAgent)}, sandbox, None, stage.artifacts, Redaction())
    return Worker(stage.jobs, runs, stage.clock, root, equipment, slots=1, beat=2, job_lease=LEASE, again=5)


async def work(stage: Stage, runs: FakeRuns, root: Path) -> None:
    """Work until every step was taken and no job is left."""
    worker = worker_of(stage, runs, root)

    async def last() -> Refused:
        worker.stop()
        return Refused(reason="that was all")

    runs.steps.append(last)
    await stage.jobs.send(JOB)
    await asyncio.wait_for(worker(), LONG)


async def end(stage: Stage, runs: FakeRuns, root: Path) -> None:
    """Work until a run has ended, or a job was given up."""
    worker = worker_of(stage, runs, root)
    await stage.jobs.send(JOB)
    working = asyncio.create_task(worker())
    async with asyncio.timeout(LONG):
        while not runs.ended.is_set():
            await stage.clock.pass_time(0.1)
            await asyncio.sleep(0.01)
    worker.stop()
    stage.jobs.stop()
    await asyncio.wait_for(working, LONG)


async def grant() -> Grant:
    return GRANT


def lapse(stage: Stage, error: Exception) -> Step:
    """Take longer than the lease, and fail then."""

    async def step() -> Grant:
        await stage.clock.pass_time(LEASE + 1)
        raise error

    return step


@pytest.mark.parametrize("error", [Retryable("later"), RuntimeError("a bug")])
async def test_a_job_whose_lease_was_lost_does_not_end_the_worker(
    stage: Stage, tmp_path: Path, error: Exception
) -> None:
    await work(stage, FakeRuns([lapse(stage, error)]), tmp_path)
    assert await stage.jobs.depth() == 0


@pytest.mark.parametrize("error", [Missing("gone"), OSError(28, "No space left on device"), RuntimeError("a bug")])
async def test_a_run_ends_in_an_outcome_whatever_happens(stage: Stage, tmp_path: Path, error: Exception) -> None:
    async def fail() -> None:
        raise error

    runs = FakeRuns([grant], mint=fail)
    await end(stage, runs, tmp_path)
    assert [result.outcome for result in runs.finished] == [Outcome.INFRASTRUCTURE_FAILED]
    assert await stage.jobs.depth() == 0


async def test_an_end_that_nobody_hears_at_first_is_told_again_and_the_run_is_not_done_again(
    stage: Stage, tmp_path: Path
) -> None:
    async def fail() -> None:
        raise Missing("enough")

    runs = FakeRuns([grant], mint=fail, deaf=[Conflict("a beat"), Retryable("throttled", 0)])
    await end(stage, runs, tmp_path)
    assert ([result.outcome for result in runs.finished], runs.given_back) == ([Outcome.INFRASTRUCTURE_FAILED], [])
    assert await stage.jobs.depth() == 0


async def test_that_a_job_was_set_aside_is_told_until_it_is_heard(stage: Stage, tmp_path: Path) -> None:
    async def bug() -> Grant:
        raise RuntimeError("a bug")

    runs = FakeRuns([bug], deaf=[Retryable("throttled", 0), Retryable("throttled", 0)])
    for _ in range(MAX_FAILURES - 1):
        await stage.jobs.send(JOB)
        lease = await stage.jobs.receive(0)
        assert lease is not None
        await lease.fail("a bug", 0)
    await end(stage, runs, tmp_path)
    assert (runs.given_up, [dead.id for dead in await stage.jobs.dead_letters()]) == ([JOB.id], [JOB.id])


async def test_an_error_at_one_beat_does_not_stop_the_heart(stage: Stage, tmp_path: Path) -> None:
    runs = FakeRuns([grant], beats=[OSError("the disk is full")])

    async def wait_for_beat() -> None:
        while not runs.beaten.is_set():
            await stage.clock.pass_time(2)
            await asyncio.sleep(0.01)
        raise Missing("enough")

    runs.mint = wait_for_beat
    worker = worker_of(stage, runs, tmp_path)
    await stage.jobs.send(JOB)
    working = asyncio.create_task(worker())
    await asyncio.wait_for(runs.beaten.wait(), LONG)
    worker.stop()
    stage.jobs.stop()
    await asyncio.wait_for(working, LONG)
    assert len(runs.finished) == 1


async def test_a_run_cut_off_at_shutdown_is_given_back_and_so_is_its_job(stage: Stage, tmp_path: Path) -> None:
    working = asyncio.Event()

    async def hang() -> None:
        working.set()
        await asyncio.Event().wait()

    runs = FakeRuns([grant], mint=hang)
    await stage.jobs.send(JOB)
    task = asyncio.create_task(worker_of(stage, runs, tmp_path)())
    await asyncio.wait_for(working.wait(), LONG)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (runs.given_back, runs.finished) == (["r1"], [])
    assert await stage.jobs.receive(0) is not None


async def test_a_runner_that_leaves_gives_back_what_it_just_began(stage: Stage, tmp_path: Path) -> None:
    async def begin() -> Grant:
        worker.leave()
        return GRANT

    runs = FakeRuns([begin])
    worker = worker_of(stage, runs, tmp_path)
    await stage.jobs.send(JOB)
    await asyncio.wait_for(worker(), LONG)
    assert (runs.given_back, runs.finished, runs.beats) == (["r1"], [], [])
    lease = await stage.jobs.receive(0)
    assert lease is not None
    assert (lease.item, lease.failures) == (JOB, 0)
