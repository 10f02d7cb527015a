"""A runner: beside the worker in one process, or a process of its own over the same files."""

import asyncio
import shutil

from app.domain.errors import Permanent
from app.entry.parts import Wrap, build_core, open_ports, plain
from app.entry.stopping import drain, stop_on_signals, unless
from app.log import log
from app.ports import Clock, JobQueue, Runs
from app.settings import ServeSettings
from runner.agents.script import ScriptAgent
from runner.run import Agents
from runner.worker import Worker

AGENTS: Agents = {"script": ScriptAgent}


def require_git() -> None:
    """Raise Permanent if there is no git."""
    if shutil.which("git") is None:
        raise Permanent("git is not on PATH, and a runner needs it; install it (Debian: apt-get install git)")


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
    """Do jobs until SIGTERM or SIGINT; what is still under way after the time to drain goes back to the queue."""
    require_git()
    stop = stop_on_signals()
    async with open_ports(settings, wrap) as ports:
        core = await unless(stop, build_core(settings, ports, wrap))
        if core is None:
            return
        worker = build_worker(settings, ports.jobs, core.runs, ports.clock)
        async with asyncio.TaskGroup() as group:
            working = group.create_task(worker(), name="runner")
            await stop.wait()
            log().info("stopping", seconds=settings.drain_seconds)
            worker.stop()
            ports.stop_receiving()
            await drain({working}, settings.drain_seconds, stop)
