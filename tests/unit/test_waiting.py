"""Tasks that wait for other issues or for paths: what they keep, hold and tell meanwhile."""

from app.domain.admission_events import LocksReleased
from app.domain.effects import Send
from app.domain.graph import Blocker
from app.domain.record import MergeWish
from app.domain.strategies.blocking import block
from app.domain.strategies.telling import told
from app.domain.task import Status
from tests.unit import build
from tests.unit.build import TASK

LOCKS = ("src",)


def test_a_merge_that_is_wished_for_outlasts_the_wait_for_blockers() -> None:
    wish = MergeWish(by="the setting autonomy: full")
    waiting = build.record(Status.NEW, blockers=(Blocker(task=build.task(7)),), merge=wish)
    assert block(waiting)[0].merge == wish


def test_a_task_that_waits_for_a_path_gives_back_nothing_that_it_may_have_been_given_meanwhile() -> None:
    routed = build.record(Status.ROUTED, locks=LOCKS)
    assert told(routed, build.record(Status.BLOCKED, locks=LOCKS, lock_holder=3)) == ()


def test_a_task_that_is_stopped_while_it_waits_for_a_path_gives_it_back() -> None:
    waiting = build.record(Status.BLOCKED, locks=LOCKS, lock_holder=3)
    assert told(waiting, build.record(Status.PAUSED, locks=LOCKS)) == (Send(event=LocksReleased(task=TASK)),)
