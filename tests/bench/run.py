"""Print what Orch costs: one table, medians over several runs, beside the machine and what was asked for."""

import argparse
import asyncio
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path

from tests.bench import (
    admission,
    cold,
    gateway,
    github_requests,
    graph,
    label_start,
    memory,
    noop,
    paced,
    queues,
    startup,
    supervision,
    webhook,
)
from tests.bench.figures import Bench, Part, Skipped
from tests.bench.machine import describe
from tests.bench.processes import TREE

HEAD = ("figure", "median", "min .. max", "unit", "runs", "target", "verdict")
PARTS: Mapping[str, Part] = {
    "webhook": webhook.measure,
    "probot": webhook.measure_probot,
    "cold": cold.measure,
    "label": label_start.measure,
    "no-op": noop.measure,
    "requests": github_requests.measure,
    "queues": queues.measure,
    "admission": admission.measure,
    "graph": graph.measure,
    "paced": paced.measure,
    "memory": memory.measure,
    "help": startup.measure,
    "supervision": supervision.measure,
    "gateway": gateway.measure,
}


async def run(bench: Bench, names: list[str]) -> bool:
    """Measure the parts in order and print each when it is there; say whether all ran well and kept their targets."""
    print("\n".join(describe(bench.scratch)), flush=True)
    _print_line(HEAD)
    kept = [await _measure(bench, name) for name in names]
    return all(kept)


async def _measure(bench: Bench, name: str) -> bool:
    try:
        figures = await PARTS[name](bench)
    except Skipped as reason:
        print(f"{name}: SKIPPED, {reason}", flush=True)
        return True
    except Exception:  # the other parts are of interest too
        print(f"{name}: FAILED\n{traceback.format_exc()}", flush=True)
        return False
    for figure in figures:
        _print_line(figure.cells())
    return all(figure.verdict != "MISSED" for figure in figures)


def _print_line(cells: tuple[str, ...]) -> None:
    name, middle, spread, unit, runs, target, verdict = cells
    print(f"{name:<56} {middle:>8}  {spread:>18}  {unit:<12} {runs:>4}  {target:>9}  {verdict}".rstrip(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"some of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--runs", type=int, default=3, help="how often each figure is measured")
    parser.add_argument("--seconds", type=float, default=4, help="how long each load lasts")
    parser.add_argument("--tools", type=Path, default=TREE / ".bench", help="where npm installed Probot")
    given = parser.parse_args()
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory(prefix="orch-bench-") as scratch:
        bench = Bench(given.runs, given.seconds, Path(scratch), given.tools)
        sys.exit(0 if asyncio.run(run(bench, given.parts or list(PARTS))) else 1)


if __name__ == "__main__":
    main()
