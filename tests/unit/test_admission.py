from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from app.domain.admission import Board, Waiting
from app.domain.jobs import Job, run_job
from tests.unit import build
from tests.unit.build import JOB
from tests.unit.draw import examine

JOBS = [
    run_job(build.task(number, build.repository(installation, installation)), 1)
    for installation in (1, 2, 3)
    for number in range(1, 6)
]
wants = st.tuples(st.just("want"), st.sampled_from(JOBS), st.integers(0, 9))
frees = st.tuples(st.just("free"), st.sampled_from(JOBS), st.just(0))
steps = st.lists(wants | wants | frees, max_size=40)
limits = st.integers(0, 6)


def installation(job: Job) -> int:
    return job.task.repository.installation_id


@examine
@given(steps, limits)
def test_i12_slots_are_bounded_and_no_job_is_lost_or_doubled(todo: list[tuple[str, Job, int]], limit: int) -> None:
    board, present = Board(), dict[str, Job]()
    for kind, job, since in todo:
        if kind == "want":
            board = board.want(job, since)
            present[job.id] = job
        else:
            board = board.free(job.id)
            present.pop(job.id, None)
        before = board
        board, admitted = before.admit(limit)
        assert len(board.holding) == min(limit, len(present))
        assert {**{name: one.job for name, one in board.waiting.items()}, **board.holding} == present
        assert board.waiting.keys() & board.holding.keys() == set()
        assert Counter(job.id for job in admitted) == Counter(board.holding.keys() - before.holding.keys())


@examine
@given(st.lists(st.tuples(st.sampled_from(JOBS), st.integers(0, 9)), max_size=20), limits)
def test_slots_are_shared_fairly_between_installations(asked: list[tuple[Job, int]], limit: int) -> None:
    board = Board()
    for job, since in asked:
        board = board.want(job, since)
    board, admitted = board.admit(limit)
    held = Counter(installation(job) for job in admitted)
    waiting = {installation(one.job) for one in board.waiting.values()}
    assert all(held[poor] + 1 >= rich for poor in waiting for rich in held.values())


@examine
@given(st.lists(st.tuples(st.sampled_from(JOBS[:5]), st.integers(0, 9)), max_size=10), limits)
def test_in_one_installation_the_oldest_goes_first(asked: list[tuple[Job, int]], limit: int) -> None:
    board = Board()
    for job, since in asked:
        board = board.want(job, since)
    ages = {name: one.since for name, one in board.waiting.items()}
    _, admitted = board.admit(limit)
    assert [ages[job.id] for job in admitted] == sorted(ages.values())[: len(admitted)]


def test_i2_a_job_that_waits_keeps_its_place_when_asked_for_again() -> None:
    board = Board().want(JOB, 5)
    assert board.want(JOB, 1) == board == Board(waiting={JOB.id: Waiting(job=JOB, since=5)})


def test_i2_a_job_that_holds_a_slot_gets_no_second() -> None:
    board, _ = Board().want(JOB, 5).admit(3)
    assert board.want(JOB, 6).admit(3) == (Board(holding={JOB.id: JOB}), ())


def test_a_job_that_is_not_there_frees_nothing() -> None:
    board = Board(holding={JOB.id: JOB})
    assert board.free("another") == board


def test_a_lowered_limit_takes_no_slot_away() -> None:
    board = Board(holding={job.id: job for job in JOBS[:3]}).want(JOBS[4], 0)
    assert board.admit(2) == (board, ())


def test_a_board_survives_json() -> None:
    board, _ = Board().want(JOBS[0], 1).want(JOBS[1], 2.5).admit(1)
    assert Board.model_validate_json(board.model_dump_json()) == board


@examine
@given(st.lists(st.sampled_from(JOBS), max_size=15), limits, st.integers(1, 3))
def test_i12_a_repository_has_no_more_runs_than_it_wants_and_holds_up_no_other(
    asked: list[Job], limit: int, most: int
) -> None:
    board = Board()
    for job in asked:
        board = board.want(job, 0, most if job.task.repository.id == 1 else None)
    board, admitted = board.admit(limit)
    of_first = [job for job in admitted if job.task.repository.id == 1]
    wanted = Counter(job.task.repository.id == 1 for job in set(asked))
    assert len(of_first) <= most
    assert len(admitted) == min(limit, min(most, wanted[True]) + wanted[False])


def test_a_limit_is_changed_for_one_repository_only() -> None:
    one, other = JOBS[0], JOBS[5]
    board = Board().want(one, 0).want(other, 0, 2).limit(1, 3)
    assert board == Board().want(one, 0, 3).want(other, 0, 2)
