"""What a runner may ask of the rest: the Runs port over store, artifacts, events queue and GitHub."""

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from secrets import token_hex

from cachetools import LRUCache

from app.briefing import Briefing
from app.budgets import Budgets, Caps
from app.config_files import ConfigFiles
from app.domain.approvals import describe_answer
from app.domain.choice import Choice
from app.domain.config import resolve
from app.domain.errors import Permanent, Retryable, Unauthorized
from app.domain.events import RunFinished, RunGivenBack, RunProgressed, RunStarted, Spent
from app.domain.facts import Identity
from app.domain.grants import Grant, Order, Progress, Refused, Resumable, RunToken, TokenKind
from app.domain.internal import enclose
from app.domain.jobs import Job, Purpose
from app.domain.names import digest_of
from app.domain.outcomes import GO_ON, Outcome, RunResult, total
from app.domain.policy import Policy
from app.domain.record import RunSummary, TaskRecord, Unfinished
from app.domain.task import Trigger, can
from app.leases import Leases, RunLease
from app.ports import Artifacts, Clock, Conflict, EventQueue, GitHub
from app.records import Loaded, Records
from app.texts import keep_text, read_text

PERMISSIONS = {TokenKind.FETCH: {"contents": "read"}, TokenKind.PUSH: {"contents": "write"}}
UNKNOWN_AGAIN = 2.0
TOKENS = 256
STILL_GOOD = timedelta(minutes=15)
"""What must be left of a reading token's life for another run to get it."""
NOTES = 5
"""Attempts before that an agent is told of."""
SHARES = (80, 100)
"""Percent of its cap at which a run is worth a word."""
SETTLED = (Outcome.DELIVERED, Outcome.PLANNED, Outcome.CHECKED)
"""Ends after which something else is wanted."""
NOTHING_USED = total([])


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
    configs: ConfigFiles
    briefing: Briefing
    budgets: Budgets
    web_url: str
    reading: MutableMapping[int, RunToken] = field(default_factory=lambda: LRUCache(TOKENS))

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
        begins, returns, lost, kept = 1, 0, None, None
        if last is not None and last.job_id == job.id:
            if last.result is not None:
                await self._tell_finished(last.run_id, job, last.result)
                return Refused(reason=f"run {last.run_id} has done it")
            if last.expires_at > now:
                left = (last.expires_at - now).total_seconds()
                return Refused(reason=f"run {last.run_id} may be alive", again_in=left)
            begins, returns, lost, kept = last.begins + 1, last.returns, last.run_id, last.kept
        policy = await self._policy(record)
        caps = await self.budgets.caps(record, policy)
        lease = self._new_lease(job, runner, begins=begins, returns=returns, cap=caps.run, kept=kept)
        text = await self._admitted(record)
        await self.leases.put(group, lease, version, loaded.version)
        await self._tell_started(lease.run_id, job, lost)
        await self._tell_cost(last, job)
        if isinstance(text, str):
            return await self._end_at_once(lease, job, record, text)
        if stuck := self._stuck(begins, returns):
            return await self._end_at_once(lease, job, record, stuck)
        if caps.spent is not None:
            return await self._end_at_once(lease, job, record, caps.spent, Outcome.BUDGET_SPENT)
        grant = await self._grant(record, lease.run_id, _capped(policy, caps), *text)
        return grant.model_copy(update={"unfinished": kept}) if kept else grant

    def _stuck(self, begins: int, returns: int) -> str | None:
        if begins > self.policy.max_begins:
            return f"{begins - 1} runners were lost at it."
        return f"it could not go on {returns} times." if returns > self.policy.max_returns else None

    async def _grant(self, record: TaskRecord, run_id: str, policy: Policy, title: str, body: str) -> Grant:
        worker = record.reviewer if record.purpose is Purpose.REVIEW else Choice()
        return Grant(
            run_id=run_id,
            clone_url=self._clone_url(record),
            base_branch=record.task.repository.default_branch,
            start_sha=None if record.purpose is Purpose.INTEGRATION else record.head_sha,
            title=title,
            body=body,
            agent=worker.agent or record.agent,
            model=worker.model if worker.agent else record.model,
            author=self.identity,
            requested_by=record.requested_by,
            requested_by_id=record.requested_by_id,
            limits=policy.limits,
            profile=policy.profile,
            purpose=record.purpose,
            unfinished=_unfinished(record),
            session=_session(record),
            notes=_notes(record),
            answers=record.answers,
            role=policy.router.roles.get(record.role or "", ""),
            **await self.briefing(record, policy),
        )

    async def _policy(self, record: TaskRecord) -> Policy:
        """Return the operator's policy as the repository tightened it."""
        return resolve(self.policy, await self.configs.known(record.task.repository)).policy

    def _clone_url(self, record: TaskRecord) -> str:
        return f"{self.web_url}/{record.task.repository.full_name}.git"

    async def _admitted(self, record: TaskRecord) -> tuple[str, str] | str:
        """Read the admitted text; if the artifact is lost, the issue's text counts as long as its hash is right.

        A single string says why there is none.
        """
        text = await read_text(self.artifacts, record.admitted)
        if text is not None:
            return text
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

    async def _end_at_once(
        self,
        lease: RunLease,
        job: Job,
        record: TaskRecord,
        reason: str,
        outcome: Outcome = Outcome.INFRASTRUCTURE_FAILED,
    ) -> Refused:
        now = self.clock.now()
        result = RunResult(
            outcome=outcome, reason=reason, agent=record.agent, usage=NOTHING_USED, started_at=now, ended_at=now
        )
        await self.finish(lease.run_id, job, result)
        return Refused(reason=reason)

    async def beat(self, run_id: str, job: Job, progress: Progress) -> Order:
        """Renew the lease, hand out what the agent is to be told, and tell the task what came of that."""
        expires_at = self.clock.now() + timedelta(seconds=self.policy.run_lease)
        before: RunLease | None = None

        def renew(lease: RunLease) -> RunLease:
            nonlocal before
            before = lease
            told = (key for key in progress.delivered if key not in lease.delivered)
            return lease.model_copy(
                update={
                    "expires_at": expires_at,
                    "step": progress.step,
                    "inbox": tuple(one for one in lease.inbox if one.key not in progress.delivered),
                    "delivered": (*lease.delivered, *told),
                    "share": max(_share(progress.spent, lease.cap), lease.share),
                    "spent": lease.spent if progress.spent is None else progress.spent,
                }
            )

        lease = await self.leases.update(job.task.group, run_id, renew)
        if lease is None or before is None:
            return Order(current=False)
        await self._tell_progress(before, lease, job)
        return Order(stop=lease.stop, inbox=lease.inbox)

    async def _tell_progress(self, before: RunLease, lease: RunLease, job: Job) -> None:
        """Tell the task what its run's agent heard meanwhile; what it was told at the beginning waits for the end."""
        told = lease.delivered[len(before.delivered) :]
        share = lease.share if lease.share > before.share else None
        if share is None and not {one.key for one in before.inbox}.intersection(told):
            return
        event = RunProgressed(task=job.task, run_id=lease.run_id, delivered=told, share=share)
        identity = f"run:{lease.run_id}:progress:{len(lease.delivered)}:{lease.share}"
        await self.events.send(enclose(event, identity, self.clock.now()))

    async def token(self, run_id: str, job: Job, kind: TokenKind) -> RunToken:
        """Mint a token for the current run."""
        lease, _ = await self.leases.get(job.task.group)
        if lease is None or lease.run_id != run_id or lease.result is not None:
            raise Permanent(f"run {run_id} is not current and gets no token")
        try:
            token = await self._mint(job, kind)
        except Unauthorized as error:
            raise Retryable(str(error)) from error
        record = (await self.records.load(job.task.group)).task
        return token.model_copy(update={"clone_url": self._clone_url(record)}) if record else token

    async def _mint(self, job: Job, kind: TokenKind) -> RunToken:
        """Mint a token; one that only reads serves all runs of its repository for most of its hour."""
        repository = job.task.repository
        known = self.reading.get(repository.id)
        if kind is TokenKind.FETCH and known and known.expires_at - self.clock.now() > STILL_GOOD:
            return known
        token = await self.github.mint(repository, PERMISSIONS[kind])
        if kind is TokenKind.FETCH:
            self.reading[repository.id] = token
        return token

    async def revoke(self, run_id: str, job: Job, token: RunToken) -> None:
        """Revoke a token that was minted for a run."""
        await self.github.revoke(token)

    async def give_back(self, run_id: str, job: Job, kept: str | None = None) -> None:
        """End the lease of a run that is not done; before that tell the task what is kept, so that it removes it."""
        lease, _ = await self.leases.get(job.task.group)
        if lease is None or lease.run_id != run_id or lease.result is not None:
            return
        now = self.clock.now()
        if kept is not None:
            event = RunGivenBack(task=job.task, run_id=run_id, kept=kept)
            await self.events.send(enclose(event, f"run:{run_id}:given-back", now))
        left = Unfinished(run_id=run_id, sha=kept) if kept is not None else lease.kept
        counts = {"begins": lease.begins - 1, "returns": lease.returns + 1}
        await self.leases.change(job.task.group, run_id, expires_at=now, kept=left, **counts)

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

    def _new_lease(
        self,
        job: Job,
        runner: str,
        *,
        begins: int,
        returns: int = 0,
        cap: Decimal | None = None,
        kept: Unfinished | None = None,
    ) -> RunLease:
        return RunLease(
            run_id=token_hex(8),
            job_id=job.id,
            runner=runner,
            begins=begins,
            returns=returns,
            expires_at=self.clock.now() + timedelta(seconds=self.policy.run_lease),
            cap=cap,
            kept=kept,
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

    async def _tell_cost(self, last: RunLease | None, job: Job) -> None:
        """Count what a run cost that was lost, given back or overtaken, as far as it said."""
        if last is None or last.result is not None or last.spent is None:
            return
        now = self.clock.now()
        spent = Spent(repository=job.task.repository, run_id=last.run_id, cost=last.spent, at=now)
        await self.events.send(enclose(spent, f"run:{last.run_id}:spent", now))

    async def _tell_finished(self, run_id: str, job: Job, result: RunResult) -> None:
        event = RunFinished(task=job.task, run_id=run_id, job_id=job.id, result=result)
        await self.events.send(enclose(event, f"run:{run_id}:finished", self.clock.now()))


def _capped(policy: Policy, caps: Caps) -> Policy:
    """Let a run cost no more than what is left of all caps."""
    return policy.model_copy(update={"limits": policy.limits.model_copy(update={"cost": caps.run})})


def _share(spent: Decimal | None, cap: Decimal | None) -> int:
    """Return how much of its cap a run has spent, in steps of which the first is worth a word: 80, 100, else 0."""
    if spent is None or not cap:
        return 0
    percent = int(100 * spent / cap)
    return max((step for step in SHARES if percent >= step), default=0)


def _of_this_text(record: TaskRecord) -> tuple[RunSummary, ...]:
    """Return the latest runs in a row that came to nothing: those are about what is wanted now."""
    tried: list[RunSummary] = []
    for run in reversed(record.runs):
        if run.outcome in SETTLED or run.attempt < record.first_attempt:
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
    if (last.purpose.only_reads or record.purpose.only_reads) and last.purpose is not record.purpose:
        return None  # who only read goes on with no work, nor the other way round
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
