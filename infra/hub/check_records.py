"""What the hub remembers of checks, and of what they and reviews guard."""

from dataclasses import dataclass, field
from typing import Any

from infra.hub.records import Row

ACTIONS = "github-actions"


@dataclass(frozen=True, slots=True)
class CheckSuite(Row):
    """The check runs of one App on a commit; for GitHub Actions also a run of a workflow, `run_id`.

    `commit` is the commit as webhooks show it. `app_id` is None for an App that this hub does not have.
    """

    repository_id: int
    head_sha: str
    head_branch: str | None
    app_slug: str
    created: float
    updated: float
    commit: dict[str, Any]
    app_id: int | None = None
    actor_id: int | None = None
    workflow: str = "CI"
    run_id: int = 0
    run_number: int = 0
    attempt: int = 1

    @property
    def parent(self) -> int:
        return self.repository_id

    @property
    def key(self) -> str:
        return self.head_sha


@dataclass(frozen=True, slots=True)
class CheckRun(Row):
    """One run of a check; for GitHub Actions also a job, under the same id. `log` is None where none is kept."""

    suite_id: int
    name: str
    created: float
    status: str = "queued"
    conclusion: str | None = None
    started: float | None = None
    completed: float | None = None
    details_url: str | None = None
    external_id: str = ""
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    log: str | None = None
    attempt: int = 1

    @property
    def parent(self) -> int:
        return self.suite_id

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class CommitStatus(Row):
    repository_id: int
    sha: str
    context: str
    state: str
    creator_id: int
    created: float
    target_url: str | None = None
    description: str | None = None

    @property
    def parent(self) -> int:
        return self.repository_id

    @property
    def key(self) -> str:
        return self.sha


@dataclass(frozen=True, slots=True)
class CiRule(Row):
    """CI that runs by itself: each pushed branch gets the check `name`, failed if its tree holds `fails_on`."""

    repository_id: int
    name: str = "ci"
    fails_on: str = "FAIL"

    @property
    def parent(self) -> int:
        return self.repository_id


@dataclass(frozen=True, slots=True)
class Protection(Row):
    """What is asked of the branches whose name matches `pattern`: by a ruleset, or by a branch protection (`classic`).

    In a pattern `*` stands for any text, with slashes.
    """

    repository_id: int
    pattern: str
    classic: bool
    approvals: int = 0
    contexts: list[str] = field(default_factory=list)
    strict: bool = False
    signatures: bool = False
    queue: bool = False

    @property
    def parent(self) -> int:
        return self.repository_id

    @property
    def key(self) -> str:
        return f"{'classic' if self.classic else 'ruleset'}/{self.pattern}"


@dataclass(frozen=True, slots=True)
class QueueEntry(Row):
    """A pull request in its base branch's merge queue; `group_sha` is what would become of the base, once made."""

    repository_id: int
    number: int
    head_sha: str
    actor_id: int
    created: float
    app_id: int | None = None
    base_sha: str | None = None
    group_ref: str | None = None
    group_sha: str | None = None

    @property
    def parent(self) -> int:
        return self.repository_id

    @property
    def key(self) -> str:
        return str(self.number)
