"""One run: prepare, agent, commit, push. It ends in an Outcome, or in Retryable when only the world is at fault."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from app.domain.errors import Permanent, Retryable
from app.domain.grants import Grant, TokenKind
from app.domain.jobs import Job
from app.domain.names import run_ref
from app.domain.outcomes import Outcome, RunResult, Usage
from app.log import log
from app.ports import Clock, Runs
from runner.agents.base import Agent, Assignment, Ended, EndStatus, Prompt, Text, UsageReport
from runner.git import GitFailed, Identity, Transient
from runner.pulse import Pulse
from runner.supervision import Command, Exit, ExitReason, Limits, Supervised, supervise
from runner.workspace import Mirror, NestedRepository, Workspace, WorkspaceBusy, WorkspaceDamaged

TRIES = 4
PAUSE = 0.25
LONGEST_PAUSE = 30
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
TEXT_LIMIT = 4000

T = TypeVar("T")
N = TypeVar("N", int, Decimal)
Agents = Mapping[str, Callable[[], Agent]]


class Ending(Exception):
    """The run ends here, with this outcome."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


@dataclass(slots=True)
class Report:
    """What is known of a run while it goes on."""

    started_at: datetime
    usage: Usage = field(default_factory=Usage)
    text: str = ""
    ended: Ended | None = None
    head_sha: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Everything one run works with."""

    job: Job
    grant: Grant
    pulse: Pulse
    runs: Runs
    clock: Clock
    root: Path
    agents: Agents

    async def __call__(self) -> RunResult:
        """Do the run and return how it ended; raises Retryable when it should be begun again."""
        report = Report(self.clock.now())
        try:
            await self._work(report)
        except Ending as ending:
            return self._result(report, ending.outcome, ending.reason)
        except (NestedRepository, WorkspaceDamaged) as error:
            return self._result(report, Outcome.AGENT_FAILED, str(error))
        except (GitFailed, Permanent) as error:
            return self._result(report, Outcome.INFRASTRUCTURE_FAILED, str(error))
        except Retryable:
            raise
        except Exception as error:  # a run that ended without a word would leave its task in progress for ever
            log().exception("the run failed", error=str(error))
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                return self._result(
                    report, Outcome.INFRASTRUCTURE_FAILED, "the runner's disk is full; make room there."
                )
            reason = (
                f"an error of Orch itself ({type(error).__name__}); its log says more under run {self.grant.run_id}"
            )
            return self._result(report, Outcome.INFRASTRUCTURE_FAILED, reason)
        return self._result(report, Outcome.DELIVERED, f"pushed {report.head_sha}")

    async def _work(self, report: Report) -> None:
        make = self.agents.get(self.grant.agent)
        if make is None:
            raise Ending(Outcome.INFRASTRUCTURE_FAILED, f"the agent `{self.grant.agent}` is not set up on this runner")
        workspace, start = await self._prepare()
        try:
            await self._deliver(make(), workspace, start, report)
        except Ending as ending:
            if ending.outcome is Outcome.CANCELLED:
                await self._clear(workspace)
            raise

    async def _deliver(self, agent: Agent, workspace: Workspace, start: str, report: Report) -> None:
        self._begin(f"agent {self.grant.agent} works")
        await self._run_agent(agent, workspace, report)
        self._begin("committing")
        report.head_sha = await self._commit(workspace, start, report)
        self._begin("pushing")
        sha = report.head_sha
        await self._persist(lambda: self._push(workspace, sha))

    def _begin(self, step: str) -> None:
        """Begin a step, unless the run was told to stop."""
        if self.pulse.verdict is not None:
            raise Ending(Outcome.CANCELLED, "it was told to stop")
        self.pulse.step = step
        log().info("step", step=step)

    async def _clear(self, workspace: Workspace) -> None:
        """Remove the workspace: the job that cleans up after the task may have come before this run made it."""
        try:
            await workspace.remove()
        except (WorkspaceBusy, WorkspaceDamaged) as error:
            log().warning("workspace not removed", reason=str(error))

    async def _prepare(self) -> tuple[Workspace, str]:
        repository = self.job.task.repository
        mirror = Mirror.under(self.root, repository.full_name, repository.id)
        await self._persist(lambda: self._fetch(mirror))
        branches = await mirror.branches()
        start = self.grant.start_sha or branches.get(self.grant.base_branch)
        if start is None:
            raise Ending(Outcome.INFRASTRUCTURE_FAILED, _nothing_to_start_from(self.grant.base_branch, branches))
        self._begin("preparing the workspace")
        workspace = mirror.workspace(str(self.job.task.number))
        await self._persist(lambda: workspace.prepare(start))
        return workspace, start

    async def _fetch(self, mirror: Mirror) -> None:
        """Fetch with a token of its own at each try, because a token also says where a renamed repository is."""
        token = await self.runs.token(self.grant.run_id, self.job, TokenKind.FETCH)
        await mirror.fetch(token.clone_url or self.grant.clone_url, token.value)

    async def _run_agent(self, agent: Agent, workspace: Workspace, report: Report) -> None:
        prompt = Prompt(text=f"{self.grant.title}\n\n{self.grant.body}", body=self.grant.body)
        asked = agent.command(Assignment(prompt, workspace.tree, workspace.home, workspace.tmp))
        limits = Limits(self.grant.wall_seconds, self.grant.silence_seconds)
        command = Command(asked.argv, asked.env, workspace.tree, workspace.lock_path, limits, asked.stdin)
        async with supervise(command) as supervised:
            obeying = asyncio.create_task(self._obey(supervised), name=f"orders of run {self.grant.run_id}")
            try:
                async for line in supervised.lines():
                    for event in agent.parse(line.data, line.stream):
                        _note(report, event)
                ended = await supervised.wait()
            finally:
                obeying.cancel()
                with suppress(asyncio.CancelledError):
                    await obeying
        self._judge(ended, report)

    async def _obey(self, supervised: Supervised) -> None:
        await self.pulse.stopped.wait()
        await supervised.stop()

    def _judge(self, ended: Exit, report: Report) -> None:
        """Go on only if the agent itself said that it is done, and its process agrees."""
        match ended.reason:
            case ExitReason.WALL_TIME:
                raise Ending(Outcome.TIMED_OUT, f"the agent took longer than {self.grant.wall_seconds:g} s")
            case ExitReason.SILENCE:
                raise Ending(Outcome.TIMED_OUT, f"the agent said nothing for {self.grant.silence_seconds:g} s")
            case ExitReason.STOPPED:
                raise Ending(Outcome.CANCELLED, "it was told to stop")
            case ExitReason.WORKSPACE_BUSY | ExitReason.SUPERVISOR_LOST:
                raise Retryable(f"{ended.reason.value}: {ended.detail}")
            case ExitReason.EXITED:
                pass
        if ended.signal is not None:
            raise Ending(Outcome.AGENT_FAILED, f"the agent was ended by signal {ended.signal}")
        if report.ended is None:
            raise Ending(Outcome.AGENT_FAILED, f"the agent ended with exit code {ended.code} and no last word")
        if report.ended.status is not EndStatus.COMPLETED or ended.code:
            raise Ending(Outcome.AGENT_FAILED, f"{report.ended.reason} (exit code {ended.code})")

    async def _commit(self, workspace: Workspace, start: str, report: Report) -> str:
        grant, task = self.grant, self.job.task
        requester = Identity(
            grant.requested_by, f"{grant.requested_by_id}+{grant.requested_by}@users.noreply.github.com"
        )
        author = Identity(grant.author.bot_login, grant.author.email)
        message = f"{grant.title}\n\nOrch run {grant.run_id} for #{task.number}, agent {grant.agent}."
        sha = await workspace.snapshot(message, author, requester, start, report.started_at)
        if sha is None:
            said = report.ended.reason if report.ended else "the agent ended"
            raise Ending(Outcome.NO_CHANGE, f"the agent changed no file ({said}).")
        return sha

    async def _push(self, workspace: Workspace, sha: str) -> None:
        """Push with a token minted for it, and revoke that."""
        run_id = self.grant.run_id
        token = await self.runs.token(run_id, self.job, TokenKind.PUSH)
        try:
            await workspace.push(token.clone_url or self.grant.clone_url, token.value, sha, run_ref(run_id))
            log().info("pushed", ref=run_ref(run_id), sha=sha)
        finally:
            try:
                await self.runs.revoke(run_id, self.job, token)
            except (Retryable, Permanent) as error:
                log().warning("a push token was not revoked and lives for an hour", run=run_id, reason=str(error))

    async def _persist(self, step: Callable[[], Awaitable[T]]) -> T:
        """Try a step a few times while only network, server or a run that is just ending are in the way."""
        for attempt in range(1, TRIES):
            try:
                return await step()
            except (Retryable, Transient, WorkspaceBusy) as error:
                log().info("trying again", run=self.grant.run_id, reason=str(error))
                asked = error.delay if isinstance(error, Retryable) else None
            await self.clock.sleep(min(asked or PAUSE * 2**attempt, LONGEST_PAUSE))
        try:
            return await step()
        except (Transient, WorkspaceBusy) as error:
            raise Retryable(str(error)) from error

    def _result(self, report: Report, outcome: Outcome, reason: str) -> RunResult:
        return RunResult(
            outcome=outcome,
            reason=reason,
            agent=self.grant.agent,
            model=self.grant.model,
            head_sha=report.head_sha,
            usage=report.usage,
            text=report.text[-TEXT_LIMIT:],
            started_at=report.started_at,
            ended_at=self.clock.now(),
        )


def _nothing_to_start_from(branch: str, branches: Collection[str]) -> str:
    if not branches:
        return f"the repository has no commit yet. Push a first one to {branch}, for example a README."
    return f"the repository has no branch {branch}. Push one, or make another its default branch."


def _note(report: Report, event: object) -> None:
    match event:
        case Text(text=text):
            report.text = (report.text + text + "\n")[-2 * TEXT_LIMIT :]
        case UsageReport():
            report.usage = _add(report.usage, event)
        case Ended():
            report.ended = event


def _add(usage: Usage, more: UsageReport) -> Usage:
    """Add a report; what is unknown once stays unknown."""
    if usage == Usage():
        return Usage(
            tokens_in=more.tokens_in, tokens_out=more.tokens_out, tokens_cached=more.tokens_cached, cost=more.cost
        )
    return Usage(
        tokens_in=_sum(usage.tokens_in, more.tokens_in),
        tokens_out=_sum(usage.tokens_out, more.tokens_out),
        tokens_cached=_sum(usage.tokens_cached, more.tokens_cached),
        cost=_sum(usage.cost, more.cost),
    )


def _sum(one: N | None, other: N | None) -> N | None:
    return None if one is None or other is None else one + other
