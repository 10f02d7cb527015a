from dataclasses import replace
from datetime import timedelta

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
from app.domain.events import Event, SlotFreed, SlotsLimited, SlotWanted
from app.domain.jobs import Job
from app.domain.lines import DOUBT_AFTER
from app.domain.names import ADMISSION
from app.domain.snapshot import Snapshot
from handlers import admission
from handlers.admission import AT_ONCE, agent_parked, locks_kept, locks_released, slot_freed, slot_wanted, slots_due
from tests.unit import build
from tests.unit.boards import NOW, board_of, held, job_of, waits
from tests.unit.build import JOB

OTHER, THIRD = job_of(number=13), job_of(number=14)
HANDLERS = {one.event: one.decide for one in admission.HANDLERS}
LOOK = Send(event=SlotsDue(repository_id=1), delay=DOUBT_AFTER)


def seen(board: object, limit: int = 1, later: float = 0) -> Snapshot:
    assert board is None or isinstance(board, Board)
    policy = build.POLICY.model_copy(update={"max_parallel": limit})
    return replace(build.snapshot(policy=policy), board=board, now=build.NOW + timedelta(seconds=later))


def want(job: Job, *locks: str, since: float = 5) -> SlotWanted:
    return SlotWanted(job=job, since=since, locks=locks)


def told(event: Event) -> Send:
    return Send(event=event)


def after(*events: Event, limit: int = 9, later: float = 0) -> tuple[Board, list[tuple[Effect, ...]]]:
    """Handle events one after another; return the board, and what each asks for."""
    board, effects = Board(), list[tuple[Effect, ...]]()
    for event in events:
        decision = HANDLERS[type(event)](event, seen(board, limit, later))
        board = decision.record if isinstance(decision.record, Board) else board
        effects.append(decision.effects)
    return board, effects


def waiting_for_src(path: str = "src/a") -> Board:
    """Make a board where task 12 holds `src`, and a job of task 13 waits for it."""
    board, _ = after(want(JOB, "src"), want(OTHER, path))
    return board


def test_all_that_admission_handles_is_of_its_one_group() -> None:
    events: list[Event] = [LocksKept(task=JOB.task, paths=()), SlotsDue(repository_id=1), want(JOB)]
    assert {event.group for event in events} == {ADMISSION}


def test_the_first_job_gets_a_slot_at_once() -> None:
    decision = slot_wanted(want(JOB), seen(None))
    board = Board(holding=held(JOB), turn=1, installations={5: 1}, repositories={1: 1})
    assert decision == Decision("1 admitted, 0 wait, 1 hold a slot", board, (Enqueue(job=JOB),))


def test_i12_a_job_waits_while_all_slots_are_taken() -> None:
    decision = slot_wanted(want(OTHER), seen(board_of(holding=[JOB])))
    assert decision == Decision("0 admitted, 1 wait, 1 hold a slot", board_of(waits(OTHER, 5), holding=[JOB]))


def test_all_that_is_wanted_is_noted() -> None:
    event = SlotWanted(job=OTHER, since=5, most=2, priority="high", agent="claude", locks=("src",))
    decision = slot_wanted(event, seen(board_of(holding=[JOB])))
    wanted = waits(OTHER, 5, priority="high", agent="claude", locks=("src",))
    assert decision.record == board_of(wanted, holding=[JOB], most=2)


def test_i2_a_job_that_has_its_slot_is_asked_for_again() -> None:
    decision = slot_wanted(want(JOB), seen(board_of(holding=[JOB])))
    assert decision == Decision("the job has its slot already", effects=(Enqueue(job=JOB),))


def test_i2_a_job_that_may_still_wait_for_a_lock_is_told_again_that_it_does_not() -> None:
    decision = slot_wanted(want(JOB, "src"), seen(board_of(holding=[JOB])))
    assert decision.effects == (told(LockFreed(task=JOB.task, job_id=JOB.id)), Enqueue(job=JOB))


def test_i2_a_job_wanted_twice_waits_once() -> None:
    board = board_of(waits(OTHER, 5), holding=[JOB])
    assert slot_wanted(want(OTHER, since=7), seen(board)) == Decision("0 admitted, 1 wait, 1 hold a slot")


def test_a_freed_slot_goes_to_the_next() -> None:
    decision = slot_freed(SlotFreed(job_id=JOB.id), seen(board_of(OTHER, THIRD, holding=[JOB])))
    board = board_of(THIRD, holding=[OTHER])
    board = board.model_copy(update={"turn": 1, "installations": {5: 1}, "repositories": {1: 1}})
    assert decision == Decision("1 admitted, 1 wait, 1 hold a slot", board, (Enqueue(job=OTHER),))


def test_a_job_that_waits_is_taken_off() -> None:
    decision = slot_freed(SlotFreed(job_id=OTHER.id), seen(board_of(OTHER, holding=[JOB])))
    assert decision == Decision("0 admitted, 0 wait, 1 hold a slot", board_of(holding=[JOB]))


def test_i2_a_slot_freed_twice_is_free_once() -> None:
    once, _ = after(want(JOB), want(OTHER), want(THIRD), SlotFreed(job_id=JOB.id), limit=1)
    board, effects = after(want(JOB), want(OTHER), want(THIRD), *2 * [SlotFreed(job_id=JOB.id)], limit=1)
    assert (board.holding, board.lines, effects[-1]) == (once.holding, once.lines, ())


def test_i2_a_job_that_was_given_up_before_it_was_wanted_gets_no_slot() -> None:
    board, effects = after(SlotFreed(job_id=JOB.id), want(JOB))
    assert (board.lines, board.holding, effects) == ({}, {}, [(), ()])


def test_a_raised_limit_lets_those_go_on_who_wait_for_it() -> None:
    board = board_of(OTHER, holding=[JOB], most=1)
    decision = HANDLERS[SlotsLimited](SlotsLimited(repository_id=1, most=2), seen(board, 9))
    assert decision.effects == (Enqueue(job=OTHER),)


def test_i12_a_decision_gives_only_so_many_slots_and_leaves_the_rest_to_another() -> None:
    jobs = [job_of(number=number) for number in range(1, AT_ONCE + 3)]
    decision = slots_due(SlotsDue(), seen(board_of(*jobs), 99))
    assert decision.effects == (*(Enqueue(job=job) for job in jobs_in_order(jobs)), told(SlotsDue()))
    rest = slots_due(SlotsDue(), seen(decision.record, 99))
    assert len(rest.effects) == 2


def jobs_in_order(jobs: list[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: job.id)[:AT_ONCE]


def test_a_job_whose_path_is_held_waits_and_its_task_is_told_once() -> None:
    board, effects = after(want(JOB, "src"), want(OTHER, "src/a"), want(OTHER, "src/a"), want(THIRD, "docs"))
    wait = told(LockWaits(task=OTHER.task, job_id=OTHER.id, holder=12, path="src"))
    assert effects == [(Enqueue(job=JOB),), (wait, LOOK), (), (Enqueue(job=THIRD),)]
    assert list(board.waiting) == [OTHER.id]


def test_a_lock_is_held_beyond_the_run_and_its_release_lets_the_next_go_on() -> None:
    board = waiting_for_src()
    freed = slot_freed(SlotFreed(job_id=JOB.id), seen(board, 9))
    assert freed.effects == ()
    released = locks_released(LocksReleased(task=JOB.task), seen(freed.record, 9))
    assert released.effects == (told(LockFreed(task=OTHER.task, job_id=OTHER.id)), Enqueue(job=OTHER))
    assert isinstance(released.record, Board)
    assert [(lock.number, lock.paths) for lock in released.record.lines[1].locks] == [(13, ("src/a",))]


def test_i2_locks_that_are_released_twice_are_released_once() -> None:
    board, _ = after(LocksReleased(task=JOB.task))
    assert board == Board()


def test_a_lock_that_goes_from_one_task_to_another_is_told_anew() -> None:
    _, effects = after(
        want(JOB, "src"),
        want(OTHER, "src"),
        want(THIRD, "src"),
        LocksReleased(task=JOB.task),
        SlotsDue(repository_id=1),
    )
    assert effects[-2:] == [
        (
            told(LockFreed(task=OTHER.task, job_id=OTHER.id)),
            Enqueue(job=OTHER),
            told(LockWaits(task=THIRD.task, job_id=THIRD.id, holder=13, path="src")),
        ),
        (),
    ]


def test_both_tasks_keep_what_overlaps_and_the_first_goes_before() -> None:
    board, _ = after(want(JOB, "src"), want(OTHER, "docs"), LocksKept(task=OTHER.task, paths=("src/a",)))
    assert [(lock.number, lock.paths) for lock in board.lines[1].locks] == [(12, ("src",)), (13, ("docs", "src/a"))]
    board = board.free(JOB.id, NOW).free(OTHER.id, NOW)
    again, other = job_of(number=12, attempt=2), job_of(number=13, attempt=2)
    first = slot_wanted(want(other, "docs", "src/a"), seen(board, 9))
    second = slot_wanted(want(again, "src"), seen(first.record, 9))
    assert (len(first.effects), second.effects) == (2, (Enqueue(job=again),))


def test_i2_locks_that_are_known_change_nothing() -> None:
    board, _ = after(want(JOB, "src"))
    decision = locks_kept(LocksKept(task=JOB.task, paths=("src/a",)), seen(board, 9))
    assert decision == Decision("0 admitted, 0 wait, 1 hold a slot")


def test_when_nobody_waits_for_a_lock_any_more_nobody_is_asked() -> None:
    decision = slot_freed(SlotFreed(job_id=OTHER.id), seen(waiting_for_src(), 9))
    assert isinstance(decision.record, Board)
    assert decision.record.lines[1].look_at is None
    later = slots_due(SlotsDue(repository_id=1), seen(decision.record, 9, DOUBT_AFTER))
    assert later == Decision("0 admitted, 0 wait, 1 hold a slot")


def test_a_task_is_asked_whether_its_lock_still_holds_after_a_while_and_again() -> None:
    board: object = waiting_for_src()
    for times in (1, 2):
        decision = slots_due(SlotsDue(repository_id=1), seen(board, 9, times * DOUBT_AFTER))
        assert decision.effects == (told(LockDoubted(task=JOB.task)), LOOK)
        board = decision.record


def test_a_task_that_said_so_meanwhile_is_not_asked() -> None:
    kept = locks_kept(LocksKept(task=JOB.task, paths=("src",)), seen(waiting_for_src(), 9, 5))
    decision = slots_due(SlotsDue(repository_id=1), seen(kept.record, 9, DOUBT_AFTER))
    assert decision.effects == (LOOK,)


def test_i2_a_look_that_comes_twice_asks_once() -> None:
    first = slots_due(SlotsDue(repository_id=1), seen(waiting_for_src(), 9, DOUBT_AFTER))
    again = slots_due(SlotsDue(repository_id=1), seen(first.record, 9, DOUBT_AFTER))
    assert again.effects == ()


def test_i12_only_so_many_tasks_are_told_at_once_and_the_rest_by_another_look() -> None:
    wanted = [waits(job_of(number=number), locks=("src",)) for number in range(20, 20 + AT_ONCE + 2)]
    decision = locks_kept(LocksKept(task=JOB.task, paths=("src",)), seen(board_of(*wanted), 9))
    assert [type(one.event) for one in decision.effects if isinstance(one, Send)] == [
        *[LockWaits] * AT_ONCE,
        SlotsDue,
        SlotsDue,
    ]
    rest = slots_due(SlotsDue(repository_id=1), seen(decision.record, 9))
    assert [type(one.event) for one in rest.effects if isinstance(one, Send)] == [LockWaits] * 2


def test_a_parked_agent_gets_no_slot_until_admission_looks_again_by_itself() -> None:
    until = build.NOW + timedelta(seconds=60)
    parked = AgentParked(agent="claude", until=until)
    wanted = SlotWanted(job=JOB, since=5, agent="claude")
    board, effects = after(parked, wanted, parked, AgentParked(agent="claude", until=build.NOW))
    assert effects == [(Send(event=SlotsDue(), delay=60),), (), (), ()]
    assert slots_due(SlotsDue(), seen(board, 9, 60)).effects == (Enqueue(job=JOB),)


def test_i2_an_agent_that_is_parked_twice_is_woken_once() -> None:
    until = build.NOW + timedelta(seconds=60)
    board = agent_parked(AgentParked(agent="claude", until=until), seen(None)).record
    again = agent_parked(AgentParked(agent="claude", until=until), seen(board))
    assert again == Decision("0 admitted, 0 wait, 0 hold a slot")
