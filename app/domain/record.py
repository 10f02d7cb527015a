"""What Orch knows of a task beyond the issue itself."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from app.domain.advice import Advice
from app.domain.approvals import Answer, Question
from app.domain.base import Value
from app.domain.choice import Choice
from app.domain.complexity import Complexity
from app.domain.facts import CutOff
from app.domain.graph import Blocker, Graph
from app.domain.instructions import Instruction
from app.domain.jobs import Priority, Purpose
from app.domain.names import TaskRef
from app.domain.outcomes import Outcome, Usage
from app.domain.proposal import Proposal
from app.domain.task import Status, Trigger, follow

MOST_HEARD = 50
"""Comments with commands, and reviews, that are remembered one by one."""
MOST_KEYS = 20
"""Commands and mistakes of one comment that are remembered, however often it is edited."""


class Unfinished(Value):
    """Work that a run could not finish, as it pushed it to its run ref."""

    run_id: str
    sha: str


class RunSummary(Value):
    """One run, as it ended; `session` is what its agent can go on with."""

    run_id: str
    attempt: int
    purpose: Purpose = Purpose.WORK
    agent: str = ""
    model: str | None = None
    session: str | None = None
    outcome: Outcome
    reason: str
    head_sha: str | None
    usage: Usage
    started_at: datetime
    ended_at: datetime


class Heard(Value):
    """What was followed of one comment: the keys of its commands."""

    comment_id: int
    keys: tuple[str, ...]


class MergeWish(Value):
    """Somebody who may wants the pull request merged as soon as it can be; `waits` says what for, in a sentence."""

    by: str
    waits: str = ""


class Folded(Value):
    """What is left of runs whose summaries were dropped: how many there were, and their cost (None: unknown)."""

    runs: int = 0
    cost: Decimal | None = Decimal(0)


class TaskRecord(Value):
    """The state of one task; its JSON is what the living comment's marker carries.

    `since` is when its status began. `why` is one sentence for people. `notice` is a further one, shown until the
    status changes; `remarks` are those on
    the repository's configuration, as of the last attempt's beginning. `admitted` is the SHA-256 of the text as of
    when `label`, the trigger, was put on; `edited` says that the issue has another now. `shown` are the statuses whose
    labels are on the issue, as far as known; `put_back` is when people's or bots' changes of them were undone.
    `pull_closed` says that the pull request was closed unmerged, `left_open` that the task ended while its issue
    stayed open, `merged_before` are those merged before the issue was reopened. `first_attempt` is the first at the
    admitted text. `unfinished` is what the next run goes on from, and is delivered once the branch is there.
    `stopping` is a run that was told to stop and has not ended; with `stop_keeps` what it pushes is gone on from.
    While `cut_off` is set nothing is written. `asked` is the call that the task waits with for a person, until its
    status changes; `answers` are those to earlier ones for the admitted text. `purpose` is what the current or next
    run is for, `tries` counts the attempts at that, `rounds` the runs since a person last set the task going.
    `instructions` are what people said to the agent, `heard` what was followed of their comments (of those up to
    `heard_up_to`: all), `choice` what a command chose, `reviewer` for a review by an agent. `own_head` says that Orch
    made the branch's head, `checked` is the head whose failed checks were acted on, `merge` the wish to have the pull
    request merged. `allowance` is what a person allowed to be spent beyond the caps, in US dollars; `spent_share` how
    much of its cap the current run has spent, in percent. `question` says that nothing but a mention asked for the
    task, so that an answer may be all that is wanted; `commented` that there may be comments for the next run to be
    told of. `reviews` are those that were met (of those up to `met_up_to`: all).

    `parent` is the task whose plan it is part of, `blockers` what must be closed first, `dependents` are tasks that
    said that they wait for this one. `locks` are the paths that it is expected to touch, `strayed` those that it
    touched besides as far as people are told of them, `lock_holder` the issue whose task holds one of them now. `plan`
    is what is proposed to be made of it, `graph` its children. `held` says that only a person starts it, `halted` that
    it was paused because its parent was, `goes_on` that it goes on with it once its run has ended, `hands_off` that it
    is merged as soon as that can be.

    `chosen` says by what the agent was chosen, and with `named` that was a label or a command, so that no other agent
    takes its place. `advice` is what a model said of the task when it was new, `asked_priority` what its own text asks
    for.
    """

    task: TaskRef
    title: str
    status: Status
    since: datetime | None = None
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
    left_open: bool = False
    merged_before: tuple[int, ...] = ()
    stopping: str | None = None
    cut_off: CutOff | None = None
    asked: Question | None = None
    answers: tuple[Answer, ...] = ()
    purpose: Purpose = Purpose.WORK
    tries: int = 1
    rounds: int = 0
    instructions: tuple[Instruction, ...] = ()
    heard: tuple[Heard, ...] = ()
    heard_up_to: int = 0
    choice: Choice = Choice()
    own_head: bool = True
    checked: str | None = None
    merge: MergeWish | None = None
    allowance: Decimal | None = None
    spent_share: int | None = None
    stop_keeps: bool = False
    question: bool = False
    commented: bool = True
    reviews: tuple[int, ...] = ()
    reviewer: Choice = Choice()
    met_up_to: int = 0
    parent: TaskRef | None = None
    blockers: tuple[Blocker, ...] = ()
    dependents: tuple[TaskRef, ...] = ()
    locks: tuple[str, ...] = ()
    strayed: tuple[str, ...] = ()
    lock_holder: int | None = None
    plan: Proposal | None = None
    graph: Graph | None = None
    held: bool = False
    halted: bool = False
    goes_on: bool = False
    hands_off: bool = False
    complexity: Complexity | None = None
    role: str | None = None
    priority: Priority = "normal"
    asked_priority: Priority | None = None
    chosen: str = ""
    named: bool = False
    advice: Advice | None = None
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

    @property
    def own_heads(self) -> frozenset[str]:
        """Return the commits that Orch put at the head of the branch, as far as they are remembered."""
        mine = {self.head_sha} if self.own_head else set()
        return frozenset(sha for sha in {*mine, *(run.head_sha for run in self.runs)} if sha)

    def has_heard(self, comment_id: int) -> frozenset[str]:
        """Return the keys of what was followed of a comment."""
        return frozenset(key for one in self.heard if one.comment_id == comment_id for key in one.keys)

    def is_over(self, comment_id: int) -> bool:
        """Say whether nothing more is followed of a comment: it is too old, or was edited too often."""
        return comment_id <= self.heard_up_to or len(self.has_heard(comment_id)) >= MOST_KEYS

    def meet(self, review_id: int) -> "TaskRecord":
        """Remember that a review was met; the oldest ones are forgotten, and never met again."""
        met = sorted({*self.reviews, review_id})
        up_to = max([self.met_up_to, *met[:-MOST_HEARD]])
        return self.change(reviews=tuple(met[-MOST_HEARD:]), met_up_to=up_to)

    def has_met(self, review_id: int) -> bool:
        """Say whether a review was met."""
        return review_id in self.reviews or review_id <= self.met_up_to

    def hear(self, comment_id: int, keys: Iterable[str]) -> "TaskRecord":
        """Remember what was followed of a comment; the oldest ones are forgotten, and never followed again."""
        known = self.has_heard(comment_id)
        others = [one for one in self.heard if one.comment_id != comment_id]
        all_keys = tuple(sorted({*known, *keys})[:MOST_KEYS])
        heard = sorted([*others, Heard(comment_id=comment_id, keys=all_keys)], key=lambda one: one.comment_id)
        forgotten = heard[:-MOST_HEARD]
        up_to = max([self.heard_up_to, *(one.comment_id for one in forgotten)])
        return self.change(heard=tuple(heard[-MOST_HEARD:]), heard_up_to=up_to)

    def forget(self) -> "TaskRecord":
        """Remember half as much of what was followed, which is never followed again, and of what agents were told."""
        kept = self.heard[len(self.heard) - len(self.heard) // 2 :]
        up_to = max([self.heard_up_to, *(one.comment_id for one in self.heard if one not in kept)])
        told = [one for one in self.instructions if one.run_id]
        gone = told[: -(len(told) // 2) or None]
        instructions = tuple(one for one in self.instructions if one not in gone)
        return self.change(heard=kept, heard_up_to=up_to, instructions=instructions)

    def fold(self, count: int) -> "TaskRecord":
        """Return the record without the summaries of its `count` oldest runs; their cost stays."""
        gone = self.runs[:count]
        cost = _total([self.folded.cost, *(run.usage.cost for run in gone)])
        return self.change(folded=Folded(runs=self.folded.runs + len(gone), cost=cost), runs=self.runs[count:])

    def dated(self, before: "TaskRecord | None", now: datetime) -> "TaskRecord":
        """Note that the status began now, if it is another than before."""
        return self if before and before.status is self.status else self.change(since=now)

    def advance(self, trigger: Trigger, why: str, **changes: object) -> "TaskRecord":
        """Return the record after the trigger; raises IllegalTransition. The only thing that moves a status."""
        status = follow(self.status, trigger)
        fresh = {"notice": "", "asked": None, "spent_share": None, "left_open": False, "lock_holder": None}
        return self.change(**{**fresh, "goes_on": False, "why": why, **changes}).model_copy(update={"status": status})

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
