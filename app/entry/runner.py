"""A runner: beside the worker in one process, or a process of its own over the same files."""

import asyncio
import signal

from app.entry.parts import Wrap, build_core, open_ports, plain
from app.ports import Clock, JobQueue, Runs
from app.settings import ServeSettings
from runner.agents.script import ScriptAgent
from runner.run import Agents
from runner.worker import Worker

AGENTS: Agents = {"script": ScriptAgent}


def build_worker(settings: ServeSettings, jobs: JobQueue, runs: Runs, clock: Clock) -> Worker:
    """Return the worker with the agents that the settings name."""
    return Worker(
        jobs=jobs,
        runs=runs,
        clock=clock,
        root=settings.state_dir / "repositories",
        agents={name: AGENTS[name] for name in settings.agents},
        slots=settings.slots,
        beat=settings.beat,
        job_lease=settings.job_lease,
        again=settings.retry_base,
    )


async def run_runner(settings: ServeSettings, wrap: Wrap = plain) -> None:
    """Do jobs until SIGTERM or SIGINT; what is under way then goes back to the queue."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_ports(settings, wrap) as ports:
        core = await build_core(settings, ports, wrap)
        worker = build_worker(settings, ports.jobs, core.runs, ports.clock)
        working = asyncio.create_task(worker(), name="runner")
        stopping = asyncio.create_task(stop.wait(), name="stop signal")
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        worker.stop()
        ports.stop_receiving()
        await asyncio.wait({working}, timeout=5)
        working.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
