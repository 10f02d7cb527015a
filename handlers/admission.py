"""The admission group: one board, free slots only."""

from app.domain.admission import Board
from app.domain.effects import Decision, Enqueue
from app.domain.events import SlotFreed, SlotWanted
from app.domain.snapshot import Handler, Need, Snapshot


def slot_wanted(event: SlotWanted, snapshot: Snapshot) -> Decision:
    """Put the job on the board; one that holds a slot is asked for again, in case its message was lost."""
    board = snapshot.board or Board()
    held = board.holding.get(event.job.id)
    if held:
        return Decision("the job has its slot already", effects=(Enqueue(job=held),))
    return _admit(board.want(event.job, event.since), snapshot)


def slot_freed(event: SlotFreed, snapshot: Snapshot) -> Decision:
    """Take the job off the board and give its slot to the next."""
    return _admit((snapshot.board or Board()).free(event.job_id), snapshot)


def _admit(board: Board, snapshot: Snapshot) -> Decision:
    board, admitted = board.admit(snapshot.policy.max_parallel)
    why = f"{len(admitted)} admitted, {len(board.waiting)} wait, {len(board.holding)} hold a slot"
    return Decision(why, board, tuple(Enqueue(job=job) for job in admitted))


HANDLERS = (
    Handler(SlotWanted, frozenset({Need.BOARD}), slot_wanted),
    Handler(SlotFreed, frozenset({Need.BOARD}), slot_freed),
)
