from datetime import date, timedelta
from decimal import Decimal

import pytest

from app.domain.outcomes import Outcome, Usage
from app.domain.record import Folded, RunSummary, TaskRecord
from app.entry.amounts import Amount, Sum, Used, add, amount
from app.entry.usage import By, UsageRow, sum_usage
from tests.unit import build

UNKNOWN = Usage()
TODAY = build.NOW.date()
KNOWN = build.summary("known", agent="claude", model="opus")
NEXT_DAY = build.summary("next", agent="codex", started_at=build.NOW + timedelta(days=1), attempt=2)
BLIND = build.summary("blind", agent="", usage=UNKNOWN, outcome=Outcome.AGENT_FAILED)


def row(name: str, *runs: RunSummary, about: str = "") -> UsageRow:
    """Make the row of runs that all used what `build.USAGE` says, or nobody knows what."""
    known = sum(run.usage != UNKNOWN for run in runs)
    blind = len(runs) - known

    def total(value: Amount) -> Sum:
        return Sum(value * known if known else None, blind)

    return UsageRow(name, about, len(runs), total(1000), total(200), Sum(None, len(runs)), total(Decimal("0.25")))


def record(*runs: RunSummary, **changes: object) -> TaskRecord:
    return build.record().change(runs=runs, **changes)


# Amounts


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "unknown"),
        (0, "0"),
        (1234567, "1,234,567"),
        (Decimal(0), "$0.00"),
        (Decimal("0.0127"), "$0.0127"),
        (Decimal("1234.5"), "$1,234.50"),
    ],
)
def test_an_amount_is_written_for_people(value: Amount | None, said: str) -> None:
    assert amount(value) == said


@pytest.mark.parametrize(
    ("total", "said"),
    [
        (Sum(1000), "1,000"),
        (Sum(None, 3), "unknown"),
        (Sum(Decimal("0.25"), 1), "at least $0.2500 (1 run unknown)"),
        (Sum(0, 2), "at least 0 (2 runs unknown)"),
    ],
)
def test_a_sum_says_what_is_not_in_it(total: Sum, said: str) -> None:
    assert str(total) == said


def test_what_is_unknown_is_not_added_as_zero() -> None:
    assert add([Sum(None, 1), Sum(None, 2)]) == Sum(None, 3)
    assert add([Sum(None, 1), Sum(0), Sum(5)]) == Sum(5, 1)
    assert add([]) == Sum(None)


@pytest.mark.parametrize(
    ("used", "said"),
    [
        (Used(1200, 50, 200, Decimal("0.0127")), "1,200 in (200 cached), 50 out, cost $0.0127"),
        (Used(1200, 50, None, None), "1,200 in, 50 out, cost unknown"),
        (Used(None, None, None, None), "unknown"),
    ],
)
def test_what_was_used_is_written_for_people(used: Used, said: str) -> None:
    assert str(used) == said


# Sums


def test_all_runs_are_summed_up() -> None:
    report = sum_usage([record(KNOWN, BLIND), record(NEXT_DAY)], None, None)
    assert (report.rows, report.total) == ((), row("all", KNOWN, BLIND, NEXT_DAY))


def test_no_runs_are_no_usage_and_not_zero() -> None:
    assert sum_usage([record()], None, None).total == UsageRow("all", "", 0, Sum(None), Sum(None), Sum(None), Sum(None))


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        (By.TASK, [row("owner/project#12", KNOWN, BLIND), row("owner/project#13", NEXT_DAY)]),
        (By.REPOSITORY, [row("owner/project", KNOWN, BLIND, NEXT_DAY)]),
        (By.AGENT, [row("claude", KNOWN), row("codex", NEXT_DAY), row("unknown", BLIND)]),
        (By.MODEL, [row("opus", KNOWN), row("unknown", BLIND, NEXT_DAY)]),
        (By.DAY, [row("2025-03-01", KNOWN, BLIND), row("2025-03-02", NEXT_DAY)]),
        (
            By.RUN,
            [
                row("blind", BLIND, about="owner/project#12, attempt 1, agent_failed"),
                row("known", KNOWN, about="owner/project#12, attempt 1, delivered"),
                row("next", NEXT_DAY, about="owner/project#13, attempt 2, delivered"),
            ],
        ),
    ],
)
def test_runs_are_summed_up_by(by: By, rows: list[UsageRow]) -> None:
    records = [record(KNOWN, BLIND), record(NEXT_DAY, task=build.task(13))]
    assert list(sum_usage(records, by, None).rows) == rows


def test_only_runs_since_a_day_are_summed_up() -> None:
    report = sum_usage([record(KNOWN, NEXT_DAY)], By.RUN, TODAY + timedelta(days=1))
    assert ([each.name for each in report.rows], report.total.runs, report.undated) == (["next"], 1, 0)


# Runs whose summaries were dropped

FOLDED = Folded(runs=3, cost=Decimal("1.50"))


@pytest.mark.parametrize("by", [By.RUN, By.AGENT, By.MODEL, By.DAY])
def test_runs_that_were_folded_come_first_as_earlier(by: By) -> None:
    first, second = sum_usage([record(KNOWN, folded=FOLDED)], by, None).rows
    blind = Sum(None, 3)
    assert first == UsageRow("earlier", "", 3, blind, blind, blind, Sum(Decimal("1.50")))
    assert second.runs == 1


@pytest.mark.parametrize("by", [By.TASK, By.REPOSITORY])
def test_runs_that_were_folded_still_belong_to_their_task(by: By) -> None:
    [only] = sum_usage([record(KNOWN, folded=FOLDED)], by, None).rows
    assert (only.runs, only.tokens_in, only.cost) == (4, Sum(1000, 3), Sum(Decimal("1.75")))


def test_the_unknown_cost_of_folded_runs_stays_unknown() -> None:
    report = sum_usage([record(KNOWN, folded=Folded(runs=3, cost=None))], None, None)
    assert report.total.cost == Sum(Decimal("0.25"), 3)


@pytest.mark.parametrize(
    ("since", "created", "counted", "undated"),
    [
        (TODAY, build.NOW, 4, 0),  # all of the task is later
        (TODAY + timedelta(days=1), build.NOW - timedelta(days=9), 0, 0),  # the next that is known was earlier
        (TODAY, build.NOW - timedelta(days=9), 1, 3),
    ],
)
def test_folded_runs_are_counted_only_if_their_day_is_certain(
    since: date, created: object, counted: int, undated: int
) -> None:
    report = sum_usage([record(KNOWN, folded=FOLDED, created_at=created)], By.DAY, since)
    assert (report.total.runs, report.undated) == (counted, undated)
