"""What was missed, as the events that would have told it: a label that was put on, a command where no task is."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.commands import read_comment
from app.domain.events import Commented, IssueLabeled
from app.domain.facts import FoundComment, Identity, Issue
from app.domain.labels import AUTOMERGE, PLAN_LABEL, is_same_label, statuses_on
from app.domain.missed import is_followed
from app.domain.names import Repository, TaskRef
from app.domain.record import TaskRecord
from app.domain.task import Status, Trigger, can
from app.log import log
from app.ports import GitHub

STILL_COMING = timedelta(minutes=1)
"""How long the webhook of a comment may take before it counts as missed."""
Found = tuple[IssueLabeled | Commented, str]
"""An event, and what it is known by: it is handled once however often it is found."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Look for it on GitHub."""

    github: GitHub
    identity: Identity
    agents: tuple[str, ...]

    async def label(self, task: TaskRef, issue: Issue, trigger: str, record: TaskRecord | None) -> Found | None:
        """Find a label that starts a task, takes it up again or asks for its merge, and was not followed."""
        label = _wanted(issue, trigger, record)
        if label is None or not any(is_same_label(one, label) for one in issue.labels):
            return None
        given = await self.github.label_given(task.repository, task.number, label)
        if given is None or given.actor.id == self.identity.bot_id or (record and is_followed(record, given)):
            return None
        if label != AUTOMERGE and await self._is_another_text(task, given.created_at):
            log().warning("label missed, and the issue was changed since", task=str(task))
            return None
        event = IssueLabeled(task=task, label=label, actor=given.actor, title=issue.title, body=issue.body)
        return event, f"missed:{task.group}:{label}:{given.created_at.timestamp()}"

    async def _is_another_text(self, task: TaskRef, then: datetime) -> bool:
        """Say whether title or body may have been changed since; GitHub's clock counts whole seconds."""
        changed = await self.github.text_changed(task.repository, task.number)
        return changed is not None and changed >= then

    async def comments(
        self, repository: Repository, since: datetime, now: datetime, looked_at: Collection[int]
    ) -> list[Found]:
        """Find comments for Orch on issues other than those whose every comment is looked at anyhow."""
        # To the hour: the same question again costs nothing while nobody says anything.
        hour = since.replace(minute=0, second=0, microsecond=0)
        listed = await self.github.comments_since(repository, hour)
        late = [one for one in listed if since <= one.comment.edited_at <= now - STILL_COMING]
        return [
            await self._comment(repository, one)
            for one in late
            if one.number not in looked_at and self._is_for_orch(one)
        ]

    def _is_for_orch(self, found: FoundComment) -> bool:
        """Go by the eyes that Orch puts under each comment that it follows or answers."""
        if found.on_pull or found.seen or found.comment.author.is_bot:
            return False
        said = read_comment(found.comment.body, bot=self.identity.slug, agents=self.agents)
        return bool(said.commands or said.mistakes or said.mention is not None)

    async def _comment(self, repository: Repository, found: FoundComment) -> Found:
        """Tell of a comment as its webhook would have, with the issue's text if that is still the one of then."""
        task, comment = TaskRef(repository=repository, number=found.number), found.comment
        issue = await self.github.issue(repository, found.number)
        same = not await self._is_another_text(task, comment.edited_at)
        event = Commented(
            task=task,
            actor=comment.author,
            author_id=comment.author.id,
            comment_id=comment.id,
            body=comment.body,
            written_at=comment.edited_at,
            editor_unknown=comment.edited_at > comment.created_at,
            title=issue.title if same else None,
            text=issue.body if same else None,
        )
        return event, f"missed:{task.group}:{comment.id}:{comment.edited_at.timestamp()}"


def _wanted(issue: Issue, trigger: str, record: TaskRecord | None) -> str | None:
    """Name the label that would do something now."""
    if not issue.is_open:
        return None
    if record is None:
        plans = any(is_same_label(one, PLAN_LABEL) for one in issue.labels)
        return None if statuses_on(issue.labels) else PLAN_LABEL if plans else trigger
    if record.status is Status.BLOCKED:
        return None
    if can(record.status, Trigger.ROUTE):
        return record.label or trigger
    return AUTOMERGE if record.status is Status.IN_REVIEW and record.merge is None else None
