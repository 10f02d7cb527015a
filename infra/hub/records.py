"""What the hub remembers: one frozen dataclass per kind of row."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Record(Protocol):
    """A row: found by id, or by its key under its parent."""

    @property
    def id(self) -> int: ...
    @property
    def parent(self) -> int: ...
    @property
    def key(self) -> str: ...


class Role(StrEnum):
    """A person's role on a repository, weakest first."""

    NONE = "none"
    READ = "read"
    TRIAGE = "triage"
    WRITE = "write"
    MAINTAIN = "maintain"
    ADMIN = "admin"

    def allows(self, needed: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is found by its id alone."""

    id: int

    @property
    def parent(self) -> int:
        return 0

    @property
    def key(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class User(Row):
    login: str
    type: str = "User"

    @property
    def key(self) -> str:
        return self.login


@dataclass(frozen=True, slots=True)
class App(Row):
    slug: str
    owner_id: int
    bot_id: int
    created: float
    permissions: dict[str, str]
    events: list[str]
    hook_id: int
    hook_url: str | None = None
    hook_secret: str = ""
    hook_active: bool = True
    name: str = ""
    key_name: str = "app.pem"

    @property
    def key(self) -> str:
        return self.slug


@dataclass(frozen=True, slots=True)
class Installation(Row):
    app_id: int
    account_id: int
    created: float
    permissions: dict[str, str]
    repository_ids: list[int]
    suspended: float | None = None

    @property
    def parent(self) -> int:
        return self.app_id

    @property
    def key(self) -> str:
        return str(self.account_id)


@dataclass(frozen=True, slots=True)
class Token(Row):
    """A person's token, or an installation's with what it was narrowed to."""

    token: str
    user_id: int
    installation_id: int | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    repository_ids: list[int] = field(default_factory=list)
    expires: float | None = None

    @property
    def key(self) -> str:
        return self.token


@dataclass(frozen=True, slots=True)
class Repository(Row):
    owner_id: int
    owner: str
    name: str
    created: float
    private: bool = False
    description: str | None = None
    default_branch: str = "main"
    archived: bool = False
    delete_branch_on_merge: bool = False
    pushed: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def full_name(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True)
class FormerName(Row):
    """A name that a repository had; it leads to the repository until another takes it."""

    repository_id: int
    full_name: str

    @property
    def key(self) -> str:
        return self.full_name


@dataclass(frozen=True, slots=True)
class Collaborator(Row):
    repository_id: int
    user_id: int
    role: Role

    @property
    def parent(self) -> int:
        return self.repository_id

    @property
    def key(self) -> str:
        return str(self.user_id)


@dataclass(frozen=True, slots=True)
class Label(Row):
    repository_id: int
    name: str
    color: str = "ededed"
    description: str | None = None

    @property
    def parent(self) -> int:
        return self.repository_id

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Issue(Row):
    """An issue, or the issue half of a pull request."""

    repository_id: int
    number: int
    title: str
    author_id: int
    created: float
    updated: float
    body: str | None = None
    state: str = "open"
    state_reason: str | None = None
    label_ids: list[int] = field(default_factory=list)
    assignee_ids: list[int] = field(default_factory=list)
    closed: float | None = None
    closed_by_id: int | None = None
    pinned_comment_id: int | None = None
    app_id: int | None = None
    is_pull: bool = False
    body_edited: float | None = None

    @property
    def parent(self) -> int:
        return self.repository_id

    @property
    def key(self) -> str:
        return str(self.number)


@dataclass(frozen=True, slots=True)
class Departed(Row):
    """The number of an issue that was deleted, or transferred to where `target_id` says."""

    repository_id: int
    number: int
    target_id: int | None = None

    @property
    def parent(self) -> int:
        return self.repository_id

    @property
    def key(self) -> str:
        return str(self.number)


@dataclass(frozen=True, slots=True)
class Pull(Row):
    """The branch half of a pull request; its texts are in the issue of the same number."""

    repository_id: int
    issue_id: int
    number: int
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    draft: bool = False
    commits: int = 0
    additions: int = 0
    deletions: int = 0
    changed_files: int = 0
    mergeable: bool | None = None
    behind: bool = False
    unsigned: bool = False
    null_answers: int = 0
    merged: float | None = None
    merged_by_id: int | None = None
    merge_commit_sha: str | None = None

    @property
    def parent(self) -> int:
        return self.repository_id

    @property
    def key(self) -> str:
        return str(self.number)


@dataclass(frozen=True, slots=True)
class Comment(Row):
    repository_id: int
    issue_id: int
    author_id: int
    body: str
    created: float
    updated: float
    app_id: int | None = None
    pinned: float | None = None
    pinned_by_id: int | None = None

    @property
    def parent(self) -> int:
        return self.issue_id


@dataclass(frozen=True, slots=True)
class Review(Row):
    """A review of a pull request; `submitted` is None while only its author sees it."""

    repository_id: int
    issue_id: int
    author_id: int
    state: str
    body: str
    commit: str
    submitted: float | None = None
    app_id: int | None = None

    @property
    def parent(self) -> int:
        return self.issue_id


@dataclass(frozen=True, slots=True)
class ReviewThread(Row):
    """Where in a pull request people talk about a line, or about a file (`side` is then empty).

    `commit`, `start` (what it is compared with), `line` and `position` in the diff move with the head until the line
    is gone: `line` is None from then on. What is called original is as it was when the thread began.
    """

    repository_id: int
    issue_id: int
    path: str
    side: str
    line: int | None
    commit: str
    start: str
    original_line: int | None
    original_commit: str
    hunk: str
    position: int | None = None
    original_position: int | None = None
    resolved_by_id: int | None = None

    @property
    def parent(self) -> int:
        return self.issue_id

    @property
    def is_outdated(self) -> bool:
        return self.original_line is not None and self.line is None


@dataclass(frozen=True, slots=True)
class ReviewComment(Row):
    """A comment of a review, in a thread; all but a thread's first reply to that one."""

    repository_id: int
    issue_id: int
    review_id: int
    thread_id: int
    author_id: int
    body: str
    created: float
    updated: float
    in_reply_to_id: int | None = None
    app_id: int | None = None

    @property
    def parent(self) -> int:
        return self.issue_id


@dataclass(frozen=True, slots=True)
class Reaction(Row):
    """A reaction to an issue or a comment; both draw their ids from one counter."""

    subject_id: int
    user_id: int
    content: str
    created: float

    @property
    def parent(self) -> int:
        return self.subject_id

    @property
    def key(self) -> str:
        return f"{self.user_id}/{self.content}"


@dataclass(frozen=True, slots=True)
class IssueEvent(Row):
    issue_id: int
    actor_id: int
    event: str
    created: float
    app_id: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def parent(self) -> int:
        return self.issue_id


@dataclass(frozen=True, slots=True)
class Ref(Row):
    """A git ref as the hub last told the world about it."""

    repository_id: int
    name: str
    sha: str

    @property
    def parent(self) -> int:
        return self.repository_id

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class GitWrite(Row):
    """A change of refs under way, so that a restart can finish telling about it."""

    repository_id: int
    actor_id: int
    app_id: int | None = None
    pull_number: int | None = None
    base_before: str | None = None

    @property
    def parent(self) -> int:
        return self.repository_id


@dataclass(frozen=True, slots=True)
class Delivery(Row):
    """One attempt to deliver a webhook; `state` is pending until it was tried."""

    app_id: int
    guid: str
    event: str
    action: str | None
    installation_id: int | None
    repository_id: int | None
    payload: str
    created: float
    redelivery: bool = False
    state: str = "pending"
    status: str = ""
    status_code: int = 0
    duration: float = 0.0
    delivered: float = 0.0
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""

    @property
    def parent(self) -> int:
        return self.app_id

    @property
    def key(self) -> str:
        return self.state
