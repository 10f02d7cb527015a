from dataclasses import replace

from app.domain.admission import Board, Waiting
from app.domain.effects import Decision, Enqueue
from app.domain.events import SlotFreed, SlotWanted
from app.domain.jobs import run_job
from app.domain.snapshot import Snapshot
from handlers.admission import slot_freed, slot_wanted
from tests.unit import build
from tests.unit.build import JOB

OTHER = run_job(build.task(13), 1)


def seen(board: Board | None, limit: int = 1) -> Snapshot:
    policy = build.POLICY.model_copy(update={"max_parallel": limit})
    return replace(build.snapshot(policy=policy), board=board)


def test_the_first_job_gets_a_slot_at_once() -> None:
    decision = slot_wanted(SlotWanted(job=JOB, since=5), seen(None))
    board = Board(holding={JOB.id: JOB})
    assert decision == Decision("1 admitted, 0 wait, 1 hold a slot", board, (Enqueue(job=JOB),))


def test_i12_a_job_waits_while_all_slots_are_taken() -> None:
    board = Board(holding={JOB.id: JOB})
    decision = slot_wanted(SlotWanted(job=OTHER, since=5), seen(board))
    after = Board(holding={JOB.id: JOB}, waiting={OTHER.id: Waiting(job=OTHER, since=5)})
    assert decision == Decision("0 admitted, 1 wait, 1 hold a slot", after)


def test_a_job_that_has_its_slot_is_asked_for_again() -> None:
    decision = slot_wanted(SlotWanted(job=JOB, since=5), seen(Board(holding={JOB.id: JOB})))
    assert decision == Decision("the job has its slot already", effects=(Enqueue(job=JOB),))


def test_a_freed_slot_goes_to_the_next() -> None:
    board = Board(holding={JOB.id: JOB}, waiting={OTHER.id: Waiting(job=OTHER, since=5)})
    decision = slot_freed(SlotFreed(job_id=JOB.id), seen(board))
    assert decision == Decision(
        "1 admitted, 0 wait, 1 hold a slot", Board(holding={OTHER.id: OTHER}), (Enqueue(job=OTHER),)
    )


def test_i2_a_slot_freed_twice_is_free_once() -> None:
    decision = slot_freed(SlotFreed(job_id=JOB.id), seen(None))
    assert decision == Decision("0 admitted, 0 wait, 0 hold a slot", Board())
