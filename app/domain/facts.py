"""What GitHub says, as values: the little of it that Orch asks for."""

from datetime import datetime
from enum import StrEnum

from app.domain.base import Value
from app.domain.names import Repository


class Permission(StrEnum):
    """The `permission` of `GET .../collaborators/{user}/permission`: maintain counts as write, triage as read."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    @property
    def can_write(self) -> bool:
        return self in (Permission.WRITE, Permission.ADMIN)


class Standing(Value):
    """What somebody may do in a repository; `role` is GitHub's `role_name`: exact (`maintain`), or a custom role's."""

    permission: Permission = Permission.NONE
    role: str = "none"


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
    """An issue as it is now; `state_reason` says how it was closed, or that it was reopened.

    `blocked_by` is how many issues block it, closed ones too; None if GitHub does not tell.
    """

    number: int
    title: str
    body: str
    is_open: bool
    state_reason: str | None = None
    labels: frozenset[str]
    comments: int
    updated_at: datetime
    blocked_by: int | None = None


class LinkedIssue(Value):
    """An issue at the other end of a link; `id` is its database id, which sub-issues and dependencies are made with.

    Where GitHub does not tell, the repository's installation is that of the one who asked.
    """

    id: int
    number: int
    repository: Repository
    title: str
    is_open: bool
    state_reason: str | None = None


class SubIssue(LinkedIssue):
    """A sub-issue, with what blocks it (at most 50); `body` is empty unless it was asked for."""

    blocked_by: tuple[LinkedIssue, ...] = ()
    author_id: int = 0
    body: str = ""


class Comment(Value):
    """A comment on an issue or pull request; `edited_at` is when it was last written, which may be at its creation."""

    id: int
    author: Actor
    body: str
    created_at: datetime
    edited_at: datetime


class FoundComment(Value):
    """A comment found in a list of a whole repository; `seen` says that somebody, maybe Orch, put eyes under it."""

    number: int
    on_pull: bool
    seen: bool
    comment: Comment


class LabelGiven(Value):
    """The issue event that put a label on."""

    actor: Actor
    created_at: datetime


class Pull(Value):
    """A pull request as it is now. `head_repository_id` is None if its head's repository is gone.

    `mergeable` is None while GitHub has not worked it out, and in lists; `conflicts` says that it would not merge.
    """

    number: int
    head_sha: str
    is_open: bool
    merged: bool
    head_branch: str = ""
    head_repository_id: int | None = None
    base_branch: str = ""
    is_draft: bool = False
    mergeable: bool | None = None
    conflicts: bool = False
    labels: frozenset[str] = frozenset()


class ReviewState(StrEnum):
    """What a review says; the values are GitHub's, in lower case."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    COMMENTED = "commented"
    DISMISSED = "dismissed"
    PENDING = "pending"


class Review(Value):
    """A review of a pull request, on the commit that was its head."""

    id: int
    author: Actor
    state: ReviewState
    body: str
    commit: str
    submitted_at: datetime


class ThreadComment(Value):
    """One comment of a review thread."""

    id: int
    author: Actor
    body: str
    created_at: datetime


class Thread(Value):
    """A review thread: `id` is its node id, `line` None where it is about the file, or about a line that is gone."""

    id: str
    path: str
    line: int | None
    hunk: str
    is_resolved: bool
    is_outdated: bool
    comments: tuple[ThreadComment, ...]


class CheckState(StrEnum):
    """How a check or commit status stands; neutral and skipped ones have passed."""

    WAITING = "waiting"
    PASSED = "passed"
    FAILED = "failed"


class Check(Value):
    """The latest run of a check on a commit, or a commit status (`job` None).

    `job` is the id of the job of GitHub Actions, whose log can be read; `summary` is what the check itself said.
    """

    name: str
    state: CheckState
    url: str = ""
    summary: str = ""
    job: int | None = None


class MergeView(Value):
    """What stands between a pull request and its merge, as GitHub sees it now.

    `decision` is GitHub's `reviewDecision` in lower case (None: no review is asked for), `state` its `mergeStateStatus`
    in lower case, `queued` whether it is in the merge queue, `has_queue` whether its base branch has one. `methods` are
    those that the repository allows, of `squash`, `merge` and `rebase`.
    """

    node_id: str
    head_sha: str
    is_draft: bool
    decision: str | None
    state: str
    has_queue: bool
    queued: bool
    methods: tuple[str, ...]


class CommitData(Value):
    """A commit: the SHA of its tree, those of its parents, and its message."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str


class BranchRules(Value):
    """What rulesets and branch protection ask of a branch, as far as Orch must know it."""

    signatures: bool = False


class Delivery(Value):
    """An entry of the App's delivery log. `guid` is the `X-GitHub-Delivery` of every attempt, `event` its name."""

    id: int
    guid: str
    delivered_at: datetime
    event: str = ""
