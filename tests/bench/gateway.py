"""What the model gateway costs an agent: the delay of the first byte of a stream, and the throughput of a large one."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp

from tests.bench.figures import Bench, Figure, at_least, at_most
from tests.bench.processes import SAFETY, Running, listening, output_of, python, running
from tests.e2e.processes import free_port

CALLS = 200
MODULE = "tests.bench.gateway_process"


async def measure(bench: Bench) -> Sequence[Figure]:
    """Call the same model server directly and through the gateway, in turns, with a prompt of 300 KB."""
    found = [await _once(bench) for _ in range(bench.runs)]

    def values(name: str) -> list[float]:
        return [each[name] for each in found]

    return [
        Figure("model's first byte, direct", values("first direct"), "ms"),
        Figure("model's first byte, later through the gateway", values("first later"), "ms", at_most(5)),
        Figure("stream by events, direct", values("events direct"), "MB/s"),
        Figure("stream by events, gateway / direct", _ratios(found, "events"), "x", at_least(0.8)),
        Figure("stream by blocks of 60 KB, direct", values("blocks direct"), "MB/s"),
        Figure("stream by blocks of 60 KB, through the gateway", values("blocks through"), "MB/s"),
    ]


def _ratios(found: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [each[f"{name} through"] / each[f"{name} direct"] for each in found]


async def _once(bench: Bench) -> dict[str, float]:
    """Let agent and gateway share a CPU, as they share a machine; the model server has one of its own."""
    state, port = Path(mkdtemp(dir=bench.scratch)), free_port()
    url = f"http://127.0.0.1:{port}"
    ours, theirs = bench.cpus
    async with running([*python(MODULE), "model", str(port)], state / "model.log", theirs) as model:
        await listening(port, model)
        async with running([*python(MODULE), "gateway", url], state / "gateway.log", ours) as gateway:
            endpoint, token = json.loads(await _first_line(gateway))
            agent = [*python(MODULE), "agent", url, endpoint, token, str(CALLS)]
            found: dict[str, float] = json.loads(await output_of(agent, ours))
            return found


async def _first_line(running: Running) -> str:
    """Wait for what a process says first; raises RuntimeError if it ends instead."""
    async with asyncio.timeout(SAFETY):
        while running.process.returncode is None:
            if (text := await asyncio.to_thread(running.log.read_text)).endswith("\n"):
                return text
            await asyncio.sleep(0.05)
    raise RuntimeError(f"the process ended: {running.log.read_text()[-2000:]}")
