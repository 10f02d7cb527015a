"""What a runner may ask of the rest: the Runs port over store, artifacts, events queue and GitHub."""

import json
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex

from app.domain.approvals import describe_answer
from app.domain.errors import Permanent, Retryable, Unauthorized
from app.domain.events import RunFinished, RunStarted
from app.domain.facts import Identity
from app.domain.grants import Grant, Order, Progress, Refused, Resumable, RunToken, TokenKind
from app.domain.internal import enclose
from app.domain.jobs import Job
from app.domain.names import digest_of
from app.domain.outcomes import Outcome, RunResult, total
from app.domain.policy import Policy
from app.domain.record import RunSummary, TaskRecord, Unfinished
from app.domain.task import Trigger, can
from app.leases import Leases, RunLease
from app.ports import Artifacts, Clock, Conflict, EventQueue, GitHub
from app.records import Loaded, Records

PERMISSIONS = {TokenKind.FETCH: {"contents": "read"}, TokenKind.PUSH: {"contents": "write"}}
GO_ON = (Outcome.TIMED_OUT, Outcome.STALLED, Outcome.BUDGET_SPENT, Outcome.APPROVAL_NEEDED, Outcome.PROVIDER_LIMITED)
"""Ends after which an agent's session is worth going on with."""
UNKNOWN_AGAIN = 2.0
NOTES = 5
"""Attempts before that an agent is told of."""


def text_key(digest: str) -> str:
    """Name the artifact that holds an admitted text."""
    return f"admitted/{digest}.json"


async def keep_text(artifacts: Artifacts, title: str, body: str) -> None:
    """Keep a text under its digest."""
    data = json.dumps({"title": title, "body": body}).encode()
    await artifacts.write(text_key(digest_of(title, body)), data)


@dataclass(frozen=True, slots=True)
class LocalRuns:
    """The Runs port in the process that has store and GitHub."""

    records: Records
    leases: Leases
    events: EventQueue
    artifacts: Artifacts
    github: GitHub
    clock: Clock
    identity: Identity
    policy: Policy
    web_url: str

    async def begin(self, job: Job, runner: str) -> Grant | Refused:
        """Make a new run current, if the job is wanted and no run of it is alive."""
        loaded = await self.records.load(job.task.group)
        record = loaded.task
        if record is None:
            return Refused(reason="the task is not known (yet)", again_in=UNKNOWN_AGAIN, counts=True)
        if record.job_id != job.id or not can(record.status, Trigger.START):
            return Refused(reason=f"the job is not wanted: the task is {record.status.value}")
        try:
            return await self._begin(job, runner, record, loaded)
        except Conflict:
            return Refused(reason="the task changed meanwhile", again_in=0)

    async def _begin(self, job: Job, runner: str, record: TaskRecord, loaded: Loaded) -> Grant | Refused:
        group, now = job.task.group, self.clock.now()
        last, version = await self.leases.get(group)
        begins, returns, lost = 1, 0, None
        if last is not None and last.job_id == job.id:
            if last.result is not None:
                await self._tell_finished(last.run_id, job, last.result)
                return Refused(reason=f"run {last.run_id} has done it")
            if last.expires_at > now:
                left = (last.expires_at - now).total_seconds()
                return Refused(reason=f"run {last.run_id} may be alive", again_in=left)
            begins, returns, lost = last.begins + 1, last.returns, last.run_id
        lease = self._new_lease(job, runner, begins=begins, returns=returns)
        text = await self._admitted(record)
        await self.leases.put(group, lease, version, loaded.version)
        await self._tell_started(lease.run_id, job, lost)
        if isinstance(text, str):
            return await self._end_at_once(lease, job, record, text)
        if begins > self.policy.max_begins:
            return await self._end_at_once(lease, job, record, f"{begins - 1} runners were lost at it.")
        if returns > self.policy.max_returns:
            return await self._end_at_once(lease, job, record, f"it could not go on {returns} times.")
        return self._grant(record, lease.run_id, *text)

    def _grant(self, record: TaskRecord, run_id: str, title: str, body: str) -> Grant:
        return Grant(
            run_id=run_id,
            clone_url=self._clone_url(record),
            base_branch=record.task.repository.default_branch,
            start_sha=record.head_sha,
            title=title,
            body=body,
            agent=record.agent,
            model=record.model,
            author=self.identity,
            requested_by=record.requested_by,
            requested_by_id=record.requested_by_id,
            limits=self.policy.limits,
            profile=self.policy.profile,
            unfinished=_unfinished(record),
            session=_session(record),
            notes=_notes(record),
            answers=record.answers,
        )

    def _clone_url(self, record: TaskRecord) -> str:
        return f"{self.web_url}/{record.task.repository.full_name}.git"

    async def _admitted(self, record: TaskRecord) -> tuple[str, str] | str:
        """Read the admitted text; if the artifact is lost, the issue's text counts as long as its hash is right.

        A single string says why there is none.
        """
        data = await self.artifacts.read(text_key(record.admitted))
        if data is not None:
            text = json.loads(data)
            return text["title"], text["body"]
        try:
            issue = await self.github.issue(record.task.repository, record.task.number)
        except Unauthorized as error:
            raise Retryable(str(error)) from error
        except Permanent as error:
            return f"its text was lost, and the issue cannot be read: {error}"
        if digest_of(issue.title, issue.body) != record.admitted:
            return "the issue was edited after its text was lost."
        await keep_text(self.artifacts, issue.title, issue.body)
        return issue.title, issue.body

    async def _end_at_once(self, lease: RunLease, job: Job, record: TaskRecord, reason: str) -> Refused:
        now = self.clock.now()
        result = RunResult(
            outcome=Outcome.INFRASTRUCTURE_FAILED, reason=reason, agent=record.agent, started_at=now, ended_at=now
        )
        await self.finish(lease.run_id, job, result)
        return Refused(reason=reason)

    async def beat(self, run_id: str, job: Job, progress: Progress) -> Order:
        """Renew the lease."""
        expires_at = self.clock.now() + timedelta(seconds=self.policy.run_lease)
        lease = await self.leases.change(job.task.group, run_id, expires_at=expires_at, step=progress.step)
        return Order(current=False) if lease is None else Order(cancelled=lease.cancelled)

    async def token(self, run_id: str, job: Job, kind: TokenKind) -> RunToken:
        """Mint a token for the current run."""
        lease, _ = await self.leases.get(job.task.group)
        if lease is None or lease.run_id != run_id or lease.result is not None:
            raise Permanent(f"run {run_id} is not current and gets no token")
        try:
            token = await self.github.mint(job.task.repository, PERMISSIONS[kind])
        except Unauthorized as error:
            raise Retryable(str(error)) from error
        record = (await self.records.load(job.task.group)).task
        return token.model_copy(update={"clone_url": self._clone_url(record)}) if record else token

    async def revoke(self, run_id: str, job: Job, token: RunToken) -> None:
        """Revoke a token that was minted for a run."""
        await self.github.revoke(token)

    async def give_back(self, run_id: str, job: Job) -> None:
        """End the lease of a run that is not done."""
        lease, _ = await self.leases.get(job.task.group)
        if lease is not None and lease.run_id == run_id:
            now = self.clock.now()
            counts = {"begins": lease.begins - 1, "returns": lease.returns + 1}
            await self.leases.change(job.task.group, run_id, expires_at=now, **counts)

    async def give_up(self, job: Job, reason: str) -> None:
        """End a job that no runner could do, as a run of its own, so that the task goes on from there."""
        loaded = await self.records.load(job.task.group)
        record = loaded.task
        last, version = await self.leases.get(job.task.group)
        done = last is not None and last.job_id == job.id and last.result is not None
        if record is None or record.job_id != job.id or not can(record.status, Trigger.START) or done:
            return
        lease = self._new_lease(job, "none", begins=1)
        await self.leases.put(job.task.group, lease, version, loaded.version)
        await self._tell_started(lease.run_id, job, last.run_id if last else None)
        await self._end_at_once(lease, job, record, reason)

    def _new_lease(self, job: Job, runner: str, *, begins: int, returns: int = 0) -> RunLease:
        expires_at = self.clock.now() + timedelta(seconds=self.policy.run_lease)
        return RunLease(
            run_id=token_hex(8), job_id=job.id, runner=runner, begins=begins, returns=returns, expires_at=expires_at
        )

    async def finish(self, run_id: str, job: Job, result: RunResult) -> bool:
        """Record the end first, then tell the task: a crash between the two is mended by the job's next begin."""
        ended = await self.leases.change(job.task.group, run_id, result=result)
        if ended is None:
            lease, _ = await self.leases.get(job.task.group)
            if lease is None or lease.run_id != run_id or lease.result is None:
                return False
            result = lease.result
        await self._tell_finished(run_id, job, result)
        return True

    async def _tell_started(self, run_id: str, job: Job, lost: str | None) -> None:
        event = RunStarted(task=job.task, run_id=run_id, job_id=job.id, lost=lost)
        await self.events.send(enclose(event, f"run:{run_id}:started", self.clock.now()))

    async def _tell_finished(self, run_id: str, job: Job, result: RunResult) -> None:
        event = RunFinished(task=job.task, run_id=run_id, job_id=job.id, result=result)
        await self.events.send(enclose(event, f"run:{run_id}:finished", self.clock.now()))


def _of_this_text(record: TaskRecord) -> tuple[RunSummary, ...]:
    """Return the latest runs in a row that ended without a delivery: those are about what is wanted now."""
    tried: list[RunSummary] = []
    for run in reversed(record.runs):
        if run.outcome is Outcome.DELIVERED or run.attempt < record.first_attempt:
            break
        tried.append(run)
    return tuple(reversed(tried))


def _session(record: TaskRecord) -> Resumable | None:
    """Return the agent's last session, with all that its runs used, if it was only cut off.

    After a run that should have gone on with it and did not come so far the next begins anew; one that Orch itself kept
    from beginning does not count.
    """
    runs = [run for run in _of_this_text(record) if run.session or run.outcome is not Outcome.INFRASTRUCTURE_FAILED]
    last = runs[-1] if runs else None
    if last is None or last.session is None or last.agent != record.agent or last.outcome not in GO_ON:
        return None
    used = [run.usage for run in record.runs if run.session == last.session and run.agent == last.agent]
    return Resumable(id=last.session, usage=total(used))


def _unfinished(record: TaskRecord) -> Unfinished | None:
    """Return what is pushed and not delivered."""
    left = record.unfinished
    return left if left and left.sha != record.head_sha else None


def _notes(record: TaskRecord) -> tuple[str, ...]:
    tried = (
        f"Attempt {run.attempt} ended as {run.outcome.value}: {run.reason}"
        for run in _of_this_text(record)[-NOTES:]
        if run.outcome is not Outcome.INFRASTRUCTURE_FAILED
    )
    return (*tried, *(describe_answer(answer) for answer in record.answers))
