"""The ports: what the core asks of the world. Every adapter of one passes the same contract suite."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from app.domain.advice import Advice, RouteQuestion
from app.domain.effects import ThreadAnswer
from app.domain.envelope import DeadLetter, Envelope
from app.domain.facts import (
    BranchRules,
    Check,
    Comment,
    CommitData,
    Delivery,
    FoundComment,
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
from app.domain.grants import Grant, Order, Progress, Refused, RunToken, TokenKind
from app.domain.jobs import DeadJob, Job
from app.domain.labels import Label
from app.domain.manifest import NewApp
from app.domain.names import Repository
from app.domain.notices import Notice
from app.domain.outcomes import RunResult

Item_co = TypeVar("Item_co", covariant=True)


class Lease(Protocol, Generic[Item_co]):
    """One received message, held until it is acknowledged, given back, or its time is up.

    Each method raises LeaseLost when the lease has ended meanwhile; nothing is changed then.
    """

    @property
    def item(self) -> Item_co: ...

    @property
    def failures(self) -> int:
        """Count the times that `fail` was called for this message; a release or a lost lease is no failure."""
        ...

    @property
    def receives(self) -> int:
        """Count the times the message was received, this one included."""
        ...

    async def extend(self, seconds: float) -> None:
        """Hold the message for `seconds` from now."""
        ...

    async def ack(self) -> None:
        """Remove the message for good."""
        ...

    async def release(self, delay: float = 0) -> None:
        """Give the message back, to be received again after `delay` seconds; its group waits with it."""
        ...

    async def fail(self, reason: str, delay: float = 0) -> bool:
        """Count a failure and release; dead-letter it at the queue's limit. True if it was dead-lettered."""
        ...

    async def bury(self, reason: str) -> None:
        """Dead-letter the message at once; its group goes on."""
        ...


class LeaseLost(Exception):
    """The lease ended before the call: somebody else may hold the message now."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many messages wait to be received, are in flight, and may only be received later.

    `oldest` is for how many seconds one has waited, at most; None if none does, or that cannot be told.
    """

    waiting: int
    in_flight: int
    later: int
    oldest: float | None = field(default=None, compare=False)


class EventQueue(Protocol):
    """At-least-once, FIFO per group, one message of a group in flight at a time."""

    async def send(self, envelope: Envelope) -> bool:
        """Enqueue durably before returning; False if an envelope of that id and group was taken before.

        "Before" is: waiting, in flight, or accepted less than five minutes ago (as SQS FIFO has it). A
        dead-lettered one does not count, so that GitHub's redelivery of it is taken.

        An adapter that cannot tell says True. It may take an envelope twice that waits for longer than five minutes,
        and not take a dead-lettered one before they are over.
        """
        ...

    async def receive(self, wait: float) -> Lease[Envelope] | None:
        """Lease the oldest available envelope of a group with none in flight, waiting up to `wait` seconds."""
        ...

    async def dead_letters(self) -> Sequence[DeadLetter]: ...

    async def redrive(self, envelope_id: str) -> bool:
        """Put a dead letter back at the end of its group with no failures; False if there is none of that id.

        One that was sent again meanwhile is not doubled, where the adapter can tell.
        """
        ...

    async def depth(self) -> int:
        """Count envelopes that wait or are in flight."""
        ...

    async def backlog(self) -> Backlog:
        """Count envelopes by what they wait for, as well as the adapter can tell.

        One behind an envelope in flight waits; one behind an envelope that is due later is due later.
        """
        ...

    def stop(self) -> None:
        """End the waiting of every `receive`, from now on and within a few seconds.

        What one is just taking it still returns, or releases.
        """
        ...


class JobQueue(Protocol):
    """At-least-once, no order. A job is present once: sending an id that waits or is in flight changes nothing."""

    async def send(self, job: Job) -> bool: ...

    async def receive(self, wait: float) -> Lease[Job] | None: ...

    async def dead_letters(self) -> Sequence[DeadJob]: ...

    async def redrive(self, job_id: str) -> bool:
        """Put a dead job back with no failures; False if there is none of that id."""
        ...

    async def depth(self) -> int: ...

    async def backlog(self) -> Backlog: ...

    def stop(self) -> None:
        """End the waiting of every `receive`, as that of the events queue."""
        ...


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object in the store. `version` is 1 at its first write and grows by 1 with each."""

    key: str
    version: int
    body: Mapping[str, Any]


class Conflict(Exception):
    """An expected version did not match; nothing was written."""


class Store(Protocol):
    """Documents by (partition, key)."""

    async def get(self, partition: str, key: str) -> Document | None: ...

    async def query(self, partition: str, prefix: str = "") -> Sequence[Document]:
        """Return the partition's documents whose key starts with `prefix`, ordered by key."""
        ...

    async def find(self, partition: str, keys: Collection[str], prefix: str) -> Sequence[Document]:
        """Return the documents of these keys, and those whose key starts with `prefix`, ordered by key.

        It is one question instead of several; each document is as of a moment within it.
        """
        ...

    async def partitions(self, prefix: str = "") -> Sequence[str]:
        """List the partitions that hold documents and whose name starts with `prefix`, ordered.

        For people who ask, never for the path of a task: in DynamoDB this reads, and costs, the whole table.
        """
        ...

    async def commit(
        self,
        partition: str,
        puts: Mapping[str, Mapping[str, Any]] | None = None,
        deletes: Collection[str] = (),
        expected: Mapping[str, int] | None = None,
        expires: Mapping[str, datetime] | None = None,
    ) -> None:
        """Write all or nothing, at most 100 keys. `expected` maps keys to versions, 0 for "must not exist".

        A key in `expires` may vanish after that time, and is not returned from then on. Raises Conflict.
        """
        ...


class Artifacts(Protocol):
    """Blobs by key; keys are slash-separated names of `[A-Za-z0-9._-]`."""

    async def write(self, key: str, data: bytes) -> None: ...

    async def append(self, key: str, data: bytes) -> None: ...

    async def read(self, key: str) -> bytes | None: ...


class Runs(Protocol):
    """All that a runner may ask of the rest."""

    async def begin(self, job: Job, runner: str) -> Grant | Refused:
        """Make a new run the task's current one, if the job is still wanted and no other run of it is alive."""
        ...

    async def beat(self, run_id: str, job: Job, progress: Progress) -> Order:
        """Say that the run is alive and what it does; learn whether it must stop. Every 2-3 s."""
        ...

    async def token(self, run_id: str, job: Job, kind: TokenKind) -> RunToken:
        """Mint a token for one repository: contents read, or contents write just before a push.

        Raises Permanent when the run is no longer current.
        """
        ...

    async def revoke(self, run_id: str, job: Job, token: RunToken) -> None: ...

    async def give_back(self, run_id: str, job: Job, kept: str | None = None) -> None:
        """End a run that cannot go on for now: its job may be begun again at once, and no runner counts as lost.

        The next run goes on from the commit `kept`, which was pushed to this one's ref.
        """
        ...

    async def give_up(self, job: Job, reason: str) -> None:
        """Tell the task that its job was set aside: people learn why, and how to go on."""
        ...

    async def finish(self, run_id: str, job: Job, result: RunResult) -> bool:
        """Record how the run ended and tell the task; False (and no change) if the run is no longer current."""
        ...


class GitHub(Protocol):
    """The questions Orch asks GitHub and the changes it makes there.

    Every method raises Retryable (5xx, limits, connection), Permanent (403, 422) or Missing (404, 410).
    Creating methods never repeat a request by themselves.
    """

    async def identity(self) -> Identity: ...

    async def repositories(self) -> Sequence[Repository]:
        """List the repositories that can be written to, of every installation of the App that is not suspended."""
        ...

    async def repository(self, repository: Repository) -> Repository:
        """Read a repository as it is now: its name, owner and default branch may be others than when last seen."""
        ...

    async def standing(self, repository: Repository, login: str) -> Standing:
        """Say what somebody may do; nothing if that is nobody."""
        ...

    async def file(self, repository: Repository, path: str) -> bytes | None:
        """Read a file of the default branch, None if there is none. Asking again for the same file costs no quota."""
        ...

    async def issue(self, repository: Repository, number: int) -> Issue: ...

    async def issues_labeled(self, repository: Repository, label: str, state: str) -> Sequence[Issue]: ...

    async def sub_issues(self, repository: Repository, number: int, *, bodies: bool = False) -> Sequence[SubIssue]:
        """List an issue's sub-issues in their order, at most 100, with what blocks each; `bodies` asks for their text.

        Here and below, issues that the App may not see are left out.
        """
        ...

    async def blocked_by(self, repository: Repository, number: int) -> Sequence[LinkedIssue]:
        """List the issues that block an issue, closed ones too."""
        ...

    async def blocking(self, repository: Repository, number: int) -> Sequence[LinkedIssue]:
        """List the issues that an issue blocks, closed ones too."""
        ...

    async def create_sub_issue(self, repository: Repository, parent: int, title: str, body: str) -> LinkedIssue:
        """Open an issue as the last sub-issue of another; raises Permanent beyond 100 of them, or 8 levels."""
        ...

    async def add_blocked_by(self, repository: Repository, number: int, blocker_id: int) -> None:
        """Say that an issue is blocked by that of an id, which may be so already; raises Permanent beyond 50."""
        ...

    async def label_given(self, repository: Repository, number: int, label: str) -> LabelGiven | None:
        """Find who put a label on, the last time; None if nobody did."""
        ...

    async def text_changed(self, repository: Repository, number: int) -> datetime | None:
        """Tell when an issue's title or body was changed last; None if never."""
        ...

    async def comments(self, repository: Repository, number: int) -> Sequence[Comment]: ...

    async def comments_since(self, repository: Repository, since: datetime) -> Sequence[FoundComment]:
        """List all comments on issues and pull requests that were written, or edited, since then."""
        ...

    async def create_comment(self, repository: Repository, number: int, body: str) -> int: ...

    async def edit_comment(self, repository: Repository, comment_id: int, body: str) -> None: ...

    async def pin_comment(self, repository: Repository, comment_id: int) -> None: ...

    async def react(self, repository: Repository, comment_id: int, reaction: str) -> None:
        """React to a comment on an issue or pull request (`eyes`, `rocket`, `confused`); twice is once."""
        ...

    async def add_labels(self, repository: Repository, number: int, labels: Sequence[str]) -> None: ...

    async def remove_label(self, repository: Repository, number: int, label: str) -> None:
        """Take a label off; nothing happens if it is not on."""
        ...

    async def change_labels(
        self, repository: Repository, number: int, add: Sequence[str], remove: Sequence[str]
    ) -> None:
        """Put labels on first and then take others off."""
        ...

    async def create_missing_labels(self, repository: Repository, labels: Sequence[Label]) -> None: ...

    async def close_issue(self, repository: Repository, number: int) -> None:
        """Close as completed; nothing happens if it is closed."""
        ...

    async def branch_head(self, repository: Repository, branch: str) -> str | None: ...

    async def commit_author(self, repository: Repository, sha: str) -> int | None:
        """Find whose account made a commit, by its author's address; None if no account has that address."""
        ...

    async def create_branch(self, repository: Repository, branch: str, sha: str) -> bool:
        """Create the branch at `sha`; False if a branch of that name exists."""
        ...

    async def move_branch(self, repository: Repository, branch: str, sha: str) -> None:
        """Fast-forward the branch; raises Permanent if it would not be one."""
        ...

    async def delete_ref(self, repository: Repository, ref: str) -> None:
        """Delete `refs/...`; nothing happens if it is gone."""
        ...

    async def pull(self, repository: Repository, number: int) -> Pull: ...

    async def pulls_from(self, repository: Repository, branch: str) -> Sequence[Pull]:
        """List pull requests, open and closed, whose head is that branch of this repository; newest first."""
        ...

    async def create_pull(self, repository: Repository, branch: str, base: str, title: str, body: str) -> Pull: ...

    async def reviews(self, repository: Repository, number: int) -> Sequence[Review]:
        """List a pull request's reviews, oldest first, without those that are not submitted."""
        ...

    async def threads(self, repository: Repository, number: int) -> Sequence[Thread]:
        """List a pull request's review threads, oldest first; the last 100, with the first 50 comments of each."""
        ...

    async def answer_threads(self, repository: Repository, answers: Sequence[ThreadAnswer]) -> None:
        """Answer in review threads, and resolve those that are to be, a few at a time in one request."""
        ...

    async def create_review(self, repository: Repository, number: int, body: str) -> int:
        """Submit a review that neither approves nor asks for changes."""
        ...

    async def checks(self, repository: Repository, sha: str) -> Sequence[Check]:
        """List the latest run of each check on a commit, and its commit statuses."""
        ...

    async def job_log(self, repository: Repository, job: int, most: int) -> str:
        """Read the end of the log of a job of GitHub Actions, at most `most` characters; empty if it is gone."""
        ...

    async def merge_view(self, repository: Repository, number: int) -> MergeView: ...

    async def merge_pull(self, repository: Repository, number: int, sha: str, method: str) -> None:
        """Merge if `sha` is still the head; raises HeadMoved if it is not, NotMergeable if GitHub refuses."""
        ...

    async def enqueue_pull(self, repository: Repository, node_id: str, sha: str) -> None:
        """Put a pull request into its merge queue; raises HeadMoved or NotMergeable."""
        ...

    async def update_branch(self, repository: Repository, number: int, sha: str) -> bool:
        """Have GitHub merge the base branch into the head `sha`; False if they conflict. Raises HeadMoved."""
        ...

    async def commit(self, repository: Repository, sha: str) -> CommitData: ...

    async def sign_commit(self, repository: Repository, commit: CommitData) -> str:
        """Make the same commit anew as the App itself, so that GitHub signs it; returns its SHA."""
        ...

    async def rules(self, repository: Repository, branch: str) -> BranchRules: ...

    async def write_file(self, repository: Repository, branch: str, path: str, content: bytes, message: str) -> None:
        """Create a file on a branch, or make it say that."""
        ...

    async def mint(self, repository: Repository, permissions: Mapping[str, str]) -> RunToken: ...

    async def revoke(self, token: RunToken) -> None: ...

    async def failed_deliveries(self, since: datetime | None = None) -> Sequence[Delivery]:
        """List deliveries (newest first, 3 days kept) whose every attempt `since` then failed; one per GUID."""
        ...

    async def redeliver(self, delivery_id: int) -> None: ...


class SecretStore(Protocol):
    """Where the secrets of a new App are kept for those who serve it."""

    async def keep(self, app: NewApp) -> Sequence[str]:
        """Keep them durably, so that only Orch's own user can read them; return what is where, for people.

        Raises UserError if that cannot be done.
        """
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """What came of telling one address; `failed` says why it was not, and is None if it was."""

    rule: str
    failed: str | None


class Router(Protocol):
    """Asks a model how a new task is best done."""

    async def choose(self, question: RouteQuestion) -> Advice:
        """Choose out of what the question names, within a bounded time; a failure is in the answer, and not raised."""
        ...


class Notifier(Protocol):
    """Tells people outside GitHub."""

    async def send(self, notice: Notice) -> Sequence[Told]:
        """Tell all who want to know, within a bounded time; a failure is in the answer, and not raised."""
        ...


class Clock(Protocol):
    """Time, injected; called from any thread."""

    def now(self) -> datetime:
        """Return the time in UTC, aware."""
        ...

    async def sleep(self, seconds: float) -> None: ...
