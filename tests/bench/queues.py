"""Both SQLite queues: 2 KB bodies, one and several processes, a long backlog in many groups and in one."""

import asyncio
import json
import shutil
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Bench, Figure, at_least
from tests.bench.processes import output_of, python

BACKLOG = 100_000
LEAST = 4_000
START_SECONDS = 3.0
MODULE = "tests.bench.queue_process"


@dataclass(frozen=True, slots=True)
class Drain:
    """One way to receive from a backlog; `consumers` is per process."""

    kind: str
    groups: int
    processes: int
    consumers: int
    least: int | None = None

    @property
    def name(self) -> str:
        where = f"in {self.groups:,} group{'s' if self.groups > 1 else ''}" if self.kind == "events" else ""
        receivers = f"{self.processes} process{'es' if self.processes > 1 else ''} x {self.consumers}"
        return f"{self.kind}, receive+ack, {receivers}, {BACKLOG // 1000:,}k {where}".rstrip()


DRAINS = (
    Drain("events", 10_000, 1, 1),
    Drain("events", 10_000, 1, 32, LEAST),
    Drain("events", 10_000, 4, 8),
    Drain("events", 1, 1, 4),
    Drain("jobs", 1, 1, 1),
    Drain("jobs", 1, 1, 32),
    Drain("jobs", 1, 4, 8),
)


async def measure(bench: Bench) -> Sequence[Figure]:
    """Fill each backlog once, and receive from a copy of it in each run."""
    figures = []
    for kind, groups in dict.fromkeys((drain.kind, drain.groups) for drain in DRAINS):
        full = bench.scratch / f"{kind}-{groups}"
        full.mkdir()
        filled = await _process(kind, full, "fill", BACKLOG, groups)
        figures.append(Figure(f"{kind}, send, 1 process x 256, groups: {groups:,}", [filled["rate"]], "per s"))
        figures += await _drain_all(
            bench, full, [each for each in DRAINS if (each.kind, each.groups) == (kind, groups)]
        )
        shutil.rmtree(full)
    return figures


async def _drain_all(bench: Bench, full: Path, drains: Sequence[Drain]) -> list[Figure]:
    found: dict[Drain, list[float]] = defaultdict(list)
    for _ in range(bench.runs):
        for drain in drains:
            copy = Path(shutil.copytree(full, bench.scratch / "copy"))
            found[drain].append(await _rate(drain, copy, bench.seconds))
            shutil.rmtree(copy)
    return [
        Figure(drain.name, rates, "per s", at_least(drain.least) if drain.least else None)
        for drain, rates in found.items()
    ]


async def _rate(drain: Drain, folder: Path, seconds: float) -> float:
    """Let all processes begin at the same moment, and add up their rates."""
    begin = time.time() + START_SECONDS
    work = (_process(drain.kind, folder, "drain", drain.consumers, begin, seconds) for _ in range(drain.processes))
    return sum(found["rate"] for found in await asyncio.gather(*work))


async def _process(kind: str, folder: Path, *argv: object) -> dict[str, float]:
    found: dict[str, float] = json.loads(
        await output_of([*python(MODULE), kind, str(folder / "queue.db"), *map(str, argv)])
    )
    return found
