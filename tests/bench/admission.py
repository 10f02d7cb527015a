"""Admission: 10,000 tasks of 100 repositories in 20 installations wait, and slots come free one after another."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.bench.figures import Bench, Figure, at_least, at_most
from tests.bench.processes import output_of, python

MODULE = "tests.bench.admission_process"
EVENTS = 4000
"""Runs that end: each installation gets 200 of the slots."""
LEAST = 300
MOST_MEMORY = 300
MOST_UNFAIR = 1.1


async def measure(bench: Bench) -> Sequence[Figure]:
    """Fill a board once, and let runs turn over on a copy of it in each run."""
    full = bench.scratch / "board"
    full.mkdir()
    filled = await _process("fill", full)
    found = [await _turn_over(bench, full) for _ in range(bench.runs)]
    shutil.rmtree(full)
    return [
        Figure("admission, 10k tasks come to wait", [filled["rate"]], "events/s", at_least(LEAST)),
        Figure("admission, while they come: CPU, all threads", [filled["cpu"]], "ms/event"),
        Figure("admission, while they come: waiting for store writes", [filled["store"]], "%"),
        Figure("admission, while they come: waiting for queue writes", [filled["queue"]], "%"),
        Figure("admission, most memory while they come, RSS", [filled["memory"]], "MB", at_most(MOST_MEMORY)),
        Figure(f"admission, {EVENTS:,} runs end, others begin", _of(found, "rate"), "events/s", at_least(LEAST)),
        Figure("admission, while they end: CPU, all threads", _of(found, "cpu"), "ms/event"),
        Figure("admission, while they end: waiting for store writes", _of(found, "store"), "%"),
        Figure("admission, while they end: waiting for queue writes", _of(found, "queue"), "%"),
        Figure("admission, most memory while they end, RSS", _of(found, "memory"), "MB", at_most(MOST_MEMORY)),
        Figure("admission, slots of 20 installations, most / least", _of(found, "fairness"), "x", at_most(MOST_UNFAIR)),
    ]


def _of(found: Sequence[dict[str, float]], name: str) -> list[float]:
    return [one[name] for one in found]


async def _turn_over(bench: Bench, full: Path) -> dict[str, float]:
    copy = Path(shutil.copytree(full, bench.scratch / "copy"))
    try:
        return await _process("turn", copy, EVENTS)
    finally:
        shutil.rmtree(copy)


async def _process(*argv: object) -> dict[str, float]:
    found: dict[str, float] = json.loads(await output_of([*python(MODULE), *map(str, argv)]))
    return found
