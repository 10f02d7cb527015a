from app.domain.admission import Board
from app.domain.lines import DOUBT_AFTER, Line, Lock
from tests.unit import build
from tests.unit.boards import NOW, job_of, waits

LINE = Line(repository=build.repository())
STOPPED = waits(job_of(number=13), locks=("src/a",))


def test_a_task_holds_more_but_never_less_when_it_says_what_it_holds() -> None:
    line = LINE.hold(12, ("src",), NOW).hold(13, ("docs",), NOW).hold(12, ("lib", "src/a"), NOW + 1)
    locks = (Lock(number=12, paths=("src", "lib"), sure=NOW + 1), Lock(number=13, paths=("docs",), sure=NOW))
    assert line.locks == locks


def test_what_is_known_already_is_noted_only_while_others_wait() -> None:
    line = LINE.hold(12, ("src",), NOW)
    assert line.hold(12, ("src",), NOW + 9) is line
    waited_for = line.model_copy(update={"look_at": NOW})
    assert waited_for.hold(12, ("src",), NOW + 9).locks == (Lock(number=12, paths=("src",), sure=NOW + 9),)


def test_a_task_that_holds_nothing_is_not_noted() -> None:
    assert LINE.hold(12, (), NOW) is LINE
    assert LINE.release(12) is LINE


def test_a_job_that_does_not_wait_is_not_taken_out() -> None:
    assert LINE.drop("another") is LINE


def test_who_is_stopped_is_told_with_the_path() -> None:
    free, without = waits(job_of(number=14), locks=("docs",)), waits(job_of(number=15))
    line = LINE.hold(12, ("src",), NOW).want(STOPPED).want(free).want(without)
    assert line.stopped() == [(STOPPED, 12, "src")]
    assert LINE.want(STOPPED).stopped() == []


def test_a_task_is_doubted_that_was_silent_while_others_wait_for_it() -> None:
    line = LINE.hold(12, ("src",), NOW).hold(20, ("docs",), NOW).want(STOPPED)
    assert line.doubted(NOW + DOUBT_AFTER - 1) == []
    assert line.doubted(NOW + DOUBT_AFTER) == [build.task(12)]


def test_a_line_goes_by_the_repositorys_name_of_now() -> None:
    board, renamed = Board().put(LINE.want(STOPPED)), build.repository(name="renamed")
    assert board.line(renamed) == LINE.model_copy(update={"repository": renamed, "waiting": (STOPPED,)})
    assert board.line(build.repository()) is board.lines[1]


def test_an_empty_line_is_not_kept() -> None:
    board = Board()
    assert board.put(LINE) is board
    assert board.put(LINE.want(STOPPED)).put(LINE) == board
