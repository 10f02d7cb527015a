from collections import Counter
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from app.boards import pack_head, pack_line, unpack_head, unpack_line
from app.domain.admission import LATE, MOST_LATE, MOST_SERVED, Board
from app.domain.jobs import PRIORITIES, Job
from app.domain.lines import Waiting
from app.domain.locks import overlap
from app.domain.policy import Policy
from tests.unit.boards import NOW, board_of, held, job_of, policy_of, waits
from tests.unit.draw import examine, examine_few

PLACES = ((1, 1), (2, 1), (3, 2), (4, 3))
JOBS = [job_of(repository, number, installation) for repository, installation in PLACES for number in range(1, 6)]
AGENTS = ("", "claude", "codex")
PATHS = st.lists(st.sampled_from(("src", "src/a", "src/b", "docs", "lib/*.py")), max_size=2, unique=True).map(tuple)
WANTED = st.builds(
    Waiting,
    job=st.sampled_from(JOBS),
    since=st.integers(0, 9),
    priority=st.sampled_from(PRIORITIES),
    agent=st.sampled_from(AGENTS),
    locks=PATHS,
)
STEPS = st.lists(WANTED | WANTED | st.sampled_from(JOBS), max_size=40)
limits = st.none() | st.integers(1, 3)
POLICIES = st.builds(
    policy_of, st.integers(0, 6), max_per_installation=limits, max_per_repository=limits, max_per_agent=limits
)


def play(steps: list[Waiting | Job], policy: Policy, check: Callable[[Board], None], most: int | None = None) -> Board:
    """Want and free in this order, each followed by giving away what is free."""
    board = Board()
    for step in steps:
        board = board.want(step, most, NOW) if isinstance(step, Waiting) else board.free(step.id, NOW)
        board, _ = board.admit(policy, NOW, 99)
        check(board)
    return board


def drain(board: Board, policy: Policy) -> list[Waiting]:
    """Let all run and end, one after another, their locks with them, and return who had a slot."""
    served = list[Waiting]()
    for _ in range(1000):
        board, admitted = board.admit(policy, NOW, 99)
        served += admitted
        if not board.holding:
            break
        ended = next(iter(board.holding.values())).job
        board = board.free(ended.id, NOW)
        board = board.put(board.line(ended.task.repository).release(ended.task.number))
    return served


@examine
@given(STEPS, POLICIES, limits)
def test_i12_no_limit_is_ever_passed(steps: list[Waiting | Job], policy: Policy, most: int | None) -> None:
    def check(board: Board) -> None:
        jobs = [(one.job.task.repository, one.agent) for one in board.holding.values()]
        assert len(jobs) <= policy.max_parallel
        for names, bound in (
            ([repository.installation_id for repository, _ in jobs], policy.max_per_installation),
            ([repository.id for repository, _ in jobs], policy.max_per_repository),
            ([repository.id for repository, _ in jobs], most),
            ([agent for _, agent in jobs if agent], policy.max_per_agent),
        ):
            assert bound is None or max(Counter(names).values(), default=0) <= bound

    play(steps, policy, check, most)


@examine
@given(STEPS, POLICIES)
def test_no_two_tasks_are_given_paths_that_overlap(steps: list[Waiting | Job], policy: Policy) -> None:
    first = dict[tuple[int, int], tuple[str, ...]]()
    steps = [
        step.model_copy(
            update={"locks": first.setdefault((step.job.task.repository.id, step.job.task.number), step.locks)}
        )
        if isinstance(step, Waiting)
        else step
        for step in steps
    ]

    def check(board: Board) -> None:
        for line in board.lines.values():
            paths = [(lock.number, path) for lock in line.locks for path in lock.paths]
            assert not any(overlap(a, b) for one, a in paths for other, b in paths if one != other)

    play(steps, policy, check)


@examine
@given(STEPS)
def test_no_job_is_lost_or_doubled(steps: list[Waiting | Job]) -> None:
    present, freed = set[str](), set[str]()
    for step in steps:
        if isinstance(step, Waiting) and step.job.id not in freed:
            present.add(step.job.id)
        elif isinstance(step, Job):
            freed |= set() if step.id in present else {step.id}
            present.discard(step.id)
    board = play(steps, policy_of(3), lambda board: None)
    assert board.waiting.keys() & board.holding.keys() == set()
    assert board.waiting.keys() | board.holding.keys() == present


@examine
@given(STEPS, st.integers(1, 6))
def test_nobody_waits_for_ever(steps: list[Waiting | Job], parallel: int) -> None:
    policy = policy_of(parallel, max_per_installation=2, max_per_agent=1)
    board = play(steps, policy, lambda board: None)
    waiting = board.waiting
    for line in board.lines.values():
        for lock in line.locks:
            if not any(held.job.task.number == lock.number for held in board.holding.values()):
                board = board.put(board.line(line.repository).release(lock.number))
    assert sorted(one.job.id for one in drain(board, policy)) == sorted(waiting)


def busy(installations: int, repositories: int, jobs: int) -> Board:
    """Let each installation want the same, but one after another: by age, the first would have all slots first."""
    wanted = [
        waits(job_of(10 * installation + repository, number, installation), since=installation)
        for installation in range(1, installations + 1)
        for repository in range(repositories)
        for number in range(jobs)
    ]
    return board_of(*wanted)


@examine_few
@given(st.integers(2, 5), st.integers(1, 9))
def test_installations_take_turns_where_slots_come_free_one_at_a_time(installations: int, slots: int) -> None:
    served = Counter[int]()
    board, policy = busy(installations, 2, 20), policy_of(slots)
    for _ in range(6 * installations):
        board, admitted = board.admit(policy, NOW, 99)
        served.update(one.job.task.repository.installation_id for one in admitted)
        assert max(served.values()) - min(served[one + 1] for one in range(installations)) <= 1
        board = board.free(next(iter(board.holding)), NOW)


@examine_few
@given(st.integers(2, 4), st.integers(1, 6), st.randoms(use_true_random=False))
def test_in_each_round_of_all_slots_installations_get_as_many(installations: int, slots: int, chance: object) -> None:
    assert hasattr(chance, "shuffle")
    board, policy = busy(installations, 2, 20), policy_of(slots)
    board, _ = board.admit(policy, NOW, 99)
    for _ in range(3):
        ending, served = list(board.holding), Counter[int]()
        chance.shuffle(ending)
        for job_id in ending:
            board, admitted = board.free(job_id, NOW).admit(policy, NOW, 99)
            served.update(one.job.task.repository.installation_id for one in admitted)
        assert max(served.values()) - min(served[one + 1] for one in range(installations)) <= 1


def test_repositories_of_an_installation_take_turns() -> None:
    served = drain(busy(1, 3, 4), policy_of(1))
    turns = [one.job.task.repository.id for one in served]
    assert [sorted(turns[index : index + 3]) for index in range(0, 12, 3)] == [[10, 11, 12]] * 4


def test_a_repository_that_comes_and_goes_does_not_keep_another_waiting() -> None:
    one, two = job_of(1, 1), job_of(1, 2)
    board, _ = board_of(one, job_of(2, 1)).admit(policy_of(1), NOW, 9)
    board, _ = board.free(one.id, NOW).want(waits(two), None, NOW).admit(policy_of(1), NOW, 9)
    assert list(board.holding) == [job_of(2, 1).id]


def test_in_a_repository_the_priority_counts_first_and_then_the_age() -> None:
    wanted = [waits(job_of(number=n), since=9 - n, priority=PRIORITIES[n % 3]) for n in range(6)]
    served = [one.job.task.number for one in drain(board_of(*wanted), policy_of(1))]
    assert served == [3, 0, 4, 1, 5, 2]


def test_i2_a_job_that_waits_keeps_its_age_when_asked_for_again_and_takes_what_is_new() -> None:
    board = board_of(waits(job_of(), 5), waits(job_of(), 1, priority="high", agent="claude", locks=("src",)))
    assert list(board.waiting.values()) == [waits(job_of(), 5, priority="high", agent="claude", locks=("src",))]
    assert board.want(waits(job_of(), 1, priority="high", agent="claude", locks=("src",)), None, NOW) is board


def test_i2_a_job_that_has_a_slot_gets_no_second() -> None:
    board = board_of(holding=[job_of()])
    assert board.want(waits(job_of()), None, NOW) is board


def test_i2_a_job_that_was_freed_before_it_was_wanted_is_not_taken_for_a_while() -> None:
    board = Board().free(job_of().id, NOW)
    assert board.free(job_of().id, NOW + 1) is board
    assert board.want(waits(job_of()), None, NOW + LATE - 1) is board
    assert list(board.want(waits(job_of()), None, NOW + LATE).waiting) == [job_of().id]


def test_i12_what_is_remembered_of_jobs_that_were_freed_too_soon_is_bounded() -> None:
    board = Board()
    for number in range(MOST_LATE + 5):
        board = board.free(f"job-{number}", NOW)
    assert [len(board.late), "job-4" in board.late, "job-5" in board.late] == [MOST_LATE, False, True]
    assert list(board.free("another", NOW + LATE).late) == ["another"]


def test_i12_what_is_remembered_of_turns_is_bounded() -> None:
    turns = {number: number + 1 for number in range(MOST_SERVED)}
    board = board_of(job_of(repository=0)).model_copy(update={"repositories": turns, "turn": MOST_SERVED})
    after, _ = board.admit(policy_of(1), NOW, 1)
    assert list(after.repositories.items())[-2:] == [(MOST_SERVED - 1, MOST_SERVED), (0, MOST_SERVED + 1)]
    after, _ = after.want(waits(job_of(repository=5000)), None, NOW).admit(policy_of(2), NOW, 1)
    assert (len(after.repositories), 1 in after.repositories) == (MOST_SERVED, False)


def test_a_lowered_limit_takes_no_slot_away() -> None:
    board = board_of(JOBS[4], holding=JOBS[:3])
    assert board.admit(policy_of(2), NOW, 9) == (board, ())


def test_a_limit_is_changed_for_one_repository_only() -> None:
    board = board_of(JOBS[0], JOBS[5], most=2)
    limited = board.limit(1, 3)
    assert (limited.lines[1].most, limited.lines[2].most) == (3, 2)
    assert limited.limit(1, 3) is limited
    assert limited.limit(77, 3) is limited


def test_i12_no_more_slots_are_given_away_at_once_than_asked() -> None:
    board, admitted = board_of(*JOBS[:5]).admit(policy_of(4), NOW, 3)
    assert (len(admitted), len(board.holding)) == (3, 3)


def test_an_agent_that_is_parked_gets_no_slot_and_keeps_no_other_waiting() -> None:
    board = board_of(waits(JOBS[0], 0, agent="claude"), waits(JOBS[1], 1, agent="codex"))
    board, admitted = board.park("claude", NOW + 60, NOW).admit(policy_of(), NOW, 9)
    assert [one.job for one in admitted] == [JOBS[1]]
    board, admitted = board.admit(policy_of(), NOW + 60, 9)
    assert ([one.job for one in admitted], board.parked) == ([JOBS[0]], {})


def test_a_shorter_time_never_shortens_how_long_an_agent_is_parked() -> None:
    board = Board().park("claude", NOW + 60, NOW)
    assert board.park("claude", NOW + 30, NOW) is board
    assert board.park("codex", NOW, NOW) is board
    assert board.park("claude", NOW + 90, NOW).parked == {"claude": NOW + 90}


def test_an_agent_at_its_limit_keeps_no_other_waiting() -> None:
    wanted = [waits(JOBS[n], n, agent="claude" if n % 5 < 2 else "") for n in (0, 1, 2, 5, 6)]
    board, admitted = board_of(*wanted).admit(policy_of(9, max_per_agent=1), NOW, 9)
    assert Counter(one.agent for one in admitted) == {"claude": 1, "": 1}
    assert held(JOBS[0], agent="claude").items() <= board.holding.items()


def test_locks_outlast_their_job_and_stop_others_until_they_are_released() -> None:
    first, other = waits(JOBS[0], 0, locks=("src",)), waits(JOBS[1], 1, locks=("src/a",))
    board, admitted = board_of(first, other).admit(policy_of(), NOW, 9)
    board, still = board.free(JOBS[0].id, NOW).admit(policy_of(), NOW, 9)
    released = board.put(board.line(JOBS[0].task.repository).release(JOBS[0].task.number))
    _, at_last = released.admit(policy_of(), NOW, 9)
    assert (admitted, still, at_last) == ((first,), (), (other,))


@examine
@given(STEPS, st.integers(0, 6))
def test_a_board_survives_the_store(steps: list[Waiting | Job], parallel: int) -> None:
    board = play(steps, policy_of(parallel), lambda board: None).park("claude", NOW + 5, NOW)
    lines = [unpack_line(pack_line(line)) for line in board.lines.values()]
    assert unpack_head(pack_head(board), lines) == board
