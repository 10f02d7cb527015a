"""One task through any order of events: what must hold after each."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from app.domain.absorb import ESSENTIAL, absorb, refuse
from app.domain.admission import Board
from app.domain.effects import (
    AddLabel,
    Effect,
    Enqueue,
    MergePull,
    MoveBranch,
    OpenPull,
    RemoveLabel,
    Send,
    SetLabels,
    UpdateBranch,
)
from app.domain.errors import Permanent
from app.domain.events import (
    Event,
    IssueClosed,
    IssueReopened,
    MergeAsked,
    PullChanged,
    PullDue,
    PullMerged,
    Reviewed,
    RunProgressed,
    TaskChecked,
    TaskChecksEnded,
    TaskCutOff,
)
from app.domain.facts import Check, CheckState, Comment, CutOff, Permission, ReviewState
from app.domain.instructions import waiting
from app.domain.jobs import Job, JobKind
from app.domain.labels import status_label
from app.domain.outcomes import SUCCEEDED, Outcome
from app.domain.record import TaskRecord
from app.domain.strategies.starting import MOST_RUNS
from app.domain.task import TRANSITIONS, Status
from handlers.registry import HANDLERS
from tests.unit import build
from tests.unit.build import TASK
from tests.unit.draw import examine

OUTCOMES = st.sampled_from([f"end {outcome}" for outcome in Outcome])
LIVES = st.sampled_from(["unlabel", "close", "drop", "reopen", "shut", "open pull", "push", "cut off", "back"])
WORDS = ("/retry", "/retry more", "/stop", "/pause", "/resume", "/cancel", "/review", "/rebase", "/merge", "/ok-to-run")
SAID = st.sampled_from([f"say {body}" for body in (*WORDS, "/approve budget 1", "@orch do it", "Mind this.")])
ROUNDS = st.sampled_from(["tell", "review", "red", "green", "conflict", "automerge"])
OTHERS = st.sampled_from(["label", "merge", "check", "hand", "refuse"])
RUN = st.builds(lambda end: ("start", end), st.just("end delivered") | OUTCOMES | SAID | ROUNDS)
ONE = (OTHERS | LIVES | SAID | ROUNDS | OUTCOMES | st.just("start")).map(lambda step: (step,))
BEGUN = st.sampled_from([(), ("label",), ("label", "start"), ("label", "start", "end delivered")])
STEPS = st.builds(
    lambda begun, rest: [*begun, *chain.from_iterable(rest)], BEGUN, st.lists(RUN | ONE | RUN, max_size=15)
)
AT_WORK = (Status.ROUTED, Status.IN_PROGRESS)


@dataclass
class World:
    """A task, its issue and the board; what is sent is handled in order, at once."""

    record: TaskRecord | None = None
    board: Board = field(default_factory=Board)
    labels: set[str] = field(default_factory=lambda: {"orch"})
    jobs: list[Job] = field(default_factory=list)
    runs: int = 0
    pull: int | None = None
    refuses: bool = False
    reason: str | None = None
    is_open: bool = True
    shut: bool = False
    merged: bool = False
    head: str = build.SHA
    heads: int = 3
    said: int = 0
    comments: tuple[Comment, ...] = ()
    checks: tuple[Check, ...] = ()
    conflicts: bool = False
    answered: frozenset[str] = frozenset()
    twice: bool = False

    def step(self, step: str) -> None:
        """Let one thing happen, if it can."""
        kind, _, outcome = step.partition(" ")
        known = self.record
        match kind:
            case "label":
                self.labels = self.labels | {"orch"}
                self.handle(build.labeled())
            case "shut" | "open" | "push" if known and self.pull and not self.merged:
                self.shut = self.shut if kind == "push" else kind == "shut"
                self.head = build.OTHER_SHA if kind == "push" else self.head
                self.handle(PullChanged(task=TASK, pull=self.pull, branch=known.branch, actor=build.WRITER))
            case "start" if self.jobs:
                lost = known.run_id if known else None
                self.runs += 1
                self.handle(build.started(f"run-{self.runs}", self.jobs[-1].id, lost))
            case "end" if self.jobs:
                self.end(Outcome(outcome))
            case "merge" if known and self.pull and not self.shut:
                self.merged, self.is_open = True, False
                self.handle(PullMerged(task=TASK, pull=self.pull, branch=known.branch))
            case "say":
                self.say(step.removeprefix("say "))
            case "check":
                self.handle(TaskChecked(task=TASK, again=True))
            case "hand":
                self.labels = {*self.labels & {"orch"}, "status:done", "status:blocked"}
                self.handle(build.labeled("status:done"))
            case "refuse":
                self.refuses = not self.refuses
            case _ if known:
                self.work(kind, known)
                self.live(kind)
            case _:
                self.live(kind)

    def say(self, body: str) -> None:
        """Write a comment, of which GitHub tells twice."""
        self.said += 1
        at = build.NOW if self.record else build.NOW - timedelta(seconds=1)
        self.comments = (*self.comments, build.comment(self.said, body).model_copy(update={"edited_at": at}))
        self.hear(build.commented(body, number=self.said))

    def hear(self, event: Event) -> None:
        self.handle(event)
        once = self.record
        self.handle(event)
        self.twice = self.twice or self.record != once

    def end(self, outcome: Outcome) -> None:
        """Let the last run end, whose agent was told all that waited."""
        told = tuple(one.key for one in self.record.instructions) if self.record else ()
        ended = build.finished(build.result(outcome, delivered=told), f"run-{self.runs}")
        is_current = self.record is not None and self.record.run_id == ended.run_id
        if is_current and outcome in SUCCEEDED:
            self.answered |= set(told)
        self.handle(ended.model_copy(update={"job_id": self.jobs[-1].id}))

    def work(self, kind: str, known: TaskRecord) -> None:
        """Let something happen to the run, or to the pull request."""
        match kind:
            case "tell":
                told = tuple(one.key for one in known.instructions)
                self.handle(RunProgressed(task=TASK, run_id=f"run-{self.runs}", delivered=told, share=80))
            case "review" if self.pull:
                self.said += 1
                facts = {"pull": self.pull, "review_id": self.said, "actor": build.WRITER, "at": build.NOW}
                self.hear(Reviewed(task=TASK, state=ReviewState.CHANGES_REQUESTED, body="No.", **facts))
            case "red" | "green":
                self.checks = (build.check(CheckState.FAILED if kind == "red" else CheckState.PASSED),)
                self.handle(TaskChecksEnded(task=TASK, sha=self.head))
            case "conflict":
                self.conflicts = True
                self.handle(PullDue(task=TASK))
            case "automerge" if self.pull:
                self.hear(MergeAsked(task=TASK, pull=self.pull, actor=build.WRITER, wanted=True))

    def live(self, kind: str) -> None:
        """Let something happen to the issue, or to Orch's access to it."""
        match kind:
            case "unlabel":
                self.labels = self.labels - {"orch"}
                self.handle(build.unlabeled("orch"))
            case "close" | "drop" if self.is_open:
                self.is_open, self.reason = False, "completed" if kind == "close" else "not_planned"
                self.handle(IssueClosed(task=TASK, actor=build.WRITER, labels=("orch",)))
            case "reopen" if not self.is_open:
                self.is_open, self.reason = True, "reopened"
                self.handle(IssueReopened(task=TASK, actor=build.WRITER, labels=("orch",)))
            case "cut":
                self.handle(TaskCutOff(task=TASK, because=CutOff.SUSPENDED))
            case "back":
                self.handle(TaskChecked(task=TASK, again=True))

    def handle(self, event: Event) -> None:
        """Decide, commit, apply; then handle what was sent."""
        issue, sent = build.issue(*self.labels, is_open=self.is_open, reason=self.reason), list[Event]()
        known = self.record.pull if self.record else None
        number = getattr(event, "pull", known)
        is_open = not (self.shut or self.merged)
        facts = {"conflicts": self.conflicts, "labels": frozenset({"automerge"})}
        pull = build.pull(number, is_open, self.merged, self.head, **facts) if number else None
        head = self.head if self.record and self.record.head_sha else None
        view = build.view("dirty" if self.conflicts else "behind" if self.heads % 2 else "clean", head_sha=self.head)
        seen = replace(
            build.snapshot(self.record, issue, Permission.WRITE, pull, head=head),
            board=self.board,
            comments=self.comments,
            checks=self.checks,
            merge=view if self.record and self.record.merge else None,
        )
        decision = HANDLERS[type(event)].decide(event, seen)
        match decision.record:
            case Board() as board:
                self.board = board
            case TaskRecord() as record:
                self.record = record
        todo = list(decision.effects)
        while todo:
            todo = self.perform(todo[0], todo[1:], sent)
        for one in sent:
            self.handle(one)

    def perform(self, effect: Effect, rest: list[Effect], sent: list[Event]) -> list[Effect]:
        """Do one effect and return what is left to do."""
        if self.refuses and self.record and isinstance(effect, (*ESSENTIAL, MergePull)):
            self.record, instead = refuse(self.record, effect, Permanent("no"))
            return list(instead) or rest
        match effect:
            case Send(event=event):
                sent.append(event)
            case Enqueue(job=job) if job.kind is JobKind.RUN:
                self.jobs.append(job)
            case OpenPull() if self.shut or self.merged or not self.pull:
                self.pull, self.shut, self.merged = (self.pull or 29) + 1, False, False
            case MoveBranch(sha=sha):
                self.head, self.conflicts = sha, False
            case UpdateBranch(pull=number) if self.record:
                self.heads += 1
                self.head = f"{self.heads:040}"
                facts = {"pull": number, "branch": self.record.branch, "actor": build.SELF, "head_sha": self.head}
                sent.append(PullChanged(task=TASK, **facts))
            case MergePull():
                self.merged, self.is_open = True, False
            case AddLabel(label=label):
                self.labels = self.labels | {label}
            case RemoveLabel(label=label):
                self.labels = self.labels - {label}
            case SetLabels() if self.record:
                self.labels = {*self.labels & {"orch"}, status_label(self.record.status)}
        self.record = absorb(self.record, effect, self.pull) if self.record else None
        return rest


def walked(steps: list[str]) -> list[World]:
    """Return the world as it was after each step."""
    world, path = World(), list[World]()
    for step in steps:
        world.step(step)
        path.append(replace(world))
    return path


@examine
@given(STEPS)
def test_i3_only_a_task_in_progress_has_a_current_run(steps: list[str]) -> None:
    records = [world.record for world in walked(steps) if world.record]
    assert [record for record in records if record.run_id and record.status is not Status.IN_PROGRESS] == []


@examine
@given(STEPS)
def test_a_task_has_its_slot_while_it_is_at_work_and_no_longer(steps: list[str]) -> None:
    for world in walked(steps):
        wanted = {world.record.job_id} if world.record and world.record.status in AT_WORK else set()
        assert {*world.board.waiting, *world.board.holding} == wanted


@examine
@given(STEPS)
def test_i4_the_label_on_the_issue_is_the_status(steps: list[str]) -> None:
    for world in walked([*steps, "check"]):
        if world.record and not world.record.cut_off:
            assert world.labels - {"orch"} == {status_label(world.record.status)}


@examine
@given(STEPS)
def test_a_task_in_review_has_an_open_pull_request(steps: list[str]) -> None:
    reviewed = [world for world in walked(steps) if world.record and world.record.status is Status.IN_REVIEW]
    assert [world for world in reviewed if not (world.record and world.record.pull == world.pull)] == []
    assert [world for world in reviewed if world.shut] == []


@examine
@given(STEPS)
def test_a_finished_task_stays_so_until_its_issue_is_reopened(steps: list[str]) -> None:
    steps = [*steps, "label", "start", "check"]
    statuses = [world.record.status if world.record else Status.NEW for world in walked(steps)]
    resumed = [
        step.partition(" ")[0]
        for step, before, after in zip(steps[1:], statuses, statuses[1:], strict=False)
        if before.is_final and not after.is_final
    ]
    assert set(resumed) <= {"reopen", "label", "say"}


@examine
@given(STEPS)
def test_a_status_is_always_one_that_can_be_reached(steps: list[str]) -> None:
    assert {world.record.status for world in walked(steps) if world.record} <= set(TRANSITIONS.values())


@examine
@given(STEPS)
def test_i12_attempts_rounds_and_runs_are_bounded(steps: list[str]) -> None:
    for record in [world.record for world in walked(steps) if world.record]:
        assert record.tries <= build.POLICY.max_attempts
        assert record.rounds <= build.POLICY.max_rounds
        assert len(record.runs) <= MOST_RUNS + 1  # time stands still, and one may be under way


@examine
@given(STEPS)
def test_i2_no_instruction_is_told_to_a_second_agent_once_one_has_followed_it(steps: list[str]) -> None:
    for world in walked(steps):
        left = waiting(world.record.instructions) if world.record else ()
        assert {one.key for one in left} & world.answered == set()


@examine
@given(STEPS)
def test_i2_what_people_do_counts_once_though_github_tells_it_twice(steps: list[str]) -> None:
    assert not any(world.twice for world in walked(steps))


@examine
@given(STEPS)
def test_i8_no_task_is_merged_that_github_has_not_merged(steps: list[str]) -> None:
    for world in walked(steps):
        merged = world.record is not None and world.record.why.endswith("was merged.")
        assert world.merged or not merged


def test_the_straight_way_ends_done_and_leaves_nothing_behind() -> None:
    path = walked(["label", "start", "end delivered", "merge"])
    statuses = [world.record.status for world in path if world.record]
    assert statuses == [Status.ROUTED, Status.IN_PROGRESS, Status.IN_REVIEW, Status.DONE]
    assert (path[-1].board.holding, path[-1].board.lines, path[-1].labels) == ({}, {}, {"orch", "status:done"})


def test_a_review_a_red_check_and_a_conflict_are_rounds_and_then_it_is_merged() -> None:
    rounds = [f"{kind},start,end delivered".split(",") for kind in ("review", "red", "conflict", "say /retry more")]
    path = walked(["label", "start", "end delivered", *sum(rounds, list[str]()), "green", "automerge"])
    last = path[-1].record
    assert last is not None
    assert (last.status, last.attempt, last.rounds, last.why) == (Status.DONE, 5, 1, "Pull request #30 was merged.")


def test_a_task_whose_branch_was_refused_can_be_taken_up_again() -> None:
    path = walked(["label", "start", "refuse", "end delivered", "refuse", "label", "start", "end delivered"])
    statuses = [world.record.status for world in path if world.record][3:]
    parked = [Status.NEEDS_REVIEW, Status.NEEDS_REVIEW]
    assert statuses == [*parked, Status.ROUTED, Status.IN_PROGRESS, Status.IN_REVIEW]
