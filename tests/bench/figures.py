"""What a part of the bench reports: values of several runs, what was asked for, and the verdict."""

import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any


class Skipped(Exception):
    """A part cannot run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bound that the median must keep."""

    bound: float
    at_least: bool = False

    def holds(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {number(self.bound)}"


def at_least(bound: float) -> Target:
    return Target(bound, at_least=True)


def at_most(bound: float) -> Target:
    return Target(bound)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table; `values` has one value per run."""

    name: str
    values: Sequence[float]
    unit: str
    target: Target | None = None

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "ok" if self.target.holds(self.median) else "MISSED"

    def cells(self) -> tuple[str, ...]:
        """Return the columns: name, median, spread, unit, runs, target, verdict."""
        spread = f"{number(min(self.values))} .. {number(max(self.values))}"
        runs = str(len(self.values))
        return self.name, number(self.median), spread, self.unit, runs, str(self.target or ""), self.verdict


@dataclass(frozen=True, slots=True)
class Bench:
    """How to measure; `tools` is where Probot is installed."""

    runs: int
    seconds: float
    scratch: Path
    tools: Path

    @property
    def cpus(self) -> tuple[int, int]:
        """Return the CPU of what is measured and that of what puts load on it."""
        free = sorted(os.sched_getaffinity(0))
        return free[0], free[-1]


Part = Callable[[Bench], Coroutine[Any, Any, Sequence[Figure]]]


def number(value: float) -> str:
    """Show three digits that matter, and whole thousands in full."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
