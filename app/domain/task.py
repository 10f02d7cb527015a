"""The states of a task and the only place that says what may follow what."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """Where a task stands; the values are the labels `status:<value>`, and exactly one is on an issue."""

    NEW = "new"
    ROUTED = "routed"
    IN_PROGRESS = "in_progress"
    IN_REVIEW = "in_review"
    NEEDS_REVIEW = "needs_review"
    BLOCKED = "blocked"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (Status.DONE, Status.CANCELLED)


class Trigger(StrEnum):
    """What moves a task."""

    ROUTE = "route"
    START = "start"
    RETRY = "retry"
    REWORK = "rework"
    PARK = "park"
    BLOCK = "block"
    HOLD = "hold"
    OPEN_PULL = "open_pull"
    REVIEW = "review"
    MERGE = "merge"
    PAUSE = "pause"
    COMPLETE = "complete"
    CANCEL = "cancel"
    REOPEN = "reopen"


AT_WORK = (Status.ROUTED, Status.IN_PROGRESS)
_ACTIVE = (*AT_WORK, Status.IN_REVIEW)
_OPEN = (Status.NEW, *_ACTIVE, Status.NEEDS_REVIEW, Status.BLOCKED)
_UNFINISHED = (*_OPEN, Status.PAUSED)
_WAITS = tuple(status for status in Status if status is not Status.IN_REVIEW)

TRANSITIONS: Mapping[tuple[Status, Trigger], Status] = MappingProxyType(
    {
        (Status.NEW, Trigger.ROUTE): Status.ROUTED,
        (Status.NEEDS_REVIEW, Trigger.ROUTE): Status.ROUTED,
        (Status.BLOCKED, Trigger.ROUTE): Status.ROUTED,
        (Status.PAUSED, Trigger.ROUTE): Status.ROUTED,
        (Status.DONE, Trigger.ROUTE): Status.ROUTED,
        (Status.CANCELLED, Trigger.ROUTE): Status.ROUTED,
        (Status.IN_REVIEW, Trigger.REWORK): Status.ROUTED,
        (Status.ROUTED, Trigger.START): Status.IN_PROGRESS,
        (Status.IN_PROGRESS, Trigger.START): Status.IN_PROGRESS,
        (Status.BLOCKED, Trigger.START): Status.IN_PROGRESS,
        (Status.IN_PROGRESS, Trigger.RETRY): Status.ROUTED,
        (Status.IN_PROGRESS, Trigger.OPEN_PULL): Status.IN_REVIEW,
        (Status.NEEDS_REVIEW, Trigger.REVIEW): Status.IN_REVIEW,
        (Status.PAUSED, Trigger.REVIEW): Status.IN_REVIEW,
        **{(status, Trigger.PARK): Status.NEEDS_REVIEW for status in _OPEN},
        **{(status, Trigger.HOLD): Status.NEEDS_REVIEW for status in (Status.NEW, Status.BLOCKED, Status.PAUSED)},
        **{(status, Trigger.BLOCK): Status.BLOCKED for status in _WAITS},
        **{(status, Trigger.PAUSE): Status.PAUSED for status in (Status.NEW, *_ACTIVE, Status.BLOCKED)},
        **{(status, Trigger.MERGE): Status.DONE for status in _UNFINISHED},
        **{(status, Trigger.COMPLETE): Status.DONE for status in _UNFINISHED},
        **{(status, Trigger.CANCEL): Status.CANCELLED for status in _UNFINISHED},
        (Status.DONE, Trigger.REOPEN): Status.NEEDS_REVIEW,
        (Status.CANCELLED, Trigger.REOPEN): Status.NEEDS_REVIEW,
    }
)


class IllegalTransition(Exception):
    """A trigger that means nothing in that status."""

    def __init__(self, status: Status, trigger: Trigger) -> None:
        super().__init__(f"a task in status {status.value} cannot {trigger.value}")
        self.status = status
        self.trigger = trigger


def can(status: Status, trigger: Trigger) -> bool:
    """Say whether the trigger means something in that status."""
    return (status, trigger) in TRANSITIONS


def follow(status: Status, trigger: Trigger) -> Status:
    """Return the status that follows; raises IllegalTransition."""
    try:
        return TRANSITIONS[status, trigger]
    except KeyError:
        raise IllegalTransition(status, trigger) from None
