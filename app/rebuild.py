"""Recreate a lost record from what GitHub holds: living comment, branch, pull request, labels."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.facts import Comment, Identity, Issue, Pull
from app.domain.labels import statuses_on
from app.domain.markers import BadMarker, Keyring, parse_marker
from app.domain.names import TaskRef
from app.domain.record import TaskRecord
from app.domain.task import Trigger, can
from app.log import log
from app.ports import GitHub


def find_record(comments: Sequence[Comment], task: TaskRef, keyring: Keyring, bot_id: int) -> TaskRecord | None:
    """Return the record of the first comment that the App wrote and whose marker verifies, with the comment's id."""
    for comment in comments:
        if comment.author.id != bot_id:
            continue
        try:
            record = parse_marker(comment.body, keyring, task.repository.id, task.number)
        except BadMarker as error:
            log().warning("marker ignored", task=str(task), comment=comment.id, reason=str(error))
            continue
        if record is not None:
            return record.change(comment_id=comment.id, task=task)
    return None


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Read a record back from GitHub."""

    github: GitHub
    identity: Identity
    keyring: Keyring

    async def __call__(self, task: TaskRef, issue: Issue) -> TaskRecord | None:
        """Return the record as GitHub has it; None if there never was a task."""
        if not issue.comments:
            return None
        comments = await self.github.comments(task.repository, task.number)
        record = find_record(comments, task, self.keyring, self.identity.bot_id)
        if record is None:
            return None
        head, pulls = await asyncio.gather(
            self.github.branch_head(task.repository, record.branch),
            self.github.pulls_from(task.repository, record.branch),
        )
        record = record.change(shown=statuses_on(issue.labels))
        if head is not None and await self._is_own(record, head):
            record = record.change(head_sha=head)
        return _agree(record, pulls)

    async def _is_own(self, record: TaskRecord, head: str) -> bool:
        """Say whether Orch made a commit: one that a person pushed is no place for Orch to move the branch from."""
        if head in {record.head_sha, *(run.head_sha for run in record.runs)}:
            return True
        return await self.github.commit_author(record.task.repository, head) == self.identity.bot_id


def _agree(record: TaskRecord, pulls: Sequence[Pull]) -> TaskRecord:
    """Believe the pull request over the marker, which may be one step behind it."""
    news = [pull for pull in pulls if (pull.is_open or pull.merged) and pull.number not in record.merged_before]
    newest = news[0] if news else None
    if newest is None or record.pull is not None:
        return record
    if newest.is_open and can(record.status, Trigger.OPEN_PULL):
        why = f"Pull request #{newest.number} waits for review."
        return record.advance(Trigger.OPEN_PULL, why, pull=newest.number, run_id=None)
    return record.change(pull=newest.number)
