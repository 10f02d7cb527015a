"""Checkboxes in the living comment, which people tick as if they were buttons: each is a command."""

import re

from app.domain.command_words import Word
from app.domain.record import TaskRecord
from app.domain.task import AT_WORK, Status

_BOX = re.compile(r"^- \[([ xX])\] `/([a-z-]+)`", re.MULTILINE)
_LABELS = {
    Word.STOP: "stop the agent, and keep what it did",
    Word.RESUME: "go on",
    Word.RETRY: "another attempt",
    Word.APPROVE: "allow the call that the agent asks for",
}


def buttons_of(record: TaskRecord) -> tuple[Word, ...]:
    """List the commands that a task's living comment offers as checkboxes."""
    if record.status in AT_WORK:
        return (Word.STOP,)
    if record.status is Status.PAUSED:
        return (Word.RESUME,)
    if record.status is Status.NEEDS_REVIEW:
        return (Word.APPROVE,) if record.asked else (Word.RETRY,)
    return ()


def render_buttons(record: TaskRecord) -> str:
    """Render the checkboxes, empty if there is none."""
    lines = [f"- [ ] `/{word.value}`: {_LABELS[word]}" for word in buttons_of(record)]
    return "\n".join(["With write access, tick a box or say it in a comment:", "", *lines]) if lines else ""


def ticked(before: str, after: str) -> tuple[Word, ...]:
    """List the commands whose boxes were ticked between two versions of a comment."""
    was = {word for mark, word in _BOX.findall(before) if mark != " "}
    now = [word for mark, word in _BOX.findall(after) if mark != " " and word not in was]
    return tuple(word for word in Word if word.value in now)
