"""The admission group: one board, free slots only."""

from app.domain.admission import Board
from app.domain.effects import Decision, Enqueue
from app.domain.events import SlotFreed, SlotsLimited, SlotWanted
from app.domain.snapshot import Handler, Need, Snapshot


def slot_wanted(event: SlotWanted, snapshot: Snapshot) -> Decision:
    """Put the job on the board; one that holds a slot is asked for again, in case its message was lost."""
    board = snapshot.board or Board()
    held = board.holding.get(event.job.id)
    if held:
        return Decision("the job has its slot already", effects=(Enqueue(job=held),))
    return _admit(board.want(event.job, event.since, event.most), snapshot)


def slot_freed(event: SlotFreed, snapshot: Snapshot) -> Decision:
    """Take the job off the board and give its slot to the next."""
    return _admit((snapshot.board or Board()).free(event.job_id), snapshot)


def slots_limited(event: SlotsLimited, snapshot: Snapshot) -> Decision:
    """Let a repository's new limit count for the jobs that wait; a lower one takes no slot away."""
    return _admit((snapshot.board or Board()).limit(event.repository_id, event.most), snapshot)


def _admit(board: Board, snapshot: Snapshot) -> Decision:
    board, admitted = board.admit(snapshot.policy.max_parallel)
    why = f"{len(admitted)} admitted, {len(board.waiting)} wait, {len(board.holding)} hold a slot"
    return Decision(why, board, tuple(Enqueue(job=job) for job in admitted))


HANDLERS = (
    Handler(SlotWanted, frozenset({Need.BOARD}), slot_wanted),
    Handler(SlotFreed, frozenset({Need.BOARD}), slot_freed),
    Handler(SlotsLimited, frozenset({Need.BOARD}), slots_limited),
)
