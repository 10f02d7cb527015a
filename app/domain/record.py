"""What Orch knows of a task beyond the issue itself."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from app.domain.approvals import Answer, Question
from app.domain.base import Value
from app.domain.facts import CutOff
from app.domain.names import TaskRef
from app.domain.outcomes import Outcome, Usage
from app.domain.task import Status, Trigger, follow


class Unfinished(Value):
    """Work that a run could not finish, as it pushed it to its run ref."""

    run_id: str
    sha: str


class RunSummary(Value):
    """One run, as it ended; `session` is what its agent can go on with."""

    run_id: str
    attempt: int
    agent: str = ""
    model: str | None = None
    session: str | None = None
    outcome: Outcome
    reason: str
    head_sha: str | None
    usage: Usage
    started_at: datetime
    ended_at: datetime


class Folded(Value):
    """What is left of runs whose summaries were dropped: how many there were, and their cost (None: unknown)."""

    runs: int = 0
    cost: Decimal | None = Decimal(0)


class TaskRecord(Value):
    """The state of one task; its JSON is what the living comment's marker carries.

    `why` is one sentence for people. `notice` is a further one, shown until the status changes; `remarks` are those
    on the repository's configuration, as of the last attempt's beginning. `admitted` is the SHA-256 of the text as of
    when `label`, the trigger, was put on; `edited` says that the issue has another now. `shown` are the statuses whose
    labels are on the issue, as far as known; `put_back` is when people's or bots' changes of them were undone.
    `pull_closed` says that the pull request was closed unmerged, `merged_before` are those merged before the issue was
    reopened. `first_attempt` is the first at the admitted text. `unfinished` is what the next run goes on from, and is
    delivered once the branch is there. `stopping` is a run that was told to stop and has not ended. While `cut_off` is
    set nothing is written. `asked` is the call that the task waits with for a person, until its status changes;
    `answers` are those to earlier ones for the admitted text, `answered` is the last comment that gave one.
    """

    task: TaskRef
    title: str
    status: Status
    why: str
    notice: str = ""
    remarks: tuple[str, ...] = ()
    attempt: int = 1
    first_attempt: int = 1
    agent: str
    model: str | None = None
    requested_by: str
    requested_by_id: int
    admitted: str
    label: str = ""
    branch: str
    head_sha: str | None = None
    unfinished: Unfinished | None = None
    pull: int | None = None
    run_id: str | None = None
    job_id: str | None = None
    comment_id: int | None = None
    shown: tuple[Status, ...] = ()
    folded: Folded = Folded()
    runs: tuple[RunSummary, ...] = ()
    edited: bool = False
    put_back: tuple[datetime, ...] = ()
    pull_closed: bool = False
    merged_before: tuple[int, ...] = ()
    stopping: str | None = None
    cut_off: CutOff | None = None
    asked: Question | None = None
    answers: tuple[Answer, ...] = ()
    answered: int = 0
    created_at: datetime

    @property
    def group(self) -> str:
        return self.task.group

    @property
    def cost(self) -> Decimal | None:
        """Sum the cost of all runs in US dollars; None (unknown) as soon as one run's cost is unknown."""
        if not self.folded.runs and not self.runs:
            return None
        return _total([self.folded.cost, *(run.usage.cost for run in self.runs)])

    def fold(self, count: int) -> "TaskRecord":
        """Return the record without the summaries of its `count` oldest runs; their cost stays."""
        gone = self.runs[:count]
        cost = _total([self.folded.cost, *(run.usage.cost for run in gone)])
        return self.change(folded=Folded(runs=self.folded.runs + len(gone), cost=cost), runs=self.runs[count:])

    def advance(self, trigger: Trigger, why: str, **changes: object) -> "TaskRecord":
        """Return the record after the trigger; raises IllegalTransition. The only thing that moves a status."""
        status = follow(self.status, trigger)
        return self.change(**{"notice": "", "asked": None, "why": why, **changes}).model_copy(update={"status": status})

    def change(self, **changes: object) -> "TaskRecord":
        """Return the record with other fields changed; the status is not among them."""
        if "status" in changes:
            raise ValueError("only advance() moves a status")
        if unknown := changes.keys() - TaskRecord.model_fields.keys():
            raise ValueError(f"a record has no {', '.join(sorted(unknown))}")
        return self.model_copy(update=changes)


def _total(costs: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total
