"""What things are called: repositories, tasks, groups, branches."""

import re
from collections.abc import Iterable
from hashlib import sha256

from app.domain.base import Value
from app.domain.groups import group_of

SLUG_LENGTH = 40


class Repository(Value):
    """A repository by id, with the names it had when last seen (names change, ids do not)."""

    id: int
    installation_id: int
    owner: str
    name: str
    default_branch: str = "main"

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def partition(self) -> str:
        """Name the store partition that holds everything about this repository's tasks."""
        return f"repository:{self.id}"


class TaskRef(Value):
    """The identity of a task, with what is needed to speak to GitHub about it."""

    repository: Repository
    number: int

    @property
    def group(self) -> str:
        return group_of(self.repository.id, self.number)

    def __str__(self) -> str:
        return f"{self.repository.full_name}#{self.number}"


ADMISSION = "admission/board"
CONFIG = "config"
LEDGER = "ledger"


def config_group(repository_id: int) -> str:
    """Name the events group that knows a repository's `.orch.yml`."""
    return f"repository:{repository_id}/{CONFIG}"


def ledger_group(installation_id: int) -> str:
    """Name the events group that knows what an installation spent."""
    return f"installation:{installation_id}/{LEDGER}"


def split_group(group: str) -> tuple[str, str]:
    """Return (store partition, item) of a group name."""
    partition, _, item = group.rpartition("/")
    return partition, item


def branch_of(number: int, title: str, prefix: str = "orch") -> str:
    """Name the task's branch: `orch/<number>-<slug>`, ASCII only, valid for `git check-ref-format`."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower())[:SLUG_LENGTH].strip("-")
    return f"{prefix}/{number}-{slug}" if slug else f"{prefix}/{number}"


def number_of_branch(branch: str, prefix: str = "orch") -> int | None:
    """Return the issue number in a branch that `branch_of` made, or None for any other branch."""
    found = re.fullmatch(rf"{re.escape(prefix)}/([1-9][0-9]{{0,17}})(-[a-z0-9]+)*", branch)
    return int(found[1]) if found else None


def number_of_task(branch: str, prefixes: Iterable[str]) -> int | None:
    """Return the issue number in a branch with any of the prefixes, or None."""
    numbers = (number_of_branch(branch, prefix) for prefix in prefixes)
    return next((number for number in numbers if number is not None), None)


def run_ref(run_id: str) -> str:
    """Name the ref a run pushes to; it is outside `refs/heads`, so it starts no CI and moves no branch."""
    return f"refs/orch/runs/{run_id}"


def digest_of(title: str, body: str) -> str:
    """Hash the admitted text (SHA-256, hexadecimal)."""
    return sha256(f"{title}\n\n{body}".encode()).hexdigest()
