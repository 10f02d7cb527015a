"""What supervision costs: a run that does nothing, and one whose agent prints 200 MB of JSON lines."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from tests.bench.figures import Bench, Figure, at_most
from tests.bench.processes import output_of, python
from tests.bench.supervision_process import MEGABYTE, SIZE

PER = 20
"""Megabytes that may cost a second of CPU."""


async def measure(bench: Bench) -> Sequence[Figure]:
    """Read, understand, meter and keep the stream as a run does; each value is of a process of its own."""
    found = [await _once(bench) for _ in range(bench.runs)]
    added = [(each["supervised"] - each["bare"]) * 1000 for each in found]
    cpu = [each["cpu"] / (SIZE / MEGABYTE / PER) for each in found]
    return [
        Figure("a process that does nothing", [each["bare"] * 1000 for each in found], "ms"),
        Figure("supervision of one that does nothing, beyond that", added, "ms"),
        Figure(f"200 MB of JSON lines, CPU per {PER} MB", cpu, "s", at_most(1)),
        Figure("200 MB of JSON lines, rate", [SIZE / MEGABYTE / each["wall"] for each in found], "MB/s"),
        Figure("200 MB of JSON lines, peak memory of the runner", [each["peak"] for each in found], "MB", at_most(150)),
    ]


async def _once(bench: Bench) -> dict[str, float]:
    folder = Path(mkdtemp(dir=bench.scratch))
    found: dict[str, float] = json.loads(await output_of([*python("tests.bench.supervision_process"), str(folder)]))
    return found
