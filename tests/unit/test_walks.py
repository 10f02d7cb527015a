"""One task through any order of events: what must hold after each."""

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from app.domain.absorb import ESSENTIAL, absorb, refuse
from app.domain.admission import Board
from app.domain.effects import Effect, Enqueue, OpenPull, Send, SetLabels
from app.domain.events import Event, PullMerged, TaskChecked
from app.domain.facts import Permission
from app.domain.jobs import Job, JobKind
from app.domain.labels import status_label
from app.domain.outcomes import Outcome
from app.domain.record import TaskRecord
from app.domain.task import Status
from handlers.registry import HANDLERS
from tests.unit import build
from tests.unit.build import TASK
from tests.unit.draw import examine

OUTCOMES = st.sampled_from([f"end {outcome}" for outcome in Outcome])
STEPS = st.lists(
    st.sampled_from(["label", "start", "end delivered", "merge", "check", "hand", "refuse"]) | OUTCOMES, max_size=25
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

    def step(self, step: str) -> None:
        """Let one thing happen, if it can."""
        kind, _, outcome = step.partition(" ")
        known = self.record
        match kind:
            case "label":
                self.handle(build.labeled())
            case "start" if self.jobs:
                lost = known.run_id if known else None
                self.runs += 1
                self.handle(build.started(f"run-{self.runs}", self.jobs[-1].id, lost))
            case "end" if self.jobs:
                ended = build.finished(build.result(Outcome(outcome)), f"run-{self.runs}")
                self.handle(ended.model_copy(update={"job_id": self.jobs[-1].id}))
            case "merge" if known and self.pull:
                self.handle(PullMerged(task=TASK, pull=self.pull, branch=known.branch))
            case "check":
                self.handle(TaskChecked(task=TASK, again=True))
            case "hand":
                self.labels = {"orch", "status:done", "status:blocked"}
                self.handle(build.labeled("status:done"))
            case "refuse":
                self.refuses = not self.refuses

    def handle(self, event: Event) -> None:
        """Decide, commit, apply; then handle what was sent."""
        issue, sent = build.issue(*self.labels), list[Event]()
        seen = replace(build.snapshot(self.record, issue, Permission.WRITE), board=self.board)
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
        if self.refuses and self.record and isinstance(effect, ESSENTIAL):
            self.record, instead = refuse(self.record, effect, "no")
            return list(instead) or rest
        match effect:
            case Send(event=event):
                sent.append(event)
            case Enqueue(job=job) if job.kind is JobKind.RUN:
                self.jobs.append(job)
            case OpenPull():
                self.pull = 30
            case SetLabels() if self.record:
                self.labels = {"orch", status_label(self.record.status)}
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
        if world.record:
            assert world.labels == {"orch", status_label(world.record.status)}


@examine
@given(STEPS)
def test_a_task_in_review_has_a_pull_request_and_a_finished_one_stays_so(steps: list[str]) -> None:
    records = [world.record for world in walked([*steps, "label", "start", "check"]) if world.record]
    assert [record for record in records if record.status is Status.IN_REVIEW and record.pull is None] == []
    finals = [record.status for record in records if record.status.is_final]
    assert finals == [record.status for record in records][len(records) - len(finals) :]


def test_the_straight_way_ends_done_and_leaves_nothing_behind() -> None:
    path = walked(["label", "start", "end delivered", "merge"])
    statuses = [world.record.status for world in path if world.record]
    assert statuses == [Status.ROUTED, Status.IN_PROGRESS, Status.IN_REVIEW, Status.DONE]
    assert (path[-1].board, path[-1].labels) == (Board(), {"orch", "status:done"})


def test_a_task_whose_branch_was_refused_can_be_taken_up_again() -> None:
    path = walked(["label", "start", "refuse", "end delivered", "refuse", "label", "start", "end delivered"])
    statuses = [world.record.status for world in path if world.record][3:]
    parked = [Status.NEEDS_REVIEW, Status.NEEDS_REVIEW]
    assert statuses == [*parked, Status.ROUTED, Status.IN_PROGRESS, Status.IN_REVIEW]
