from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from app.domain.complexity import Complexity
from app.domain.ledger import KEPT, REMEMBERED, Experience, Ledger

AT = datetime(2025, 3, 31, 23, 59, tzinfo=UTC)
DAY = date(2025, 3, 31)
COST = Decimal("1.25")


def test_costs_add_up_by_day_and_repository_and_by_month() -> None:
    ledger = Ledger().add("a", 1, COST, AT).add("b", 1, COST, AT).add("c", 2, COST, AT)
    ledger = ledger.add("d", 1, COST, AT - timedelta(days=1)).add("e", 1, COST, AT + timedelta(minutes=1))
    assert (ledger.of_day(1, DAY), ledger.of_day(2, DAY), ledger.of_day(3, DAY)) == (2 * COST, COST, Decimal(0))
    assert (ledger.of_month(DAY), ledger.of_month(date(2025, 4, 7))) == (4 * COST, COST)
    assert ledger.of_month(date(2025, 5, 1)) == 0


def test_i2_a_run_counts_once() -> None:
    once = Ledger().add("a", 1, COST, AT)
    assert once.add("a", 1, COST, AT + timedelta(days=1)) is once


def test_i10_an_unknown_cost_is_counted_as_unknown() -> None:
    assert Ledger().add("a", 1, None, AT) == Ledger(unknown=1, runs=("a",))


def test_i12_old_days_and_runs_are_forgotten() -> None:
    ledger = Ledger().add("old", 1, COST, AT - KEPT - timedelta(days=1))
    for number in range(REMEMBERED):
        ledger = ledger.add(f"r{number}", 1, Decimal(0), AT)
    assert (list(ledger.days), len(ledger.runs), ledger.runs[0]) == ([DAY.isoformat()], REMEMBERED, "r0")


def test_a_ledger_survives_the_store() -> None:
    ledger = Ledger().add("a", 1, Decimal("0.1"), AT)
    assert Ledger.model_validate(ledger.model_dump(mode="json")) == ledger


def test_what_runs_of_an_agent_cost_is_estimated_from_those_whose_cost_is_known() -> None:
    ledger = Ledger().learn("a", Complexity.SIMPLE, COST, 10, succeeded=True)
    ledger = ledger.learn("a", Complexity.SIMPLE, 3 * COST, 20, succeeded=False)
    ledger = ledger.learn("a", Complexity.SIMPLE, None, 30, succeeded=True).learn("a", None, COST, 5, succeeded=True)
    assert ledger.seen("a", Complexity.SIMPLE) == Experience(runs=3, successes=2, cost=4 * COST, priced=2, seconds=60)
    assert (ledger.estimate("a", Complexity.SIMPLE), ledger.estimate("a")) == (2 * COST, COST)


def test_i10_where_nothing_is_known_nothing_is_estimated() -> None:
    ledger = Ledger().learn("a", Complexity.SIMPLE, None, 10, succeeded=True)
    assert [ledger.estimate("a", Complexity.SIMPLE), ledger.estimate("a"), ledger.estimate("b")] == [None] * 3
