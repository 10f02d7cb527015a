"""What a handler declares that it needs, and what was read for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from typing import Any

from app.domain.admission import Board
from app.domain.config import RepoFile, Resolved
from app.domain.config_check import FoundFile
from app.domain.effects import Decision
from app.domain.facts import (
    Check,
    Comment,
    Identity,
    Issue,
    LabelGiven,
    LinkedIssue,
    MergeView,
    Pull,
    Review,
    Standing,
    SubIssue,
    Thread,
)
from app.domain.ledger import Ledger
from app.domain.policy import Policy
from app.domain.pool import Pool
from app.domain.record import TaskRecord

NO_POOL = Pool()


class Need(Enum):
    """Something to read before a decision."""

    RECORD = auto()
    ISSUE = auto()
    STANDING = auto()
    PULL = auto()
    BOARD = auto()
    CONFIG = auto()
    FILE = auto()
    HEAD = auto()
    TASKS = auto()
    DECISIONS = auto()
    THREADS = auto()
    CHECKS = auto()
    MERGE = auto()
    COMMENTS = auto()
    REVIEWS = auto()
    LEDGER = auto()
    GIVEN = auto()
    BLOCKERS = auto()
    BLOCKING = auto()
    CHILDREN = auto()
    EXPERIENCE = auto()
    POOL = auto()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read: a field is None if it was not asked for or is not there.

    `standing` is that of the event's actor, `pull` the event's or the record's pull request, `head` where the branch
    is that Orch made for the record, `tasks` what the store knows of the repository's unfinished tasks. With `config`,
    `policy` is the operator's as the repository tightened it. `file` is what is known of `.orch.yml`, `found` what it
    says now.
    `decisions` are those on the task that are remembered, `threads` the review threads of the pull request, `checks`
    those of the record's head, `merge` what stands before a merge,
    `comments` those on the issue, `pull_comments` and `reviews` those of the pull request. `given` is who put the
    trigger on a task that it may take up again, and when. `blockers` are the issues that block the event's, `blocking`
    those that it blocks, `children` its sub-issues. `pool` is what is known of the agents.
    """

    now: datetime
    identity: Identity
    policy: Policy
    record: TaskRecord | None = None
    issue: Issue | None = None
    standing: Standing | None = None
    pull: Pull | None = None
    board: Board | None = None
    config: Resolved | None = None
    file: RepoFile | None = None
    found: FoundFile | None = None
    head: str | None = None
    tasks: tuple[TaskRecord, ...] = ()
    decisions: tuple[tuple[datetime, str], ...] = ()
    threads: tuple[Thread, ...] = ()
    checks: tuple[Check, ...] | None = None
    merge: MergeView | None = None
    comments: tuple[Comment, ...] = ()
    pull_comments: tuple[Comment, ...] = ()
    reviews: tuple[Review, ...] = ()
    ledger: Ledger | None = None
    given: LabelGiven | None = None
    blockers: tuple[LinkedIssue, ...] | None = None
    blocking: tuple[LinkedIssue, ...] = ()
    children: tuple[SubIssue, ...] | None = None
    pool: Pool = NO_POOL

    def with_record(self, record: TaskRecord) -> "Snapshot":
        """Return the same with another record."""
        return replace(self, record=record)

    @property
    def branch_prefixes(self) -> tuple[str, ...]:
        """List the prefixes by which a branch may be known as Orch's."""
        return self.config.prefixes if self.config else (self.policy.branch_prefix,)

    @property
    def parallel(self) -> int | None:
        """Return the repository's own limit on runs at once, None if it set none."""
        return self.config.parallel if self.config else None

    @property
    def remarks(self) -> tuple[str, ...]:
        """List what people should know of the repository's configuration."""
        return self.config.remarks if self.config else ()


def _never(event: Any, snapshot: Snapshot) -> str | None:
    return None


def _not_settled(event: Any, record: TaskRecord) -> bool:
    return False


def _nothing_spared(event: Any, record: TaskRecord | None) -> frozenset[Need]:
    return frozenset()


def _always_looked_for(event: Any, snapshot: Snapshot) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Handler:
    """One kind of event, what its decision needs, and the pure function that decides.

    `skip` sees a snapshot for which nothing was read but the configuration, if that is needed, and returns why the
    event means nothing, or None. `settled` says that the record alone decides, so that nothing else is read;
    `only_known` that the event means nothing where the store has no record, so that none is looked for on GitHub;
    `spares` names the needs that this event can do without.
    """

    event: type[Any]
    needs: frozenset[Need]
    decide: Callable[[Any, Snapshot], Decision]
    skip: Callable[[Any, Snapshot], str | None] = _never
    settled: Callable[[Any, TaskRecord], bool] = _not_settled
    only_known: Callable[[Any, Snapshot], bool] = _always_looked_for
    spares: Callable[[Any, TaskRecord | None], frozenset[Need]] = _nothing_spared
