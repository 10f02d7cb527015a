"""Tasks that wait for other issues or for paths: what they keep, hold and tell meanwhile."""

from app.domain.admission_events import LocksReleased
from app.domain.effects import AddComment, Send
from app.domain.events import PullDue
from app.domain.graph import Blocker, Graph, Node, NodeState
from app.domain.graph_events import ParentSaid
from app.domain.record import MergeWish, TaskRecord
from app.domain.strategies.blocking import block
from app.domain.strategies.starting import SHOW
from app.domain.strategies.telling import as_child, told
from app.domain.task import Status
from handlers.family import child_moved, parent_said
from tests.unit import build
from tests.unit.build import TASK

PARENT = build.task(3)
WHY = "#7 was closed, but not as completed: a person reopens it, or takes it off the issues that block this one."
LOCKS = ("src",)


def test_a_merge_that_is_wished_for_outlasts_the_wait_for_blockers() -> None:
    wish = MergeWish(by="the setting autonomy: full")
    waiting = build.record(Status.NEW, blockers=(Blocker(task=build.task(7)),), merge=wish)
    assert block(waiting).merge == wish


def test_a_task_that_waits_for_a_path_gives_back_nothing_that_it_may_have_been_given_meanwhile() -> None:
    routed = build.record(Status.ROUTED, locks=LOCKS)
    assert told(routed, build.record(Status.BLOCKED, locks=LOCKS, lock_holder=3)) == ()


def test_a_task_that_is_stopped_while_it_waits_for_a_path_gives_it_back() -> None:
    waiting = build.record(Status.BLOCKED, locks=LOCKS, lock_holder=3)
    assert told(waiting, build.record(Status.PAUSED, locks=LOCKS)) == (Send(event=LocksReleased(task=TASK)),)


def waits_for_what_was_dropped(**changes: object) -> TaskRecord:
    blocker = Blocker(task=build.task(7), state=NodeState.DROPPED)
    return build.record(Status.BLOCKED, job_id=None, parent=PARENT, blockers=(blocker,), why=WHY, **changes)


def parent_of(*nodes: Node) -> TaskRecord:
    return build.record(Status.BLOCKED, task=PARENT, job_id=None, graph=Graph(nodes=nodes, started=True))


def test_a_child_that_waits_for_what_was_dropped_tells_its_parent_so() -> None:
    before = waits_for_what_was_dropped()
    assert as_child(before, PARENT).stuck
    assert not as_child(before.change(blockers=(Blocker(task=build.task(7)),)), PARENT).stuck


def test_a_parent_calls_a_person_once_to_a_child_that_waits_for_what_was_dropped() -> None:
    stuck = as_child(waits_for_what_was_dropped(), PARENT)
    before = parent_of(Node(number=TASK.number, title="Part"))
    told = child_moved(stuck, build.snapshot(before))
    assert isinstance(told.record, TaskRecord)
    assert told.record.why == f"0 of 1 sub-issues are closed. A person must act on #{TASK.number}."
    [call] = [effect for effect in told.effects if isinstance(effect, AddComment)]
    assert (call.task, call.body) == (
        PARENT,
        f"#{TASK.number} does not go on by itself. {WHY} It goes on then; closing #{TASK.number} goes on without it.",
    )
    again = child_moved(stuck.model_copy(update={"runs": 1}), build.snapshot(told.record))
    assert [effect for effect in again.effects if isinstance(effect, AddComment)] == []


def test_a_merge_that_waits_is_looked_at_again_when_the_parent_goes_on() -> None:
    paused = build.record(
        Status.PAUSED, parent=PARENT, pull=30, halted=True, hands_off=True, runs=(build.summary(),), run_id=None
    )
    decision = parent_said(ParentSaid(task=TASK, parent=PARENT, word="resume"), build.snapshot(paused))
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.merge == MergeWish(by="the setting autonomy: full")
    assert decision.effects[-1] == Send(event=PullDue(task=TASK))


def test_the_review_of_a_child_that_people_merge_goes_on_without_a_merge() -> None:
    paused = build.record(Status.PAUSED, parent=PARENT, pull=30, halted=True, runs=(build.summary(),), run_id=None)
    decision = parent_said(ParentSaid(task=TASK, parent=PARENT, word="resume"), build.snapshot(paused))
    assert isinstance(decision.record, TaskRecord)
    assert (decision.record.status, decision.record.merge) == (Status.IN_REVIEW, None)
    assert decision.effects == SHOW
