"""Tokens and dollars for people. What is unknown is called so, never zero."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from app.domain.outcomes import Usage

Amount = int | Decimal


def amount(value: Amount | None) -> str:
    """Write a count of tokens, or US dollars if it is a Decimal."""
    match value:
        case None:
            return "unknown"
        case Decimal():
            return f"${value:,.2f}" if value == 0 or value >= 10 else f"${value:.4f}"
        case _:
            return f"{value:,}"


@dataclass(frozen=True, slots=True)
class Used:
    """What one run used. `cost` is in US dollars."""

    tokens_in: int | None
    tokens_out: int | None
    tokens_cached: int | None
    cost: Decimal | None

    @classmethod
    def of(cls, usage: Usage) -> "Used":
        return cls(usage.tokens_in, usage.tokens_out, usage.tokens_cached, usage.cost)

    def __str__(self) -> str:
        if self == Used(None, None, None, None):
            return "unknown"
        cached = "" if self.tokens_cached is None else f" ({amount(self.tokens_cached)} cached)"
        return f"{amount(self.tokens_in)} in{cached}, {amount(self.tokens_out)} out, cost {amount(self.cost)}"


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum over runs: of those where it is known (None: of none), and how many are not among them."""

    known: Amount | None
    unknown_runs: int = 0

    def __str__(self) -> str:
        if self.known is None or not self.unknown_runs:
            return amount(self.known)
        runs = "1 run" if self.unknown_runs == 1 else f"{self.unknown_runs} runs"
        return f"at least {amount(self.known)} ({runs} unknown)"


def add(sums: Iterable[Sum]) -> Sum:
    """Add up; nothing added is zero runs' worth, and that is unknown."""
    each = list(sums)
    known = [one.known for one in each if one.known is not None]
    total: Amount | None = sum(known[1:], known[0]) if known else None
    return Sum(total, sum(one.unknown_runs for one in each))
