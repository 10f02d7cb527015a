"""One run: prepare, agent, commit, push. It ends in an Outcome, or in Retryable when only the world is at fault."""

import errno
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from app.domain.errors import Permanent, Retryable
from app.domain.grants import Grant, TokenKind
from app.domain.jobs import Job
from app.domain.names import run_ref
from app.domain.outcomes import Outcome, RunResult, Usage, total
from app.log import log
from app.ports import Clock, Runs
from runner.agents.base import EndStatus, Lane
from runner.equipment import AgentSetup, Equipment
from runner.git import GitFailed, Identity, Transient
from runner.leave import needs_gate
from runner.meter import Cut
from runner.pulse import Pulse, Verdict
from runner.story import TEXT_LIMIT, Story
from runner.supervision import Exit, ExitReason
from runner.working import Working
from runner.workspace import Mirror, NestedRepository, Workspace, WorkspaceBusy, WorkspaceDamaged

TRIES = 4
PATIENCE = 32
"""Tries of what is worth more: to push what an agent has done, for a quarter of an hour."""
PAUSE = 0.25
LONGEST_PAUSE = 30
REASON_LIMIT = 2000
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
KEEPS_WORK = (
    Outcome.TIMED_OUT,
    Outcome.STALLED,
    Outcome.BUDGET_SPENT,
    Outcome.APPROVAL_NEEDED,
    Outcome.PROVIDER_LIMITED,
)
"""Ends after which the next run goes on from what is there: none is the agent's failure."""
LAST_WORDS = {
    EndStatus.FAILED: Outcome.AGENT_FAILED,
    EndStatus.CANCELLED: Outcome.AGENT_FAILED,
    EndStatus.LIMIT_REACHED: Outcome.BUDGET_SPENT,
    EndStatus.BUDGET_SPENT: Outcome.BUDGET_SPENT,
    EndStatus.PROVIDER_LIMITED: Outcome.PROVIDER_LIMITED,
}

NOTHING_USED = total([])
"""What a run has used before its agent works."""
T = TypeVar("T")


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
    usage: Usage = NOTHING_USED
    story: Story = field(default_factory=Story)
    head_sha: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run works; what is made there goes onto `parent`. The tree holds that, or more if work was `kept`."""

    workspace: Workspace
    parent: str
    resumed: bool
    kept: bool


@dataclass(frozen=True, slots=True)
class Run:
    """Everything one run works with."""

    job: Job
    grant: Grant
    pulse: Pulse
    runs: Runs
    clock: Clock
    root: Path
    equipment: Equipment

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
        setup = self._setup()
        place = await self._prepare()
        try:
            self._begin(f"agent {self.grant.agent} works")
            ended, work = await self._let_work(setup, place, report)
            self._judge(ended, work.cut, report.story)
            await self._deliver(place, report)
        except Ending as ending:
            if ending.outcome is Outcome.CANCELLED and self.pulse.verdict is Verdict.CANCELLED:
                await self._clear(place.workspace)  # after NOT_CURRENT another run may have it
            elif ending.outcome in KEEPS_WORK:
                await self._keep_work(place, report)
            raise

    async def _let_work(self, setup: AgentSetup, place: Place, report: Report) -> tuple[Exit, Working]:
        """Let the agent work; what it used is known even if that fails."""
        grant, workspace = self.grant, place.workspace
        work = Working(
            grant, setup, self.equipment, self.clock, self.pulse, workspace, place.resumed, place.kept, report.usage
        )
        try:
            return await work(report.story), work
        finally:
            report.usage = work.usage

    def _setup(self) -> AgentSetup:
        """Return how the agent is set up here, or end the run because of what it lacks."""
        name, profile = self.grant.agent, self.grant.profile
        setup = self.equipment.agents.get(name)
        lacks = setup.missing if setup else "it is not set up on this runner"
        if setup and needs_gate(profile) and Lane.GATED not in setup.make().traits.lanes:
            lacks = f"the profile `{profile}` rules on each tool call, and this agent asks for none"
        if setup is None or lacks:
            raise Ending(Outcome.INFRASTRUCTURE_FAILED, f"the agent `{name}` cannot run: {lacks}.")
        return setup

    async def _deliver(self, place: Place, report: Report) -> None:
        self._begin("committing")
        sha = await self._persist(lambda: self._commit(place, report))
        if sha is None:
            said = report.story.ended.reason if report.story.ended else "the agent ended"
            raise Ending(Outcome.NO_CHANGE, f"the agent changed no file ({said}).")
        self._begin("pushing")
        try:
            await self._persist(lambda: self._push(place.workspace, sha), PATIENCE)
        except Retryable as error:  # to begin again would spend once more what was spent already
            reason = f"what the agent did could not be pushed: {error}"
            raise Ending(Outcome.INFRASTRUCTURE_FAILED, reason) from error
        report.head_sha = sha

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

    async def _keep_work(self, place: Place, report: Report) -> None:
        """Push what is there for the next run to go on from; without it, that one begins anew."""
        try:
            sha = await self._persist(lambda: self._commit(place, report))
            if sha is not None:
                await self._persist(lambda: self._push(place.workspace, sha), PATIENCE)
                report.head_sha = sha
        except (NestedRepository, WorkspaceDamaged, GitFailed, Permanent, Retryable, OSError, Ending) as error:
            log().warning("unfinished work not kept", reason=str(error))

    async def _prepare(self) -> Place:
        repository = self.job.task.repository
        mirror = Mirror.under(self.root, repository.full_name, repository.id)
        kept = await self._persist(lambda: self._fetch(mirror))
        branches = await mirror.branches()
        start = self.grant.start_sha or branches.get(self.grant.base_branch)
        if start is None:
            raise Ending(Outcome.INFRASTRUCTURE_FAILED, _nothing_to_start_from(self.grant.base_branch, branches))
        self._begin("preparing the workspace")
        workspace = mirror.workspace(str(self.job.task.number))
        resumes = self.grant.session is not None and workspace.has_home
        if kept and self.grant.start_sha not in (None, kept[1]):
            log().warning("unfinished work is left aside: the branch has moved", sha=kept[0], branch=start)
            kept = None
        tree, parent = kept or (start, start)
        await self._persist(lambda: workspace.prepare(tree, keep_home=resumes))
        return Place(workspace, parent, resumes, kept=kept is not None)

    async def _fetch(self, mirror: Mirror) -> tuple[str, str] | None:
        """Fetch with a token of its own at each try, because a token also says where a renamed repository is.

        Return what an earlier run left unfinished and the commit that it was made on, if it is still there.
        """
        token = await self.runs.token(self.grant.run_id, self.job, TokenKind.FETCH)
        url, left = token.clone_url or self.grant.clone_url, self.grant.unfinished
        if left and await mirror.fetch_run(url, token.value, run_ref(left.run_id), left.sha):
            parent = await mirror.parent(left.sha)
            return (left.sha, parent) if parent else None
        await mirror.fetch(url, token.value)
        return None

    def _judge(self, ended: Exit, cut: Cut | None, story: Story) -> None:
        """Go on only if the agent itself said that it is done, and its process agrees."""
        if self.pulse.verdict is not None:
            raise Ending(Outcome.CANCELLED, "it was told to stop")
        if cut is not None:
            raise Ending(cut.outcome, cut.reason)
        match ended.reason:
            case ExitReason.WALL_TIME:
                raise Ending(Outcome.TIMED_OUT, f"the agent took longer than {self.grant.limits.wall_seconds:g} s")
            case ExitReason.SILENCE:
                raise Ending(Outcome.TIMED_OUT, f"the agent said nothing for {self.grant.limits.silence_seconds:g} s")
            case ExitReason.WORKSPACE_BUSY | ExitReason.SUPERVISOR_LOST:
                raise Retryable(f"{ended.reason.value}: {ended.detail}")
            case ExitReason.NOT_STARTED:
                said = story.ended.reason if story.ended else f"exit code {ended.code}"
                raise Ending(Outcome.INFRASTRUCTURE_FAILED, f"the sandbox could not be set up: {said}")
            case ExitReason.STOPPED | ExitReason.EXITED:
                _judge_last_word(ended, story)

    async def _commit(self, place: Place, report: Report) -> str | None:
        grant, task = self.grant, self.job.task
        requester = Identity(
            grant.requested_by, f"{grant.requested_by_id}+{grant.requested_by}@users.noreply.github.com"
        )
        author = Identity(grant.author.bot_login, grant.author.email)
        message = f"{grant.title}\n\nOrch run {grant.run_id} for #{task.number}, agent {grant.agent}."
        return await place.workspace.snapshot(message, author, requester, place.parent, report.started_at)

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

    async def _persist(self, step: Callable[[], Awaitable[T]], tries: int = TRIES) -> T:
        """Try a step a few times while only network, server or a run that is just ending are in the way."""
        for attempt in range(1, tries):
            try:
                return await step()
            except (Retryable, Transient, WorkspaceBusy) as error:
                log().info("trying again", run=self.grant.run_id, reason=str(error))
                asked = error.delay if isinstance(error, Retryable) else None
            await self.clock.sleep(min(asked or PAUSE * 2**attempt, LONGEST_PAUSE))
            if self.pulse.verdict is not None:
                raise Ending(Outcome.CANCELLED, "it was told to stop")
        try:
            return await step()
        except (Transient, WorkspaceBusy) as error:
            raise Retryable(str(error)) from error

    def _result(self, report: Report, outcome: Outcome, reason: str) -> RunResult:
        """Say how the run ended, without secrets: people will read it on GitHub."""
        hide = self.equipment.redaction.text
        return RunResult(
            outcome=outcome,
            reason=hide(reason)[:REASON_LIMIT],
            agent=self.grant.agent,
            model=report.story.model or self.grant.model,
            head_sha=report.head_sha,
            usage=report.usage,
            text=hide(report.story.text)[-TEXT_LIMIT:],
            session=report.story.session,
            asked=report.story.asked if outcome is Outcome.APPROVAL_NEEDED else None,
            started_at=report.started_at,
            ended_at=self.clock.now(),
        )


def _judge_last_word(ended: Exit, story: Story) -> None:
    if story.ended is not None and story.ended.status in LAST_WORDS:
        code = f" (exit code {ended.code})" if ended.code else ""
        raise Ending(LAST_WORDS[story.ended.status], f"{story.ended.reason}{code}")
    if ended.signal is not None:
        raise Ending(Outcome.AGENT_FAILED, f"the agent was ended by signal {ended.signal}")
    if story.ended is None:
        raise Ending(Outcome.AGENT_FAILED, f"the agent ended with exit code {ended.code} and no last word")
    if ended.code:
        raise Ending(Outcome.AGENT_FAILED, f"{story.ended.reason} (exit code {ended.code})")


def _nothing_to_start_from(branch: str, branches: Collection[str]) -> str:
    if not branches:
        return f"the repository has no commit yet. Push a first one to {branch}, for example a README."
    return f"the repository has no branch {branch}. Push one, or make another its default branch."
