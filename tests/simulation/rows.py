"""What GitHub keeps, as far as Orch meets it."""

from dataclasses import dataclass, field
from datetime import datetime

from app.domain.facts import Actor, Check, Permission, Review, Thread


@dataclass(frozen=True, slots=True)
class Person:
    """An account, and what it may do in the repository."""

    id: int
    login: str
    permission: Permission = Permission.NONE
    is_bot: bool = False

    @property
    def actor(self) -> Actor:
        return Actor(id=self.id, login=self.login, is_bot=self.is_bot)


@dataclass(slots=True)
class CommentRow:
    """A comment on an issue or pull request."""

    id: int
    number: int
    author: Person
    body: str
    created: datetime
    edited: datetime
    reactions: set[tuple[int, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A label that was put on (`on`) or taken off."""

    label: str
    on: bool
    by: Person
    at: datetime


@dataclass(slots=True)
class IssueRow:
    """An issue; `labels` are in the order they were put on, links are numbers of other issues."""

    id: int
    number: int
    author: Person
    title: str
    body: str
    created: datetime
    updated: datetime
    is_open: bool = True
    state_reason: str | None = None
    changed: datetime | None = None
    labels: list[str] = field(default_factory=list)
    given: list[LabelRow] = field(default_factory=list)
    parent: int | None = None
    children: list[int] = field(default_factory=list)
    blocked_by: list[int] = field(default_factory=list)


@dataclass(slots=True)
class PullRow:
    """A pull request from a branch of the repository; `conflicts` and `state` are what GitHub says of its merge."""

    id: int
    number: int
    author: Person
    branch: str
    base: str
    title: str
    body: str
    head: str
    created: datetime
    is_open: bool = True
    merged: bool = False
    conflicts: bool = False
    state: str = "clean"
    labels: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CommitRow:
    """A commit with its first parent, and whose it is."""

    sha: str
    parent: str | None
    author: Person
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook that is on its way."""

    guid: str
    event: str
    body: bytes
