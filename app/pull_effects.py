"""Effects on branches and pull requests: moved, opened, answered, reviewed, brought up to date, merged."""

from dataclasses import dataclass
from hashlib import sha256

from app.domain import effects as do
from app.domain.effects import Effect
from app.domain.errors import Permanent, Unauthorized
from app.domain.events import PullDue
from app.domain.facts import Identity
from app.domain.internal import enclose
from app.domain.policy import Policy
from app.domain.record import TaskRecord
from app.ports import Clock, EventQueue, GitHub
from app.signing import Signing

SHORT = 7
"""Characters of a commit's SHA that people are shown."""


def hidden_key(key: str) -> str:
    """Return what finds a comment again by the key of its effect, unseen by its readers."""
    return f"<!-- orch:note {sha256(key.encode()).hexdigest()[:16]} -->"


@dataclass(frozen=True, slots=True)
class PullEffects:
    """Perform them through GitHub."""

    github: GitHub
    events: EventQueue
    clock: Clock
    identity: Identity
    policy: Policy
    signing: Signing

    async def perform(self, effect: Effect, record: TaskRecord, *, looks: bool) -> int | str | None:
        """Perform an effect and return the number or SHA of what it made; one tried before `looks` first."""
        repository = record.task.repository
        match effect:
            case do.MoveBranch():
                return await self._move_branch(effect, record)
            case do.OpenPull():
                return await self._open_pull(effect, record, looks)
            case do.AnswerThreads():
                await self._answer_threads(effect, record, looks)
            case do.SubmitReview():
                await self._submit_review(effect, record)
            case do.UpdateBranch(pull=pull, sha=sha):
                await self._update_branch(record, pull, sha)
            case do.MergePull(sha=sha, queue=str(node)):
                await self.github.enqueue_pull(repository, node, sha)
            case do.MergePull(pull=pull, sha=sha, method=method):
                await self.github.merge_pull(repository, pull, sha, method)
        return None

    async def _answer_threads(self, effect: do.AnswerThreads, record: TaskRecord, looks: bool) -> None:
        """Answer all at once; where an earlier try may have done it, only what is not answered yet."""
        hidden = hidden_key(effect.key)
        said = await self._answered(record, effect, hidden) if looks else frozenset[str]()
        answers = [
            one.model_copy(update={"body": f"{_with_new_name(one.body, effect.commit, record.head_sha)}\n\n{hidden}"})
            for one in effect.answers
            if one.thread not in said
        ]
        if answers:
            await self.github.answer_threads(record.task.repository, answers)

    async def _answered(self, record: TaskRecord, effect: do.AnswerThreads, hidden: str) -> frozenset[str]:
        threads = await self.github.threads(record.task.repository, effect.pull)
        mine = self.identity.bot_id
        return frozenset(
            thread.id
            for thread in threads
            if any(hidden in comment.body and comment.author.id == mine for comment in thread.comments)
        )

    async def _submit_review(self, effect: do.SubmitReview, record: TaskRecord) -> None:
        repository, hidden = record.task.repository, hidden_key(effect.key)
        reviews = await self.github.reviews(repository, effect.pull)
        if not any(hidden in one.body and one.author.id == self.identity.bot_id for one in reviews):
            await self.github.create_review(repository, effect.pull, f"{effect.body}\n\n{hidden}")

    async def _update_branch(self, record: TaskRecord, pull: int, sha: str) -> None:
        """Have the base merged into the branch; where that conflicts, the task goes on with it."""
        if not await self.github.update_branch(record.task.repository, pull, sha):
            now = self.clock.now()
            identity = f"conflict:{record.task.group}:{sha}:{now.timestamp()}"
            await self.events.send(enclose(PullDue(task=record.task), identity, now))

    async def _move_branch(self, effect: do.MoveBranch, record: TaskRecord) -> str:
        """Move the branch to the commit, or to one like it that GitHub signed, and return which it is."""
        repository = record.task.repository
        if await self.signing.is_asked(repository):
            return await self._move_signed(effect, record)
        try:
            return await self._move_to(effect, record)
        except Unauthorized:
            raise
        except Permanent:
            if not await self.signing.learn(repository, effect.branch):
                raise
            return await self._move_signed(effect, record)

    async def _move_signed(self, effect: do.MoveBranch, record: TaskRecord) -> str:
        try:
            sha = await self.signing.sign(record.task.repository, effect.branch, effect.sha)
        except Unauthorized:
            raise
        except Permanent as error:
            raise Permanent(
                "only signed commits are taken here, and GitHub did not sign what the agent made, which is kept: let "
                f"the App write contents, or except it from that rule, then say `/retry` ({error})"
            ) from error
        return await self._move_to(effect.model_copy(update={"sha": sha}), record)

    async def _move_to(self, effect: do.MoveBranch, record: TaskRecord) -> str:
        repository = record.task.repository
        if effect.previous is not None:
            await self._forward_branch(effect, record)
        elif not await self.github.create_branch(repository, effect.branch, effect.sha):
            head = await self.github.branch_head(repository, effect.branch)
            if head != effect.sha:
                raise Permanent(
                    f"the branch `{effect.branch}` exists with commits that Orch did not make; delete or rename it, "
                    f"then take the label `{self.policy.trigger}` off and put it on again"
                )
        return effect.sha

    async def _forward_branch(self, effect: do.MoveBranch, record: TaskRecord) -> None:
        try:
            await self.github.move_branch(record.task.repository, effect.branch, effect.sha)
        except Unauthorized:
            raise
        except Permanent as error:
            raise Permanent(
                f"the branch `{effect.branch}` is not where the run began, and Orch never force-pushes: take the label "
                f"`{record.label}` off and put it on again for an attempt at what is there now ({error})"
            ) from error

    async def _open_pull(self, effect: do.OpenPull, record: TaskRecord, looks: bool) -> int:
        repository = record.task.repository
        if record.pull is not None and not record.pull_closed:
            return record.pull
        if looks:
            pulls = await self.github.pulls_from(repository, effect.branch)
            mine = [pull for pull in pulls if pull.is_open or pull.head_sha == record.head_sha]
            if mine:
                return mine[0].number
        base = repository.default_branch
        return (await self.github.create_pull(repository, effect.branch, base, effect.title, effect.body)).number


def _with_new_name(body: str, commit: str | None, head: str | None) -> str:
    """Name the run's commit as it is called on the branch, where it was made anew."""
    return body if commit is None or head is None else body.replace(commit[:SHORT], head[:SHORT])
