"""What a handler declares that it needs, and what was read for it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from app.domain.admission import Board
from app.domain.effects import Decision
from app.domain.facts import Identity, Issue, Permission, Pull
from app.domain.policy import Policy
from app.domain.record import TaskRecord


class Need(Enum):
    """Something to read before a decision."""

    RECORD = auto()
    ISSUE = auto()
    PERMISSION = auto()
    PULL = auto()
    BOARD = auto()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read: a field is None if it was not asked for or is not there.

    `permission` is that of the event's actor, `pull` the record's pull request.
    """

    now: datetime
    identity: Identity
    policy: Policy
    record: TaskRecord | None = None
    issue: Issue | None = None
    permission: Permission | None = None
    pull: Pull | None = None
    board: Board | None = None


def _never(event: Any, snapshot: Snapshot) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Handler:
    """One kind of event, what its decision needs, and the pure function that decides.

    `skip` sees a snapshot for which nothing was read, and returns why the event means nothing, or None.
    """

    event: type[Any]
    needs: frozenset[Need]
    decide: Callable[[Any, Snapshot], Decision]
    skip: Callable[[Any, Snapshot], str | None] = _never
