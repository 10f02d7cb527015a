"""The admission group: one board, free slots and free paths only."""

from collections.abc import Sequence

from app.domain.admission import Board
from app.domain.admission_events import (
    AgentParked,
    LockDoubted,
    LockFreed,
    LocksKept,
    LocksReleased,
    LockWaits,
    SlotsDue,
)
from app.domain.effects import Decision, Effect, Enqueue, Send
from app.domain.events import SlotFreed, SlotsLimited, SlotWanted
from app.domain.lines import DOUBT_AFTER, Line, Waiting
from app.domain.names import TaskRef
from app.domain.snapshot import Handler, Need, Snapshot

AT_ONCE = 12
"""Jobs that one decision gives slots to, and tasks that it tells of locks: the store takes 100 keys in a write."""


def slot_wanted(event: SlotWanted, snapshot: Snapshot) -> Decision:
    """Put the job on the board; one that holds a slot is asked for again, in case its message was lost."""
    board = _board(snapshot)
    held = board.holding.get(event.job.id)
    if held:
        freed = (_freed(event.job.task, event.job.id),) if event.locks else ()
        return Decision("the job has its slot already", effects=(*freed, Enqueue(job=held.job)))
    wanted = Waiting(job=event.job, since=event.since, priority=event.priority, agent=event.agent, locks=event.locks)
    return _go_on(board.want(wanted, event.most, _now(snapshot)), snapshot)


def slot_freed(event: SlotFreed, snapshot: Snapshot) -> Decision:
    """Take the job off the board and give its slot to the next."""
    return _go_on(_board(snapshot).free(event.job_id, _now(snapshot)), snapshot)


def slots_limited(event: SlotsLimited, snapshot: Snapshot) -> Decision:
    """Let a repository's new limit count for the jobs that wait; a lower one takes no slot away."""
    return _go_on(_board(snapshot).limit(event.repository_id, event.most), snapshot)


def slots_due(event: SlotsDue, snapshot: Snapshot) -> Decision:
    """Look again who may have a slot, and at the locks of a repository."""
    return _go_on(_board(snapshot), snapshot, also=event.repository_id)


def agent_parked(event: AgentParked, snapshot: Snapshot) -> Decision:
    """Give the agent no slot until then, and look again at that time."""
    before, now, until = _board(snapshot), _now(snapshot), event.until.timestamp()
    board = before.park(event.agent, until, now)
    wake = () if board is before else (Send(event=SlotsDue(), delay=until - now),)
    return _go_on(board, snapshot, wake)


def locks_kept(event: LocksKept, snapshot: Snapshot) -> Decision:
    """Let the task hold the paths, also where others hold some of them: what was changed was changed."""
    board = _board(snapshot)
    line = board.line(event.task.repository).hold(event.task.number, event.paths, _now(snapshot))
    return _go_on(board.put(line), snapshot)


def locks_released(event: LocksReleased, snapshot: Snapshot) -> Decision:
    """Let the task hold nothing, and those go on who waited for it."""
    board = _board(snapshot)
    return _go_on(board.put(board.line(event.task.repository).release(event.task.number)), snapshot)


def _go_on(board: Board, snapshot: Snapshot, first: Sequence[Effect] = (), *, also: int | None = None) -> Decision:
    """Give away what is free, and tell who waits for a lock where something changed, and in one line `also`."""
    before, now = _board(snapshot), _now(snapshot)
    board, admitted = board.admit(snapshot.policy, now, AT_ONCE)
    effects = [*first, *(effect for one in admitted for effect in _started(one))]
    if len(admitted) == AT_ONCE:
        effects.append(Send(event=SlotsDue()))
    for key, line in board.lines.items():
        if line is not before.lines.get(key) or key == also:
            looked, told = _look(line, now, AT_ONCE - sum(map(_is_told, effects)))
            board, effects = board.put(looked), [*effects, *told]
    why = f"{len(admitted)} admitted, {board.waits} wait, {len(board.holding)} hold a slot"
    return Decision(why, None if board is snapshot.board else board, tuple(effects))


def _look(line: Line, now: float, at_most: int) -> tuple[Line, list[Effect]]:
    """Tell tasks once who holds what they wait for, and from time to time ask those who hold it."""
    stopped = line.stopped()
    if not stopped:
        return line if line.look_at is None else line.model_copy(update={"look_at": None}), []
    untold = [(one, holder, path) for one, holder, path in stopped if holder not in one.told]
    now_told = untold[:at_most]
    effects: list[Effect] = [
        Send(event=LockWaits(task=one.job.task, job_id=one.job.id, holder=holder, path=path))
        for one, holder, path in now_told
    ]
    if now_told:
        line = line.tell({one.job.id: holder for one, holder, _ in now_told})
    if len(untold) > at_most:
        effects.append(Send(event=SlotsDue(repository_id=line.repository.id)))
    if line.look_at is None or line.look_at <= now:
        doubts = [] if line.look_at is None else line.doubted(now)[: at_most - len(now_told)]
        effects += [Send(event=LockDoubted(task=task)) for task in doubts]
        effects.append(Send(event=SlotsDue(repository_id=line.repository.id), delay=DOUBT_AFTER))
        line = line.model_copy(update={"look_at": now + DOUBT_AFTER})
    return line, effects


def _is_told(effect: Effect) -> bool:
    return isinstance(effect, Send) and isinstance(effect.event, LockWaits | LockDoubted)


def _started(one: Waiting) -> tuple[Effect, ...]:
    """Say first that the wait for a lock is over: the run may begin as soon as it is asked for."""
    freed = (_freed(one.job.task, one.job.id),) if one.told else ()
    return (*freed, Enqueue(job=one.job))


def _freed(task: TaskRef, job_id: str) -> Send:
    return Send(event=LockFreed(task=task, job_id=job_id))


def _board(snapshot: Snapshot) -> Board:
    return snapshot.board or Board()


def _now(snapshot: Snapshot) -> float:
    return snapshot.now.timestamp()


HANDLERS = (
    Handler(SlotWanted, frozenset({Need.BOARD}), slot_wanted),
    Handler(SlotFreed, frozenset({Need.BOARD}), slot_freed),
    Handler(SlotsLimited, frozenset({Need.BOARD}), slots_limited),
    Handler(SlotsDue, frozenset({Need.BOARD}), slots_due),
    Handler(AgentParked, frozenset({Need.BOARD}), agent_parked),
    Handler(LocksKept, frozenset({Need.BOARD}), locks_kept),
    Handler(LocksReleased, frozenset({Need.BOARD}), locks_released),
)
