"""Lease jobs, do them in a bounded number of slots, and stop in order."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from app.domain.errors import Permanent, Retryable
from app.domain.grants import Grant, Refused
from app.domain.jobs import Job, JobKind
from app.domain.outcomes import Outcome, RunResult
from app.log import bound, log
from app.ports import Clock, Conflict, JobQueue, Lease, LeaseLost, Runs
from app.telemetry import span
from runner.equipment import Equipment
from runner.pulse import Heart, Pulse, Verdict
from runner.run import Run
from runner.workspace import Mirror, WorkspaceBusy

WAIT = 5.0
LONGEST = 120.0
TRIES = 32
"""How often it is tried to tell a task something; that takes a quarter of an hour."""
HURRIED = 4
"""The same by a runner that leaves."""
PAUSE = 0.25
LONGEST_PAUSE = 30.0
T = TypeVar("T")


def runner_name() -> str:
    """Name this runner for people."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(slots=True)
class Worker:
    """Takes jobs until told to stop. `root` holds repositories and workspaces; times are in seconds."""

    jobs: JobQueue
    runs: Runs
    clock: Clock
    root: Path
    equipment: Equipment
    slots: int
    beat: float
    job_lease: float
    again: float
    name: str = field(default_factory=runner_name)
    stopping: bool = False
    leaving: bool = False
    busy: int = 0
    free_since: datetime | None = None
    _pulses: dict[str, Pulse] = field(default_factory=dict)

    async def __call__(self) -> None:
        """Work until `stop` was called and every slot is free."""
        self.free_since = self.clock.now()
        async with asyncio.TaskGroup() as group:
            for slot in range(self.slots):
                group.create_task(self._slot(), name=f"runner slot {slot}")

    def stop(self) -> None:
        """Take no more jobs."""
        self.stopping = True

    def leave(self) -> None:
        """Give back the jobs under way: agents are ended, and what they did is pushed for others to go on from."""
        self.stop()
        self.leaving = True
        for pulse in self._pulses.values():
            pulse.leave()

    def idle_seconds(self) -> float:
        """Tell for how long there was no job."""
        if self.busy or self.free_since is None:
            return 0
        return (self.clock.now() - self.free_since) / timedelta(seconds=1)

    async def _slot(self) -> None:
        while not self.stopping:
            try:
                lease = await self.jobs.receive(WAIT)
                if lease is not None:
                    await self._take(lease)
            except Retryable as error:  # a full disk: what the queue holds is safe, and the slot goes on
                log().error("no job can be taken or ended now", reason=str(error), seconds=self.again)
                await self.clock.sleep(self.again)
            except Exception as error:  # whatever it is, it must not end the slot
                log().exception("no job can be taken or ended now", error=str(error))
                await self.clock.sleep(self.again)

    async def _take(self, lease: Lease[Job]) -> None:
        """Do a job; one that came while the runner was told to stop is left to others."""
        if self.stopping:
            await lease.release(0)
            return
        self.busy += 1
        try:
            await self._do(lease)
        finally:
            self.busy -= 1
            self.free_since = self.clock.now()

    async def _do(self, lease: Lease[Job]) -> None:
        job = lease.item
        with bound(job=job.id, task=str(job.task)):
            try:
                await self._end(lease)
            except LeaseLost:
                log().warning("the job's lease ended before the job")

    async def _end(self, lease: Lease[Job]) -> None:
        """Do the job and end its lease one way or the other."""
        try:
            await (self._cleanup(lease) if lease.item.kind is JobKind.CLEANUP else self._run(lease))
        except LeaseLost:
            raise
        except Retryable as error:
            log().warning("job given back", reason=str(error))
            await lease.release(error.delay or self._back_off(lease))
        except asyncio.CancelledError:
            with suppress(Exception):  # whatever else is wrong, this slot was told to end
                await lease.release(0)
            raise
        except Exception as error:  # a bug of ours: counted, then dead-lettered, and the slot goes on
            dead = await lease.fail(f"{type(error).__name__}: {error}", self._back_off(lease))
            log().exception("job failed", dead=dead, error=str(error))
            if dead:
                why = f"the runner failed again and again ({type(error).__name__})."
                await self._patiently(lambda: self.runs.give_up(lease.item, why))

    def _back_off(self, lease: Lease[Job]) -> float:
        return min(self.again * float(2 ** min(lease.receives - 1, 10)), LONGEST)

    async def _run(self, lease: Lease[Job]) -> None:
        job = lease.item
        with span("run", trace=job.trace, job=job.id, task=str(job.task)) as current, bound(**current.names):
            answer = await self.runs.begin(job, self.name)
            if isinstance(answer, Grant):
                current.note(run=answer.run_id, agent=answer.agent, purpose=answer.purpose.value)
                await self._granted(answer, lease)
            else:
                current.note(refused=True)
                await self._refused(answer, lease)

    async def _refused(self, refused: Refused, lease: Lease[Job]) -> None:
        log().info("job refused", reason=refused.reason)
        if refused.again_in is None:
            await lease.ack()
        elif refused.counts:
            dead = await lease.fail(refused.reason, refused.again_in)
            log().info("the refusal counts", dead=dead)
        else:
            await lease.release(refused.again_in)

    async def _granted(self, grant: Grant, lease: Lease[Job]) -> None:
        job = lease.item
        heart, kept = Heart(self.runs, self.clock, self.beat, self.job_lease), None
        with bound(run=grant.run_id):
            log().info("run began", agent=grant.agent)
            try:
                async with heart.beating(grant.run_id, job, lease) as pulse:
                    with self._known(grant.run_id, pulse):
                        result = await Run(job, grant, pulse, self.runs, self.clock, self.root, self.equipment)()
                    kept = result.head_sha
                    is_over = await self._tell_end(grant.run_id, job, pulse, result)
            except (Retryable, asyncio.CancelledError):
                await self.runs.give_back(grant.run_id, job, kept)
                raise
        await (lease.ack() if is_over else lease.release(0))

    @contextmanager
    def _known(self, run_id: str, pulse: Pulse) -> Iterator[None]:
        """Let a run hear that the runner leaves."""
        self._pulses[run_id] = pulse
        if self.leaving:
            pulse.leave()
        try:
            yield
        finally:
            del self._pulses[run_id]

    async def _tell_end(self, run_id: str, job: Job, pulse: Pulse, result: RunResult) -> bool:
        """Tell how a run ended; False if its job is not over, but was given back."""
        if pulse.verdict is Verdict.LEAVING and result.outcome is Outcome.CANCELLED:
            await self._patiently(lambda: self.runs.give_back(run_id, job, result.head_sha))
            log().info("run given back", kept=result.head_sha)
            return False
        if pulse.verdict is Verdict.NOT_CURRENT:
            log().warning("the run is not current any more; its end changes nothing")
        else:
            await self._patiently(lambda: self.runs.finish(run_id, job, result))
        log().info("run ended", outcome=result.outcome.value, reason=result.reason)
        return True

    async def _patiently(self, tell: Callable[[], Awaitable[T]]) -> T:
        """Tell a task something whatever passes: what an agent did must not be done again because nobody listened."""
        tries = 0
        while True:
            try:
                return await tell()
            except (Retryable, Conflict) as error:
                tries += 1
                if tries >= (HURRIED if self.leaving else TRIES):
                    raise
                log().info("the task cannot be told now", reason=str(error))
                asked = error.delay if isinstance(error, Retryable) else None
                pause = PAUSE * 2**tries if asked is None else asked
            await self.clock.sleep(min(pause, LONGEST_PAUSE))

    async def _cleanup(self, lease: Lease[Job]) -> None:
        task = lease.item.task
        mirror = Mirror.under(self.root, task.repository.full_name, task.repository.id)
        try:
            await mirror.workspace(str(task.number)).remove()
        except WorkspaceBusy as error:
            raise Retryable(f"the workspace is in use: {error}") from error
        except Permanent as error:
            log().warning("workspace not removed", reason=str(error))
        await lease.ack()
