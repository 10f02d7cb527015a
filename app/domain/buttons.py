"""Checkboxes in the living comment, which people tick as if they were buttons: each is a command, or part of a plan."""

import re

from app.domain.blocked import waits_for_approval
from app.domain.command_words import Word
from app.domain.proposal import Proposal
from app.domain.record import TaskRecord
from app.domain.tables import plain
from app.domain.task import AT_WORK, Status

_BOX = re.compile(r"^- \[([ xX])\] `/([a-z-]+)`", re.MULTILINE)
_PLAN_BOX = re.compile(r"^- \[([ xX])\] `([A-Za-z0-9][A-Za-z0-9_-]*)` ", re.MULTILINE)
_LABELS = {
    Word.STOP: "stop the agent, and keep what it did",
    Word.RESUME: "go on",
    Word.RETRY: "another attempt",
    Word.APPROVE: "allow the call that the agent asks for",
}
_PLAN_LABELS = {Word.APPROVE: "create the sub-issues that are ticked", Word.DENY: "have it planned anew"}
_WHOLE_LABELS = {Word.APPROVE: "it is enough as it is", Word.RETRY: "have the whole checked again"}
_PLAN_SAYS = (
    "Each ticked box becomes a sub-issue. A person with write access unticks one to drop it, and ticks it to take it "
    "back; what depended on a dropped one then depends on what that one depended on."
)


def buttons_of(record: TaskRecord) -> tuple[Word, ...]:
    """List the commands that a task's living comment offers as checkboxes."""
    if record.status in AT_WORK:
        return (Word.STOP,)
    if record.status is Status.PAUSED:
        return (Word.RESUME,)
    if record.status is Status.NEEDS_REVIEW:
        return _buttons_of_parked(record)
    return ()


def _buttons_of_parked(record: TaskRecord) -> tuple[Word, ...]:
    if _is_about_plan(record):
        return tuple(_PLAN_LABELS)
    if record.asked:
        return (Word.APPROVE,)
    return tuple(_WHOLE_LABELS) if _is_about_whole(record) else (Word.RETRY,)


def _is_about_whole(record: TaskRecord) -> bool:
    """Say whether all sub-issues are closed, and a person says whether that is enough."""
    return record.graph is not None and record.graph.started and not record.graph.open


def _is_about_plan(record: TaskRecord) -> bool:
    return waits_for_approval(record) and not record.asked


def render_buttons(record: TaskRecord) -> str:
    """Render the checkboxes, empty if there is none."""
    about_whole = _WHOLE_LABELS if _is_about_whole(record) else {}
    labels = {**_LABELS, **about_whole, **(_PLAN_LABELS if _is_about_plan(record) else {})}
    lines = [f"- [ ] `/{word.value}`: {labels[word]}" for word in buttons_of(record)]
    return "\n".join(["With write access, tick a box or say it in a comment:", "", *lines]) if lines else ""


def render_plan_boxes(plan: Proposal) -> str:
    """Render a box for each child of a plan, ticked unless it was dropped."""
    lines = [f"- [{' ' if item.dropped else 'x'}] `{item.key}` {plain(item.title)}" for item in plan.items]
    return "\n".join([_PLAN_SAYS, "", *lines])


def ticked(before: str, after: str) -> tuple[Word, ...]:
    """List the commands whose boxes were ticked between two versions of a comment."""
    was = {word for mark, word in _BOX.findall(before) if mark != " "}
    now = [word for mark, word in _BOX.findall(after) if mark != " " and word not in was]
    return tuple(word for word in Word if word.value in now)


def plan_drops(before: str, after: str, record: TaskRecord) -> frozenset[str] | None:
    """Return the keys of a waiting plan's children that are unticked in the later of two versions of a comment.

    None if no box of the plan changed between the two, or no plan waits.
    """
    if record.plan is None or not waits_for_approval(record):
        return None
    was, now = _plan_boxes(before), _plan_boxes(after)
    changed = {key for key in was if key in now and was[key] != now[key]}
    keys = {item.key: item.dropped for item in record.plan.items}
    if changed.isdisjoint(keys):
        return None
    return frozenset(key for key, dropped in keys.items() if (not now[key] if key in changed else dropped))


def _plan_boxes(body: str) -> dict[str, bool]:
    """Say of each box whether it is ticked; the last one counts, as the plan stands below what was said of it."""
    return {key: mark != " " for mark, key in _PLAN_BOX.findall(body)}
