"""Durable 202s: Orch's webhook beside Probot and beside the least that an ASGI app can do."""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.bench.figures import Bench, Figure, Skipped, at_least, at_most
from tests.bench.key import new_key
from tests.bench.payload import SECRET
from tests.bench.processes import listening, output_of, python, running
from tests.e2e.processes import ORCH, free_port

CONNECTIONS = (1, 16, 64)
UNITS = {"rate": "202/s", "p50": "ms", "p99": "ms", "cpu": "us CPU each"}
PROBOT = Path(__file__).with_name("probot.mjs")
NOBODY = "http://127.0.0.1:9"
Values = dict[tuple[str, int, str], list[float]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that takes deliveries under `/webhook`; `argv` and `env` get a folder and a port."""

    argv: Callable[[Path, int], list[str]]
    env: Callable[[Path, int], dict[str, str]] = lambda state, port: {}


def _orch_settings(state: Path, port: int) -> dict[str, str]:
    """Let Orch wait for GitHub: deliveries are taken meanwhile, and nothing else is done."""
    settings = {
        "APP_ID": "1",
        "PRIVATE_KEY_FILE": str(new_key(state / "app.pem")),
        "WEBHOOK_SECRET": SECRET.decode(),
        "AGENTS": "script",
        "SANDBOX": "none",
        "GITHUB_API_URL": NOBODY,
        "STATE_DIR": str(state),
        "PORT": str(port),
    }
    return {f"ORCH_{name}": value for name, value in settings.items()}


ORCH_PEER = Peer(lambda state, port: [str(ORCH), "serve"], _orch_settings)
BARE_PEER = Peer(lambda state, port: [*python("tests.bench.bare"), str(state), str(port)])


def probot_peer(tools: Path) -> Peer:
    """Return Probot as npm installed it; raises Skipped if it is not there."""
    if shutil.which("node") is None:
        raise Skipped("node is not installed")
    if not (tools / "node_modules" / "probot").is_dir():
        raise Skipped(f"npm did not install Probot under {tools}")
    return Peer(lambda state, port: ["node", str(PROBOT), str(tools), str(state), str(port), SECRET.decode()])


async def measure(bench: Bench) -> Sequence[Figure]:
    """Put the same load on Orch and on the limit, one after the other in each run."""
    values = await _measure(bench, {"Orch": ORCH_PEER, "bare ASGI": BARE_PEER}, CONNECTIONS)
    rate = _ratios(values, "rate", "bare ASGI")
    return [*_plain(values), Figure("webhook Orch / bare ASGI, 64 connections", rate, "x", at_least(0.8))]


async def measure_probot(bench: Bench) -> Sequence[Figure]:
    """Put the same load on Probot, and on Orch right before it."""
    values = await _measure(bench, {"Orch": ORCH_PEER, "Probot": probot_peer(bench.tools)}, CONNECTIONS)
    probot = {key: found for key, found in values.items() if key[0] == "Probot"}
    rate, p99 = (_ratios(values, figure, "Probot") for figure in ("rate", "p99"))
    return [
        *_plain(probot),
        Figure("webhook Orch / Probot, 64 connections", rate, "x", at_least(3)),
        Figure("webhook p99 Orch / Probot, 64 connections", p99, "x", at_most(0.2)),
    ]


async def _measure(bench: Bench, peers: Mapping[str, Peer], connections: Sequence[int]) -> Values:
    values: Values = defaultdict(list)
    for _ in range(bench.runs):
        for count in connections:
            for name, peer in peers.items():
                for figure, value in (await _once(bench, peer, count)).items():
                    values[name, count, figure].append(value)
    return values


async def _once(bench: Bench, peer: Peer, connections: int) -> Mapping[str, float]:
    """Start a peer with an empty database and put load on it."""
    server, client = bench.cpus
    state, port = Path(mkdtemp(dir=bench.scratch)), free_port()
    async with running(peer.argv(state, port), state / "log", server, peer.env(state, port)) as process:
        await listening(port, process)
        before = process.cpu_seconds()
        load = [*python("tests.bench.load"), str(port), "/webhook", str(connections), str(bench.seconds)]
        found: dict[str, float] = json.loads(await output_of(load, client))
        found["cpu"] = (process.cpu_seconds() - before) / found["answered"] * 1e6
    shutil.rmtree(state)
    if found["refused"]:
        raise RuntimeError(f"{found['refused']:.0f} deliveries were refused")
    return {figure: found[figure] for figure in UNITS}


def _plain(values: Values) -> list[Figure]:
    return [
        Figure(f"webhook {name}, {count} connection{'s' if count > 1 else ''}, {figure}", each, UNITS[figure])
        for (name, count, figure), each in values.items()
    ]


def _ratios(values: Values, figure: str, peer: str) -> list[float]:
    """Compare within each run: a machine is not the same from one minute to the next."""
    pairs = zip(values["Orch", 64, figure], values[peer, 64, figure], strict=True)
    return [own / other for own, other in pairs]
