from app.domain.instructions import MOST_KEPT, Instruction, Kind, delivered, for_now, given_back, waiting, with_new
from tests.unit import build
from tests.unit.build import RUN

ONE, TWO = build.instruction("c-1"), build.instruction("c-2")
TOLD = build.instruction("c-3", run_id="run-0")
REVIEW = build.instruction("review-4", kind=Kind.REVIEW)


def many(count: int, run_id: str | None) -> tuple[Instruction, ...]:
    return tuple(build.instruction(f"{run_id}-{number}", run_id=run_id) for number in range(count))


def test_what_no_agent_was_told_waits() -> None:
    assert waiting((ONE, TOLD, REVIEW)) == (ONE, REVIEW)
    assert for_now((ONE, TOLD, REVIEW)) == (ONE,)


def test_i2_an_instruction_is_added_once() -> None:
    assert with_new((ONE, TOLD), ONE, TWO, TOLD.model_copy(update={"run_id": None})) == (ONE, TOLD, TWO)


def test_i12_the_oldest_that_were_told_are_forgotten_and_none_that_waits() -> None:
    known = (ONE, *many(MOST_KEPT - 1, "run-0"))
    assert with_new(known, TWO) == (ONE, *known[2:], TWO)
    waits = many(MOST_KEPT, None)
    assert with_new(waits, TWO) == (*waits, TWO)


def test_what_was_told_is_told_by_one_run() -> None:
    assert delivered((ONE, TWO, TOLD), ("c-1", "c-3", "c-9"), RUN) == (build.instruction("c-1", run_id=RUN), TWO, TOLD)


def test_what_came_to_nothing_waits_again() -> None:
    told = delivered((ONE, TWO, TOLD), ("c-1",), RUN)
    assert given_back(told, RUN) == (ONE, TWO, TOLD)
