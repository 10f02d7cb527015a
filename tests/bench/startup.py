"""How long the command line takes to say something."""

import time
from collections.abc import Sequence

from tests.bench.figures import Bench, Figure, at_most
from tests.bench.processes import output_of
from tests.e2e.processes import ORCH

TIMES = 10
MOST_MS = 300


async def measure(bench: Bench) -> Sequence[Figure]:
    """Start `orch --help` again and again."""
    help_text = [str(ORCH), "--help"]
    return [Figure("orch --help", [await _once(help_text) for _ in range(TIMES * bench.runs)], "ms", at_most(MOST_MS))]


async def _once(argv: Sequence[str]) -> float:
    begin = time.perf_counter()
    await output_of(argv)
    return (time.perf_counter() - begin) * 1000
