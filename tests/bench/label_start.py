"""From the label to the agent's start, beside the git work and the start of a process alone."""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp

from tests.bench.figures import Bench, Figure, at_most
from tests.bench.stage import EVERYDAY, Marker, PlainGit, first_run, logged_at, new_stage
from tests.e2e.world import World

LATENCIES = (0, 50)
MOST_MS = 150


async def measure(bench: Bench) -> Sequence[Figure]:
    """Start tasks one after another, and as many agents by hand."""
    async with new_stage(bench.scratch) as world:
        await world.start_orch(**EVERYDAY)
        await first_run(world)
        plain = PlainGit(f"{world.about['web_url']}/{world.repository}.git", Path(mkdtemp(dir=bench.scratch)))
        await plain.set_up()
        figures: list[Figure] = []
        for latency in LATENCIES:
            await world.faults(latency_ms=latency)
            figures += await _with_latency(bench, world, plain, latency)
        return figures


async def _with_latency(bench: Bench, world: World, plain: PlainGit, latency: int) -> list[Figure]:
    by_hand, by_orch = [], []
    for count in range(bench.runs):
        by_hand.append(await _by_hand(plain, Marker(bench.scratch / f"hand-{latency}-{count}")))
        by_orch.append(await _by_orch(world, Marker(bench.scratch / f"orch-{latency}-{count}")))
    beyond = [orch - hand for orch, hand in zip(by_orch, by_hand, strict=True)]
    where = f"{latency} ms per request"
    return [
        Figure(f"git fetch, worktree, spawn by hand, {where}", by_hand, "ms"),
        Figure(f"label -> agent started, {where}", by_orch, "ms"),
        Figure(f"label -> agent started, beyond git, {where}", beyond, "ms", at_most(MOST_MS) if not latency else None),
    ]


async def _by_hand(plain: PlainGit, marker: Marker) -> float:
    begin = time.time()
    process = await plain.start_agent(marker.file.name, marker.body)
    started = await marker.seen()
    await process.wait()
    return (started - begin) * 1000


async def _by_orch(world: World, marker: Marker) -> float:
    number = await world.open_issue(title=marker.file.name, body=marker.body, label=None)
    await world.until_idle()
    await world.label(number, "orch")
    started = await marker.seen()
    labelled = await logged_at(world, "POST", f"/issues/{number}/labels")
    await world.until_status(number, "in_review")
    await world.until_idle()
    return (started - labelled) * 1000
