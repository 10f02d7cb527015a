"""What GitHub says, as values: the little of it that Orch asks for."""

from datetime import datetime
from enum import StrEnum

from app.domain.base import Value


class Permission(StrEnum):
    """The `permission` of `GET .../collaborators/{user}/permission`: maintain counts as write, triage as read."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    @property
    def can_write(self) -> bool:
        return self in (Permission.WRITE, Permission.ADMIN)


class CutOff(StrEnum):
    """Why Orch cannot write where a task is. What is gone does not come back, the rest may."""

    ARCHIVED = "archived"
    SUSPENDED = "suspended"
    REMOVED = "removed"
    GONE = "gone"


class Actor(Value):
    """Who caused an event: `sender` in a webhook."""

    id: int
    login: str
    is_bot: bool


class Identity(Value):
    """Who the App is: its slug and its bot user. The bot's user id is not the App's id."""

    app_id: int
    slug: str
    bot_id: int
    bot_login: str

    @property
    def email(self) -> str:
        """Return the address that links commits to the bot."""
        return f"{self.bot_id}+{self.bot_login}@users.noreply.github.com"


class Issue(Value):
    """An issue as it is now; `state_reason` says how it was closed, or that it was reopened."""

    number: int
    title: str
    body: str
    is_open: bool
    state_reason: str | None = None
    labels: frozenset[str]
    comments: int
    updated_at: datetime


class Comment(Value):
    """A comment on an issue or pull request."""

    id: int
    author_id: int
    body: str


class LabelGiven(Value):
    """The issue event that put a label on."""

    actor: Actor
    created_at: datetime


class Pull(Value):
    """A pull request as it is now."""

    number: int
    head_sha: str
    is_open: bool
    merged: bool


class Delivery(Value):
    """An entry of the App's delivery log. `guid` is the `X-GitHub-Delivery` of every attempt."""

    id: int
    guid: str
    delivered_at: datetime
