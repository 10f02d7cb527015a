"""A runner: beside the worker in one process, or a process of its own over the same files."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from app.domain.errors import Permanent
from app.entry.parts import Wrap, plain
from app.entry.stopping import drain, stop_on_signals
from app.entry.supplies import WorkerPorts, open_supplies
from app.entry.telemetry import carrying, telemetry
from app.log import log
from app.ports import Artifacts, Runs
from app.redaction import Redaction
from app.settings import AgentOptions, RunnerSettings, provider_key
from runner.agents.base import Traits
from runner.agents.registry import ADAPTERS
from runner.egress import Allowed
from runner.equipment import AgentSetup, Equipment
from runner.gateway.account import Upstream
from runner.sandbox import Network, Sandbox, SandboxKind, find_sandbox
from runner.worker import Worker

if TYPE_CHECKING:
    from runner.gateway.server import Gateway

GATHER_SECONDS = {"local": 1.0, "aws": 5.0}
"""A transcript is gathered before it is kept: S3 has its price for each write."""
PYTHON = (Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[2] / "runner")
"""Where what Orch itself starts as an agent is: an interpreter, and the programs it executes."""


def require_tools(settings: RunnerSettings) -> Sandbox:
    """Return what isolates agents; raises Permanent if that, or git, is not to be had."""
    if shutil.which("git") is None:
        raise Permanent("git is not on PATH, and a runner needs it; install it (Debian: apt-get install git)")
    sandbox = find_sandbox(SandboxKind(settings.sandbox) if settings.sandbox else None)
    if settings.network != "full" and sandbox.kind is not SandboxKind.BUBBLEWRAP:
        raise Permanent(
            f"the sandbox `{sandbox.kind}` cannot withhold the network; install bubblewrap, or set ORCH_NETWORK=full"
        )
    _require_hosts(settings)
    return sandbox


def _require_hosts(settings: RunnerSettings) -> None:
    for entry in settings.hosts:
        try:
            Allowed.parse(entry)
        except ValueError as error:
            raise Permanent(f"ORCH_HOSTS: {error}") from None


def set_up(settings: RunnerSettings, name: str) -> AgentSetup:
    """Say how an agent is set up on this machine, and what it lacks."""
    options = settings.options_of(name)
    adapter = options.adapter or name
    try:
        traits = ADAPTERS[adapter](adapter, options).traits
    except ValueError as error:
        raise Permanent(f"ORCH_AGENT_OPTIONS: {name}: {error}") from None
    given = options.argv[0] if adapter == "command" and options.argv else traits.program
    wanted = options.program or given
    found = shutil.which(wanted) if wanted else None
    missing = f"`{wanted}` is not on the runner's PATH; install it there" if wanted and not found else None
    if adapter == "command" and not options.argv:
        missing = "it has no `argv` (see ORCH_AGENT_OPTIONS)"
    upstream = _upstream(options, traits)
    if isinstance(upstream, str):
        missing, upstream = missing or f"{upstream} (see ORCH_AGENT_OPTIONS)", None
    return AgentSetup(
        make=lambda: ADAPTERS[adapter](found or adapter, options),
        program=Path(found) if found else None,
        model=options.model,
        upstream=upstream,
        missing=missing,
    )


def _upstream(options: AgentOptions, traits: Traits) -> Upstream | str | None:
    """Say where an agent's model is, or what keeps it from being reached; None if it has none."""
    if traits.wire is None:
        return None
    name, url = options.key or traits.key or "", options.base_url or traits.url
    key = provider_key(name)
    if url is None:
        return "it has no `base_url`"
    if key is None:
        return f"{name} is not set: it is the key of its model's provider"
    try:
        return Upstream(url=url, key=key, wire=traits.wire)
    except ValueError as error:
        return str(error)


@asynccontextmanager
async def open_worker(
    settings: RunnerSettings, ports: WorkerPorts, runs: Runs, sandbox: Sandbox
) -> AsyncIterator[Worker]:
    """Open the worker with the agents that the settings name."""
    agents = {name: set_up(settings, name) for name in settings.agents}
    for name, setup in agents.items():
        if setup.missing:
            log().warning("an agent cannot run here", agent=name, reason=setup.missing)
    log().info("runner ready", agents=sorted(agents), sandbox=sandbox.kind.value, network=settings.network)
    wanted = any(setup.upstream for setup in agents.values())
    async with _gateway(Network(settings.network), wanted=wanted) as (gateway, socket):
        yield Worker(
            jobs=ports.jobs,
            runs=runs,
            clock=ports.clock,
            root=settings.state_dir / "repositories",
            equipment=replace(_equipment(settings, ports.artifacts, agents, sandbox, gateway), socket=socket),
            slots=settings.slots,
            beat=settings.beat,
            job_lease=settings.job_lease,
            again=settings.retry_base,
        )


def _equipment(
    settings: RunnerSettings,
    artifacts: Artifacts,
    agents: Mapping[str, AgentSetup],
    sandbox: Sandbox,
    gateway: "Gateway | None",
) -> Equipment:
    keys = [setup.upstream.key for setup in agents.values() if setup.upstream]
    return Equipment(
        agents=agents,
        sandbox=sandbox,
        gateway=gateway,
        artifacts=artifacts,
        redaction=Redaction([*settings.secrets(), *keys]),
        network=Network(settings.network),
        hosts=tuple(settings.hosts),
        readable=PYTHON,
        gather_seconds=GATHER_SECONDS["aws" if settings.is_on_aws else "local"],
        private=(
            settings.state_dir.resolve(),
            *(each.resolve() for each in settings.private_files() if each.is_file()),
        ),
    )


@asynccontextmanager
async def _gateway(network: Network, *, wanted: bool) -> "AsyncIterator[tuple[Gateway | None, Path | None]]":
    """Open the gateway if it is wanted; where agents have no network, on a socket too."""
    if not wanted:
        yield None, None
        return
    from runner.gateway.server import Gateway  # noqa: PLC0415 - a web server costs memory that others can spare

    if network is Network.FULL:
        async with Gateway() as gateway:
            yield gateway, None
        return
    with TemporaryDirectory(prefix="orch-gateway-") as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 - agents may run as others, and know the name
        socket = Path(folder, "socket")
        async with Gateway(socket) as gateway:
            yield gateway, socket


async def run_runner(settings: RunnerSettings, wrap: Wrap = plain) -> None:
    """Do jobs until SIGTERM or SIGINT; what is still under way after the time to drain goes back to the queue.

    On AWS it also ends when there was no job for `idle_seconds`. On one machine the settings are a server's.
    """
    with telemetry("runner"):
        await _do_jobs(settings, carrying(wrap))


async def _do_jobs(settings: RunnerSettings, wrap: Wrap) -> None:
    sandbox = require_tools(settings)
    stop = stop_on_signals()
    async with open_supplies(settings, wrap, stop) as supplies:
        if supplies is None:
            return
        async with open_worker(settings, supplies, supplies.runs, sandbox) as worker, asyncio.TaskGroup() as group:
            working = group.create_task(worker(), name="runner")
            idling = group.create_task(_leave_when_idle(settings, worker, stop), name="watch for idleness")
            await stop.wait()
            idling.cancel()
            log().info("stopping", seconds=settings.drain_seconds)
            worker.stop()
            supplies.stop_receiving()
            await drain({working}, settings.drain_seconds, stop, worker.leave)


async def _leave_when_idle(settings: RunnerSettings, worker: Worker, stop: asyncio.Event) -> None:
    """Stop when there was no job for so long, where there is somebody to start a runner again."""
    if not settings.is_on_aws:
        return
    while (left := settings.idle_seconds - worker.idle_seconds()) > 0:
        await worker.clock.sleep(left)
    log().info("there was nothing to do", seconds=settings.idle_seconds)
    stop.set()
