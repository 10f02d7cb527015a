"""What the App must be granted and told: the one place that the manifest, the hub's tests and the doctor go by."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Access(StrEnum):
    """How much of a permission, weakest first; the values are GitHub's."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, needed: "Access") -> bool:
        order = list(Access)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Needed:
    """A repository permission by GitHub's name for it, and the sentence why."""

    name: str
    access: Access
    why: str

    @property
    def title(self) -> str:
        """Return the permission's name on GitHub's pages."""
        return "Commit statuses" if self.name == "statuses" else self.name.replace("_", " ").capitalize()

    @property
    def words(self) -> str:
        """Return the access as GitHub's pages have it."""
        return "read and write" if self.access is Access.WRITE else self.access.value


NEEDED = (
    Needed("actions", Access.READ, "Reads the log of a failed CI job, so that an agent can mend what failed."),
    Needed("checks", Access.READ, "Sees which checks passed or failed on a commit."),
    Needed("contents", Access.WRITE, "Fetches the repository, pushes an agent's commits, makes and deletes branches."),
    Needed("issues", Access.WRITE, "Sets labels, writes the comment that says where a task stands, closes the issue."),
    Needed("merge_queues", Access.READ, "Sees whether a pull request waits in the merge queue."),
    Needed("metadata", Access.READ, "GitHub adds it to every App; who may write is asked through it."),
    Needed("pull_requests", Access.WRITE, "Opens pull requests, answers reviews, and sees what becomes of them."),
    Needed("statuses", Access.READ, "Sees the commit statuses that some CI systems use in place of checks."),
)
"""Not `workflows`: GitHub then refuses commits that change `.github/workflows`. Not `administration`, nor `secrets`."""

EVENTS = (
    "check_run",
    "check_suite",
    "issue_comment",
    "issue_dependencies",
    "issues",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "push",
    "repository",
    "status",
    "sub_issues",
    "workflow_run",
)
"""Events to subscribe to; those about installations come to every App."""


def permission_table() -> str:
    """Return what is needed as a table in markdown."""
    rows = [f"| {one.title} | {one.words} | {one.why} |" for one in NEEDED]
    return "\n".join(["| permission | access | why |", "| --- | --- | --- |", *rows])


def lacking(granted: Mapping[str, str], wanted: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """List what is wanted (None: what Orch needs) and not granted, as in `contents: write`; sorted by name."""
    needed = {one.name: one.access.value for one in NEEDED} if wanted is None else wanted
    missing = ((name, access) for name, access in needed.items() if not _covers(granted.get(name), access))
    return tuple(f"{name}: {access}" for name, access in sorted(missing))


def _covers(granted: str | None, needed: str) -> bool:
    return granted is not None and Access(granted).covers(Access(needed))
