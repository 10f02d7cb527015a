from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.outcomes import Usage
from app.domain.record import MOST_HEARD, MOST_KEYS, TaskRecord
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


@examine
@given(st.lists(st.tuples(st.integers(1, 200), st.sets(st.text("abc", max_size=3), max_size=30)), max_size=120))
def test_i2_what_was_heard_of_a_comment_is_never_new_again(said: list[tuple[int, set[str]]]) -> None:
    record = build.record()
    for number, keys in said:
        record = record.hear(number, keys)
    assert len(record.heard) <= MOST_HEARD
    assert all(len(one.keys) <= MOST_KEYS for one in record.heard)
    assert all(record.is_over(number) or keys <= record.has_heard(number) for number, keys in said)


@examine
@given(st.lists(st.integers(1, 200), max_size=120), st.integers(1, 201))
def test_i2_a_review_that_was_met_stays_so_and_later_ones_are_new(met: list[int], other: int) -> None:
    record = build.record()
    for number in met:
        record = record.meet(number)
    assert len(record.reviews) <= MOST_HEARD
    assert all(record.has_met(number) for number in met)
    assert record.has_met(other) is (other in met or other <= record.met_up_to)


def test_heads_that_orch_made_are_known() -> None:
    runs = (build.summary(head_sha=build.OTHER_SHA), build.summary(head_sha=None))
    assert build.record(head_sha=build.SHA, runs=runs).own_heads == {build.SHA, build.OTHER_SHA}
    assert build.record(head_sha=build.SHA, own_head=False).own_heads == frozenset()
    assert build.record().own_heads == frozenset()


def test_what_holds_for_one_status_goes_with_it() -> None:
    known = build.record(notice="N", asked=build.QUESTION, spent_share=80, left_open=True)
    after = known.advance(Trigger.PARK, "So.")
    assert (after.notice, after.asked, after.spent_share, after.left_open) == ("", None, None, False)
