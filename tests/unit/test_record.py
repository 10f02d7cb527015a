from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.outcomes import Usage
from app.domain.record import TaskRecord
from app.domain.task import Status, Trigger
from tests.unit import build
from tests.unit.draw import examine, records, unknown_or_cost

PRICED = Usage(tokens_in=1, tokens_out=1, cost=Decimal("0.10"))
UNPRICED = Usage(tokens_in=1, tokens_out=1)


def test_i4_advance_moves_the_status_says_why_and_forgets_the_notice() -> None:
    before = build.record(Status.ROUTED, notice="Moved by hand.")
    after = before.advance(Trigger.START, "It began.", run_id="run-2")
    assert after == build.record(Status.IN_PROGRESS, why="It began.", notice="", run_id="run-2")


def test_i4_advance_takes_no_status_by_the_side() -> None:
    with pytest.raises(ValueError, match=r"only advance\(\) moves a status"):
        build.record(Status.ROUTED).advance(Trigger.START, "It began.", status=Status.DONE)


@examine
@given(st.sampled_from(Status), st.sampled_from(Status))
def test_i4_change_refuses_a_status(now: Status, wanted: Status) -> None:
    with pytest.raises(ValueError, match=r"only advance\(\) moves a status"):
        build.record(now).change(status=wanted, why="By hand.")


def test_i4_a_status_cannot_be_assigned() -> None:
    with pytest.raises(ValidationError, match="Instance is frozen"):
        build.record().status = Status.DONE  # type: ignore[misc]  # that it is refused is the point


def test_change_changes_what_it_names_and_nothing_else() -> None:
    before = build.record()
    assert before.change(head_sha=build.SHA, pull=3).model_dump() == {
        **before.model_dump(),
        "head_sha": build.SHA,
        "pull": 3,
    }


def test_the_group_is_that_of_the_task() -> None:
    assert build.record().group == "repository:1/12"


@pytest.mark.parametrize(
    ("usages", "cost"),
    [
        ((), None),
        ((PRICED,), Decimal("0.10")),
        ((PRICED, PRICED), Decimal("0.20")),
        ((UNPRICED,), None),
        ((PRICED, UNPRICED), None),
        ((Usage(cost=Decimal(0)),), Decimal(0)),
    ],
)
def test_i10_an_unknown_cost_is_not_zero(usages: tuple[Usage, ...], cost: Decimal | None) -> None:
    runs = tuple(build.summary(usage=usage) for usage in usages)
    assert build.record(runs=runs).cost == cost


@examine
@given(st.lists(unknown_or_cost, min_size=1, max_size=5))
def test_i10_one_unknown_makes_the_sum_unknown(costs: list[Decimal | None]) -> None:
    record = build.record(runs=tuple(build.summary(usage=Usage(cost=cost)) for cost in costs))
    known = [cost for cost in costs if cost is not None]
    assert record.cost == (sum(known) if len(known) == len(costs) else None)


@examine
@given(records())
def test_a_record_survives_json(record: TaskRecord) -> None:
    assert TaskRecord.model_validate_json(record.model_dump_json()) == record


def test_a_field_that_a_record_does_not_have_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="a record has no colour"):
        build.record().change(colour="red")
