"""What a run used, and whether that is enough: counts, costs, and signs that it does not get on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

from app.domain.outcomes import Outcome, Usage, total
from app.domain.policy import RunLimits
from runner.agents.base import AgentEvent, Text, ToolCall, ToolResult, UsageReport

SAME = 3
"""Times that the same call with the same result may come one after the other."""
EMPTY = 20
"""Answers of the model in a row that may hold nothing: opencode asks again for ever where a server is none."""
MOST_KNOWN = 50_000
"""Things said that are remembered; past them all counts as new once more."""
SHOWN = 200
"""Characters of a call that are kept, besides what tells it from others."""

Price = Callable[[Usage], Decimal | None]


@dataclass(frozen=True, slots=True)
class Cut:
    """Why a run is ended before its agent is done."""

    outcome: Outcome
    reason: str


class Meter:
    """Adds up what a run uses; `note` says when it is to end.

    `look` returns something that changes whenever a file of the workspace does: it is called seldom, as it costs.
    """

    def __init__(self, limits: RunLimits, look: Callable[[], str]) -> None:
        self._limits = limits
        self._look = look
        self._seen = look()
        self._calls: dict[str, str] = {}
        self._known: set[bytes] = set()
        self._last = b""
        self._repeated = 0
        self._idle = 0
        self._empty = 0
        self._reports: Usage | None = None
        self._least = total([])
        self.tool_calls = 0

    @property
    def usage(self) -> Usage:
        """Return what was reported so far; nothing reported is nothing known."""
        return self._reports or Usage()

    def begin_again(self) -> None:
        """Begin a further turn: what is repeated in it was asked for."""
        self._last, self._repeated, self._idle, self._empty = b"", 0, 0, 0
        self._calls.clear()

    def note(self, event: AgentEvent) -> Cut | None:
        """Take an event into account; return why the run is to end now, if it is."""
        if isinstance(event, Text | ToolCall | ToolResult):
            self._empty = 0
        match event:
            case Text(text=text):
                self._is_new(text.encode(errors="replace"))
            case ToolCall():
                return self._called(event)
            case ToolResult():
                return self._answered(event)
            case UsageReport():
                return self._spend(event)
        return None

    def _check(self) -> Cut | None:
        """Say whether the known part is all that a run may use; what is unknown reaches no limit."""
        usage = self._least
        tokens = (usage.tokens_in or 0) + (usage.tokens_out or 0)
        limits = self._limits
        if limits.tokens is not None and tokens >= limits.tokens:
            return Cut(Outcome.BUDGET_SPENT, f"{tokens:,} tokens of {limits.tokens:,} are spent")
        if limits.cost is not None and usage.cost is not None and usage.cost >= limits.cost:
            return Cut(Outcome.BUDGET_SPENT, f"${usage.cost:.2f} of ${limits.cost:.2f} is spent")
        return None

    def _called(self, call: ToolCall) -> Cut | None:
        self.tool_calls += 1
        self._idle += 1
        self._calls[call.id] = _spell(call.name, call.input)
        most = self._limits.tool_calls
        if most is not None and self.tool_calls > most:
            return Cut(Outcome.BUDGET_SPENT, f"it used {most} tool calls, which is the limit")
        if self._idle > self._limits.stall_calls:
            return self._look_again()
        return None

    def _answered(self, result: ToolResult) -> Cut | None:
        call = self._calls.pop(result.id, "")  # it may not have been told, or been too long to read
        both = _digest(f"{call}\n{result.output}".encode(errors="replace"))
        self._repeated = self._repeated + 1 if call and both == self._last else 1
        self._last = both
        self._is_new(result.output.encode(errors="replace"))
        if self._repeated < SAME:
            return None
        return Cut(
            Outcome.STALLED, f"the same tool call gave the same result {SAME} times in a row: {call[:SHOWN]}".strip()
        )

    def _spend(self, report: UsageReport) -> Cut | None:
        used = Usage(
            tokens_in=report.tokens_in,
            tokens_out=report.tokens_out,
            tokens_cached=report.tokens_cached,
            cost=report.cost,
        )
        self._reports = used if self._reports is None else total([self._reports, used])
        self._least = total([self._least, Usage(**{name: value or 0 for name, value in used})])
        self._empty += 1
        if self._empty >= EMPTY:
            return Cut(Outcome.STALLED, f"the model answered {EMPTY} times in a row with no word and no tool call")
        return self._check()

    def _is_new(self, said: bytes) -> None:
        digest = _digest(said)
        if digest not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known.add(digest)
            self._idle = 0

    def _look_again(self) -> Cut | None:
        found = self._look()
        if found != self._seen:
            self._seen, self._idle = found, 0
            return None
        calls = self._limits.stall_calls
        return Cut(Outcome.STALLED, f"{calls} tool calls changed no file and brought nothing new")


def _spell(name: str, given: Mapping[str, Any]) -> str:
    spelled = f"{name} {' '.join(str(value) for value in given.values())}"
    if len(spelled) <= SHOWN:
        return spelled
    return spelled[:SHOWN] + _digest(spelled.encode(errors="replace")).hex()


def _digest(data: bytes) -> bytes:
    return sha256(data).digest()[:12]
