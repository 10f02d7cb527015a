"""What a run used, and when it is ended for it."""

from collections.abc import Iterable
from decimal import Decimal

import pytest

from app.domain.outcomes import Outcome, Usage
from app.domain.policy import RunLimits
from runner.agents.base import AgentEvent, Started, Text, ToolCall, ToolResult, UsageReport
from runner.meter import EMPTY, Cut, Meter


def nothing_changes() -> str:
    return "as it was"


def note_all(meter: Meter, events: Iterable[AgentEvent]) -> Cut | None:
    """Note events until one ends the run."""
    return next((cut for event in events if (cut := meter.note(event))), None)


def calls(count: int, output: str = "output {0}", command: str = "step {0}") -> list[AgentEvent]:
    pairs = (
        (
            ToolCall("bash", {"command": command.format(each)}, str(each)),
            ToolResult(True, output.format(each), str(each)),
        )
        for each in range(count)
    )
    return [event for pair in pairs for event in pair]


def test_reports_are_added_up() -> None:
    meter = Meter(RunLimits(), nothing_changes)
    reports = [UsageReport(1000, 50, 200, Decimal("0.5")), UsageReport(10, 5, 0, Decimal("0.25"))]
    assert note_all(meter, reports) is None
    assert meter.usage == Usage(tokens_in=1010, tokens_out=55, tokens_cached=200, cost=Decimal("0.75"))


def test_i10_what_is_unknown_of_one_report_is_unknown_of_all() -> None:
    meter = Meter(RunLimits(), nothing_changes)
    note_all(meter, [UsageReport(10, 5, None, Decimal(1)), UsageReport(10, None, 0, None)])
    assert meter.usage == Usage(tokens_in=20)


def test_i10_no_report_is_no_knowledge() -> None:
    meter = Meter(RunLimits(), nothing_changes)
    assert note_all(meter, [Started("s", "m"), *calls(3)]) is None
    assert meter.usage == Usage()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (RunLimits(tokens=2000), "2,100 tokens of 2,000 are spent"),
        (RunLimits(cost=Decimal("0.99")), "$1.00 of $0.99 is spent"),
    ],
)
def test_a_budget_that_is_spent_ends_the_run(limits: RunLimits, reason: str) -> None:
    meter = Meter(limits, nothing_changes)
    reports = [UsageReport(1000, 50, 0, Decimal("0.5"))] * 2
    assert note_all(meter, reports) == Cut(Outcome.BUDGET_SPENT, reason)


def test_i10_an_unknown_cost_reaches_no_limit() -> None:
    meter = Meter(RunLimits(cost=Decimal("0.01")), nothing_changes)
    assert note_all(meter, [UsageReport(10_000, 10_000, None, None)] * 10) is None


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (RunLimits(tokens=2000), "2,000 tokens of 2,000 are spent"),
        (RunLimits(cost=Decimal(1)), "$1.00 of $1.00 is spent"),
    ],
)
def test_i12_what_is_known_reaches_a_limit_though_something_else_is_not(limits: RunLimits, reason: str) -> None:
    reports = [
        UsageReport(1000, 0, 0, Decimal("0.5")),
        UsageReport(None, None),
        UsageReport(1000, 0, 0, Decimal("0.5")),
    ]
    meter = Meter(limits, nothing_changes)
    assert note_all(meter, reports) == Cut(Outcome.BUDGET_SPENT, reason)
    assert meter.usage == Usage()


def test_i12_tool_calls_are_bounded() -> None:
    cut = note_all(Meter(RunLimits(tool_calls=5), nothing_changes), calls(9))
    assert cut == Cut(Outcome.BUDGET_SPENT, "it used 5 tool calls, which is the limit")


def test_the_same_result_of_the_same_call_three_times_in_a_row_is_a_stall() -> None:
    meter = Meter(RunLimits(), nothing_changes)
    cut = note_all(meter, calls(9, "error", "make"))
    assert cut == Cut(Outcome.STALLED, "the same tool call gave the same result 3 times in a row: bash make")
    assert meter.tool_calls == 3


def test_the_same_result_of_different_calls_is_none() -> None:
    assert note_all(Meter(RunLimits(), nothing_changes), calls(9, "ok")) is None


def test_the_same_result_of_calls_that_were_not_told_is_none() -> None:
    meter = Meter(RunLimits(), nothing_changes)
    assert note_all(meter, [ToolResult(True, "written", str(each)) for each in range(9)]) is None


def test_long_calls_are_told_apart_by_all_that_they_hold() -> None:
    meter = Meter(RunLimits(), nothing_changes)
    assert note_all(meter, calls(9, "written", f"{'x' * 10_000} {{0}}")) is None
    assert note_all(Meter(RunLimits(), nothing_changes), calls(9, "written", "x" * 10_000)) is not None


def test_a_call_that_is_repeated_between_others_is_none() -> None:
    again = calls(1, "error", "make")
    assert note_all(Meter(RunLimits(), nothing_changes), [*again, *calls(2), *again, *calls(2), *again]) is None


def test_calls_that_change_nothing_and_bring_nothing_new_are_a_stall() -> None:
    meter = Meter(RunLimits(stall_calls=4), nothing_changes)
    cut = note_all(meter, calls(9, "ok"))
    assert cut == Cut(Outcome.STALLED, "4 tool calls changed no file and brought nothing new")
    assert meter.tool_calls == 6  # the first one's result was new


def test_a_changed_file_is_progress() -> None:
    looks = iter(range(100))
    assert note_all(Meter(RunLimits(stall_calls=4), lambda: str(next(looks))), calls(50, "ok")) is None


def test_something_new_that_is_said_is_progress() -> None:
    events = [event for each in range(20) for event in (Text(f"thought {each}"), *calls(3, "ok"))]
    varied = [
        ToolCall("bash", {"command": str(place)}, event.id) if isinstance(event, ToolCall) else event
        for place, event in enumerate(events)
    ]
    assert note_all(Meter(RunLimits(stall_calls=4), nothing_changes), varied) is None


def test_a_model_that_answers_nothing_again_and_again_ends_the_run() -> None:
    cut = note_all(Meter(RunLimits(), nothing_changes), [UsageReport(1, 1)] * EMPTY)
    assert cut == Cut(Outcome.STALLED, "the model answered 20 times in a row with no word and no tool call")


@pytest.mark.parametrize("word", [Text("so"), ToolCall("bash", {}, "1")])
def test_answers_that_hold_something_are_not_empty(word: AgentEvent) -> None:
    events = [*[UsageReport(1, 1)] * (EMPTY - 1), word]
    assert note_all(Meter(RunLimits(), nothing_changes), [*events, *events]) is None
