"""Comments on issues: a command answers what the task waits for."""

from app.domain.approvals import Answer, Question, with_answer
from app.domain.commands import Command, Word, commands_in
from app.domain.effects import AddComment, Decision, nothing
from app.domain.events import CommentCreated
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies import single
from app.domain.text import one_line


def comment_created(event: CommentCreated, snapshot: Snapshot) -> Decision:
    """Let the task go on with the answer of a person who may write, if it waits for one."""
    record, command = snapshot.record, commands_in(event.body)[0]
    if record is None:
        return nothing("the issue is no task")
    if _was_heard(event, record):
        return nothing("the comment was followed already")
    question = _question_before(event, record)
    if snapshot.permission is None or not snapshot.permission.can_write:
        return _refuse(event, record, question)
    if question is None:
        return _nothing_asked(event, record, command)
    return _answer(event, record, question, command, snapshot)


def _question_before(event: CommentCreated, record: TaskRecord) -> Question | None:
    """Return what the task waits with, if the comment can be about it: GitHub's clock counts whole seconds."""
    asked = record.asked
    return asked if asked and event.written_at >= asked.at.replace(microsecond=0) else None


def _answer(
    event: CommentCreated, record: TaskRecord, question: Question, command: Command, snapshot: Snapshot
) -> Decision:
    allowed, reason = command.word is Word.APPROVE, one_line(command.rest)
    answer = Answer(key=question.key, text=question.text, allowed=allowed, reason=reason)
    known = record.change(answers=with_answer(record.answers, answer), answered=event.comment_id)
    did = "allowed" if allowed else "refused"
    why = f"`{event.actor.login}` {did} what the agent asked for; the task waits for a runner."
    return single.resume(known, snapshot, why)


def _refuse(event: CommentCreated, record: TaskRecord, question: Question | None) -> Decision:
    """Say once for each question who may answer, so that strangers cannot have Orch write as often as they like."""
    why = "only people with write access to this repository answer what an agent asks for"
    if question is None:
        return nothing(why)
    body = f"`{event.actor.login}`, {why}. Nothing was changed."
    return Decision(why, effects=(AddComment(task=record.task, key=f"refused-answer-{record.attempt}", body=body),))


def _nothing_asked(event: CommentCreated, record: TaskRecord, command: Command) -> Decision:
    """Say so once for each attempt."""
    why = f"nothing waits for `/{command.word.value}` here: the task is `{record.status.value}`"
    body = f"`{event.actor.login}`, {why}. Nothing was changed."
    return Decision(why, effects=(AddComment(task=record.task, key=f"nothing-asked-{record.attempt}", body=body),))


def not_ours(event: CommentCreated, snapshot: Snapshot) -> str | None:
    """Skip what says nothing to Orch, and what bots say: those instruct nobody, Orch itself included."""
    if event.actor.is_bot or event.actor.id == snapshot.identity.bot_id:
        return "bots instruct nobody"
    return None if commands_in(event.body) else "the comment holds no command"


def _was_heard(event: CommentCreated, record: TaskRecord) -> bool:
    return event.comment_id <= record.answered


HANDLERS = (
    Handler(
        CommentCreated,
        frozenset({Need.RECORD, Need.PERMISSION, Need.CONFIG}),
        comment_created,
        not_ours,
        _was_heard,
    ),
)
