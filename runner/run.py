"""One run: prepare, agent, commit, push. It ends in an Outcome, or in Retryable when only the world is at fault."""

import errno
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from app.domain.errors import Permanent, Retryable
from app.domain.grants import Grant
from app.domain.jobs import Job, Purpose
from app.domain.outcomes import Outcome, RunResult, ThreadReply, Usage, total
from app.domain.plan import Plan
from app.domain.plan import Verdict as Checked
from app.domain.text import neutralise, subject
from app.log import log
from app.ports import Clock, Runs
from app.telemetry import span
from runner.absent import NestedRepository, Undeliverable
from runner.agents.base import Lane
from runner.commits import commit_tree, message_of
from runner.courier import PATIENCE, Courier
from runner.driving import STOPPED
from runner.ends import KEEPS_WORK, Ending, failed_end
from runner.equipment import AgentSetup, Equipment
from runner.git import GitFailed, Identity
from runner.leave import needs_gate
from runner.merging import unresolved
from runner.planning import ANSWERS, ending_of, read_answer, story_for
from runner.preparing import WORKING, Place, prepare
from runner.pulse import Pulse, Verdict
from runner.replies import replies_to
from runner.resets import limited_until
from runner.story import TEXT_LIMIT, Story
from runner.touched import touched
from runner.working import Working
from runner.workspace import Workspace, WorkspaceBusy, WorkspaceDamaged

REASON_LIMIT = 2000
TITLE_LIMIT = 200
NOT_KEPT = (NestedRepository, Undeliverable, WorkspaceDamaged, GitFailed, Permanent, Retryable, OSError, Ending)
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
READS_ONLY = "plan-readonly"
"""The profile of an agent that only reads, where each of its calls can be ruled on."""

NOTHING_USED = total([])
"""What a run has used before its agent works."""


@dataclass(slots=True)
class Report:
    """What is known of a run while it goes on; `done` says that its agent was done, before it was told more."""

    started_at: datetime
    usage: Usage = NOTHING_USED
    story: Story = field(default_factory=Story)
    head_sha: str | None = None
    done: bool = False
    replies: tuple[ThreadReply, ...] = ()
    found: Plan | Checked | None = None
    touched: tuple[str, ...] = ()


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
        report = Report(self.clock.now(), story=story_for(self.grant.purpose))
        try:
            await self._work(report)
        except Ending as ending:
            return self._result(report, ending.outcome, ending.reason)
        except (NestedRepository, WorkspaceDamaged) as error:
            return self._result(report, Outcome.AGENT_FAILED, str(error))
        except (GitFailed, Permanent, Undeliverable) as error:
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

    @property
    def _courier(self) -> Courier:
        return Courier(self.job, self.grant, self.pulse, self.runs, self.clock)

    async def _work(self, report: Report) -> None:
        self.pulse.inbox.put(self.grant.instructions)
        setup = None if self.grant.purpose is Purpose.REBASE else self._setup()
        self._begin("preparing the workspace")
        with span("prepare"):
            place = await prepare(self.root, self.job.task, self.grant, self._courier)
        try:
            if place.needs_agent:
                with span("agent", agent=self.grant.agent):
                    await self._let_work(setup or self._setup(), place, report)
            await self._deliver(place, report)
        except Ending as ending:
            if ending.outcome is Outcome.CANCELLED and self.pulse.verdict is Verdict.CANCELLED:
                await self._clear(place.workspace)  # after NOT_CURRENT another run may have it
            elif self._is_kept(ending, report):
                await self._keep_work(place, report)
            raise

    def _is_kept(self, ending: Ending, report: Report) -> bool:
        """Say whether the next run goes on from what is there: a failure after a turn that went well undoes none."""
        stopped = ending.outcome is Outcome.CANCELLED and not self.pulse.is_over
        failed = ending.outcome is Outcome.AGENT_FAILED and report.done
        return ending.outcome in KEEPS_WORK or stopped or failed

    def _setup(self) -> AgentSetup:
        """Return how the agent is set up here, or end the run because of what it lacks."""
        name = self.grant.agent
        setup = self.equipment.agents.get(name)
        lacks = setup.missing if setup else "it is not set up on this runner"
        if setup and needs_gate(profile := self._profile(setup)) and not _can_be_gated(setup):
            lacks = f"the profile `{profile}` rules on each tool call, and this agent asks for none"
        if setup is None or lacks:
            raise Ending(Outcome.INFRASTRUCTURE_FAILED, f"the agent `{name}` cannot run: {lacks}.")
        return setup

    def _profile(self, setup: AgentSetup) -> str:
        """Return the rules on the agent's calls: a review and a plan only read, where that can be ruled.

        Who checks what a plan came to runs the repository's tests.
        """
        reads = self.grant.purpose in (Purpose.REVIEW, Purpose.PLAN)
        return READS_ONLY if reads and _can_be_gated(setup) else self.grant.profile

    async def _let_work(self, setup: AgentSetup, place: Place, report: Report) -> None:
        """Let the agent work, and go on only if it says that it is done; what it used is known even if that fails."""
        self._begin(f"agent {self.grant.agent} works")
        work = Working(
            grant=self.grant,
            profile=self._profile(setup),
            setup=setup,
            equipment=self.equipment,
            clock=self.clock,
            pulse=self.pulse,
            workspace=place.workspace,
            scene=place.scene,
            story=report.story,
            usage=report.usage,
        )
        try:
            ended = await work()
        finally:
            report.usage, report.done = work.usage, work.done
        self._check_stop()
        if work.cut is not None:
            raise Ending(work.cut.outcome, work.cut.reason)
        if ending := failed_end(ended, report.story, self.grant.limits):
            raise ending

    async def _deliver(self, place: Place, report: Report) -> None:
        """Commit what there is and push it, or end with what the agent said instead."""
        if self.grant.purpose is Purpose.REVIEW:
            raise _reviewed(report.story)
        if self.grant.purpose in ANSWERS:
            report.found = read_answer(self.grant, report.story, self.equipment.redaction)
            raise ending_of(report.found)
        self._begin("committing")
        sha = await self._courier.persist(lambda: self._commit(place, report))
        if sha is None:
            raise self._nothing_changed(report)
        await self._check_merge(place, sha)
        self._begin("pushing")
        try:
            with span("push"):
                await self._courier.persist(lambda: self._courier.push(place.workspace, sha), PATIENCE)
        except Retryable as error:  # to begin again would spend once more what was spent already
            reason = f"what the agent did could not be pushed: {error}"
            raise Ending(Outcome.INFRASTRUCTURE_FAILED, reason) from error
        report.head_sha = sha
        changed = (await place.workspace.diff_stat(place.parent, sha)).paths
        report.replies = self._replies(report, sha, changed)
        report.touched = touched(place.scene.merge.conflicts if place.scene.merge else changed)

    def _nothing_changed(self, report: Report) -> Ending:
        """Say that no file was changed: what people asked besides the issue is answered by what the agent said."""
        asked = self.grant.instructions or self.grant.threads or self.pulse.inbox.delivered
        if asked and report.story.text.strip():
            report.replies = self._replies(report, None, ())
            return Ending(Outcome.ANSWERED, "the agent answered and changed no file.")
        said = report.story.ended.reason if report.story.ended else "the agent ended"
        return Ending(Outcome.NO_CHANGE, f"the agent changed no file ({said}).")

    def _replies(self, report: Report, sha: str | None, changed: tuple[str, ...]) -> tuple[ThreadReply, ...]:
        return replies_to(self.grant.threads, self.equipment.redaction.text(report.story.text), sha, changed)

    async def _check_merge(self, place: Place, sha: str) -> None:
        """End the run if conflicts are left."""
        merge = place.scene.merge
        left = await unresolved(place.workspace.mirror.git, merge, sha) if merge else []
        if left:
            raise Ending(Outcome.AGENT_FAILED, f"the agent left conflict markers in {', '.join(left)}")

    def _begin(self, step: str) -> None:
        """Begin a step, unless the run was told to stop."""
        self._check_stop()
        self.pulse.step = step
        log().info("step", step=step)

    def _check_stop(self) -> None:
        if self.pulse.verdict is not None:
            raise Ending(Outcome.CANCELLED, STOPPED)

    async def _clear(self, workspace: Workspace) -> None:
        """Remove the workspace: the job that cleans up after the task may have come before this run made it."""
        try:
            await workspace.remove()
        except (WorkspaceBusy, WorkspaceDamaged) as error:
            log().warning("workspace not removed", reason=str(error))

    async def _keep_work(self, place: Place, report: Report) -> None:
        """Push what is there for the next run to go on from; without it, that one begins anew."""
        if self.grant.purpose not in WORKING:
            return
        persist, push = self._courier.persist, self._courier.push
        try:
            sha = await persist(lambda: self._commit(place, report), in_spite_of_stop=True)
            if sha is not None:
                await persist(lambda: push(place.workspace, sha), PATIENCE, in_spite_of_stop=True)
                report.head_sha = sha
        except NOT_KEPT as error:
            log().warning("unfinished work not kept", reason=str(error))

    async def _commit(self, place: Place, report: Report) -> str | None:
        """Commit what the agent left, or a merge that needed none."""
        grant, merge, when = self.grant, place.scene.merge, report.started_at
        requester = Identity(
            grant.requested_by, f"{grant.requested_by_id}+{grant.requested_by}@users.noreply.github.com"
        )
        author = Identity(grant.author.bot_login, grant.author.email)
        message = self._message(place)
        if merge is not None and not merge.conflicts:
            text, parents = message_of(message, requester), (merge.head, merge.base)
            return await commit_tree(place.workspace.mirror.git, merge.tree, parents, text, author=author, when=when)
        return await place.workspace.snapshot(message, author, requester, place.parent, when, merge=merge)

    def _message(self, place: Place) -> str:
        """Write the commit's message, in which no word of others closes an issue."""
        grant, number = self.grant, self.job.task.number
        title = subject(grant.title, TITLE_LIMIT)
        if place.scene.merge is not None:
            title = f"Merge {neutralise(grant.base_branch, TITLE_LIMIT)} into the branch of #{number}"
        by = f", agent {grant.agent}" if place.needs_agent else ""
        return f"{title}\n\nOrch run {grant.run_id} for #{number}{by}."

    def _limited_until(self, report: Report, outcome: Outcome, reason: str) -> datetime | None:
        if outcome is not Outcome.PROVIDER_LIMITED:
            return None
        return limited_until(report.story, reason, self.clock.now())

    def _result(self, report: Report, outcome: Outcome, reason: str) -> RunResult:
        """Say how the run ended, without secrets: people will read it on GitHub."""
        hide, found = self.equipment.redaction.text, report.found
        return RunResult(
            outcome=outcome,
            reason=hide(reason)[:REASON_LIMIT],
            agent=self.grant.agent,
            model=report.story.model or self.grant.model,
            head_sha=report.head_sha,
            usage=report.usage,
            text=found.summary if found else hide(report.story.text)[-TEXT_LIMIT:],
            session=report.story.session,
            asked=report.story.asked if outcome is Outcome.APPROVAL_NEEDED else None,
            delivered=tuple(self.pulse.inbox.delivered),
            replies=report.replies,
            plan=found if isinstance(found, Plan) else None,
            verdict=found if isinstance(found, Checked) else None,
            touched=report.touched,
            limited_until=self._limited_until(report, outcome, reason),
            started_at=report.started_at,
            ended_at=self.clock.now(),
        )


def _can_be_gated(setup: AgentSetup) -> bool:
    return Lane.GATED in setup.make().traits.lanes


def _reviewed(story: Story) -> Ending:
    if story.text.strip():
        return Ending(Outcome.REVIEWED, "the agent reviewed the branch.")
    return Ending(Outcome.AGENT_FAILED, "the agent ended its review without a word")
