"""What the next run may cost: the least of all caps, and what a person allowed on top."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from app.budgets import Budgets, Caps, least, spent_within
from app.domain.ledger import Ledger
from app.domain.outcomes import Usage
from app.domain.policy import Policy, RunLimits
from app.domain.record import RunSummary
from app.ports import Document, Store
from app.records import Records
from tests.unit import build
from tests.unit.build import NOW
from tests.unit.ports import FakeStore, StillClock

POLICY_5 = Policy(
    limits=RunLimits(cost=Decimal(5)),
    max_task_cost=Decimal(20),
    max_day_cost=Decimal(30),
    max_month_cost=Decimal(40),
    task_window_days=10,
)


def ran(cost: str | None, days: float = 0) -> RunSummary:
    return build.summary(usage=Usage(cost=Decimal(cost) if cost else None), ended_at=NOW - timedelta(days=days))


def spent(cost: str, repository: int = 1, days: int = 0) -> Ledger:
    return Ledger().add("r", repository, Decimal(cost), NOW - timedelta(days=days))


@pytest.mark.parametrize(
    ("runs", "ledger", "run"),
    [
        ((), Ledger(), "5"),
        ((ran("17"),), Ledger(), "3"),
        ((ran("17", 11),), Ledger(), "5"),
        ((ran("17", 9), ran(None)), Ledger(), "3"),
        ((), spent("28"), "2"),
        ((), spent("28", days=1), "5"),
        ((), spent("38", repository=2), "2"),
        ((), spent("38", repository=2, days=1), "5"),
    ],
    ids=["nothing", "task", "task long ago", "unknown", "day", "yesterday", "month", "last month"],
)
def test_the_least_of_all_caps_counts(runs: tuple[RunSummary, ...], ledger: Ledger, run: str) -> None:
    assert least(build.record(runs=runs), ledger, POLICY_5, NOW) == Caps(Decimal(run))


@pytest.mark.parametrize(
    ("runs", "ledger", "said"),
    [
        ((ran("20"),), Ledger(), "this task's runs cost $20.00 within 10 days, and at most $20.00 is allowed."),
        ((), spent("30.5"), "this repository's runs cost $30.50 today (UTC), and at most $30.00 is allowed."),
        ((), spent("41", 2), "this installation's runs cost $41.00 this month, and at most $40.00 is allowed."),
    ],
)
def test_i12_a_cap_that_is_reached_lets_nothing_begin_and_is_named(
    runs: tuple[RunSummary, ...], ledger: Ledger, said: str
) -> None:
    assert least(build.record(runs=runs), ledger, POLICY_5, NOW) == Caps(Decimal(0), said)


def test_a_run_without_a_limit_of_its_own_may_spend_what_is_left() -> None:
    policy = POLICY_5.model_copy(update={"limits": RunLimits(cost=None)})
    assert least(build.record(), Ledger(), policy, NOW) == Caps(Decimal(20))


def test_i10_only_what_is_known_adds_up() -> None:
    assert spent_within(build.record(runs=(ran("1"), ran(None), ran("2", 3))), 2, NOW) == 1


def budgets(store: FakeStore) -> Budgets:
    return Budgets(Records(cast(Store, store)), StillClock())


def keep(store: FakeStore, partition: str, key: str, value: Any) -> None:
    store.documents[partition, key] = Document(key, 1, value)


async def test_what_was_spent_is_read_from_the_ledger_of_the_installation() -> None:
    store = FakeStore()
    assert await budgets(store).caps(build.record(), POLICY_5) == Caps(Decimal(5))
    keep(store, "installation:5", "record/ledger", spent("29").model_dump(mode="json"))
    assert await budgets(store).caps(build.record(), POLICY_5) == Caps(Decimal(1))


async def test_what_a_person_allowed_comes_on_top() -> None:
    store = FakeStore()
    assert await budgets(store).caps(build.record(allowance=Decimal(7)), POLICY_5) == Caps(Decimal(12))
    keep(store, "installation:5", "record/ledger", spent("1000").model_dump(mode="json"))
    assert await budgets(store).caps(build.record(allowance=Decimal(7)), POLICY_5) == Caps(Decimal(7))
