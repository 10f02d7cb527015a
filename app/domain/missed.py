"""What a look at GitHub shows that no webhook told: comments, reviews and checks that a task has not met yet."""

from datetime import datetime

from app.domain.commands import read_comment
from app.domain.effects import Decision, Effect, Send, UpsertComment
from app.domain.events import Commented, FeedbackDue, PullDue, Reviewed
from app.domain.facts import Comment, Issue, LabelGiven, ReviewState
from app.domain.instructions import waiting
from app.domain.names import digest_of
from app.domain.record import TaskRecord
from app.domain.said import fresh
from app.domain.snapshot import Snapshot
from app.domain.task import Status
from app.domain.text import one_line

_ASKS = (ReviewState.CHANGES_REQUESTED, ReviewState.COMMENTED)


def is_followed(record: TaskRecord, given: LabelGiven | None) -> bool:
    """Say whether a label was put on before the task came to wait; GitHub's clock counts whole seconds.

    Its webhook then comes late, or again: whoever wants more than what followed puts the label on anew.
    """
    return given is not None and record.since is not None and given.created_at < record.since.replace(microsecond=0)


def unmet(record: TaskRecord, snapshot: Snapshot) -> Decision | None:
    """Return what replays all that was missed as events, None if that is nothing."""
    found = [*_comments(record, snapshot), *_reviews(record, snapshot), *_about_pull(record, snapshot)]
    if not found:
        return None
    why = "missed: " + "; ".join(what for what, _ in found)
    return Decision(why, effects=tuple(effect for _, effect in found))


def _comments(record: TaskRecord, snapshot: Snapshot) -> list[tuple[str, Effect]]:
    found: list[tuple[str, Effect]] = []
    for pull, comments in ((None, snapshot.comments), (record.pull, snapshot.pull_comments)):
        for comment in comments:
            if comment.id == record.comment_id and pull is None:
                continue
            if _is_unheard(comment, record, snapshot):
                event = _as_event(comment, pull, record, snapshot.issue)
                what = f"`{one_line(comment.author.login)}` wrote {_first_line(comment.body)}"
                found.append((what, Send(event=event)))
    return [*found, *_living(record, snapshot)]


def _is_unheard(comment: Comment, record: TaskRecord, snapshot: Snapshot) -> bool:
    """Say whether a comment holds something for Orch that was not followed; bots, and what was before, do not count."""
    mine = comment.author.id == snapshot.identity.bot_id
    if mine or comment.author.is_bot or record.is_over(comment.id) or _is_before(comment.edited_at, record):
        return False
    said = read_comment(comment.body, bot=snapshot.identity.slug, agents=snapshot.policy.agents)
    left = fresh(said, record.has_heard(comment.id))
    return bool(left.commands or left.mistakes or left.mention is not None)


def _is_before(moment: datetime, record: TaskRecord) -> bool:
    """Say whether something happened before the task began; GitHub's clock counts whole seconds."""
    return moment < record.created_at.replace(microsecond=0)


def _as_event(comment: Comment, pull: int | None, record: TaskRecord, issue: Issue | None) -> Commented:
    """Tell of a comment as its webhook would have; the issue's text only if it is the one that is followed.

    What the text was when the comment was written is not known any more, and somebody else may have changed it since.
    """
    same = issue is not None and pull is None and digest_of(issue.title, issue.body) == record.admitted
    return Commented(
        task=record.task,
        actor=comment.author,
        author_id=comment.author.id,
        comment_id=comment.id,
        body=comment.body,
        written_at=comment.edited_at,
        editor_unknown=comment.edited_at > comment.created_at,
        pull=pull,
        title=issue.title if same and issue else None,
        text=issue.body if same and issue else None,
    )


def _first_line(body: str) -> str:
    return f"`{one_line(body.strip().split(chr(10))[0], 60)}`"


def _living(record: TaskRecord, snapshot: Snapshot) -> list[tuple[str, Effect]]:
    """Write the living comment anew if it is gone."""
    if record.comment_id is None or any(one.id == record.comment_id for one in snapshot.comments):
        return []
    return [("the living comment is gone", UpsertComment())]


def _reviews(record: TaskRecord, snapshot: Snapshot) -> list[tuple[str, Effect]]:
    if record.pull is None:
        return []
    left = [
        one
        for one in snapshot.reviews
        if one.state in _ASKS
        and not record.has_met(one.id)
        and one.author.id != snapshot.identity.bot_id
        and not _is_before(one.submitted_at, record)
    ]
    return [
        (
            f"`{one_line(one.author.login)}` reviewed",
            Send(
                event=Reviewed(
                    task=record.task,
                    pull=record.pull,
                    review_id=one.id,
                    actor=one.author,
                    state=one.state,
                    body=one.body,
                    at=one.submitted_at,
                )
            ),
        )
        for one in left
    ]


def _about_pull(record: TaskRecord, snapshot: Snapshot) -> list[tuple[str, Effect]]:
    """Look at conflicts, wished merges, checks and instructions of a pull request in review."""
    if record.status is not Status.IN_REVIEW or record.head_sha is None:
        return []
    found: list[tuple[str, Effect]] = []
    if record.merge is not None or (snapshot.pull is not None and snapshot.pull.conflicts):
        found.append(("the pull request may be merged, or conflicts", Send(event=PullDue(task=record.task))))
    if waiting(record.instructions):
        found.append(("instructions wait", Send(event=FeedbackDue(task=record.task))))
    return found
