"""What a runner process works with: on one machine the files of an `orch serve`, on AWS what its role lets it reach."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from app.entry.parts import Wrap, build_core, open_ports
from app.entry.stopping import unless
from app.ports import Artifacts, Clock, JobQueue, Runs
from app.settings import RunnerSettings, ServeSettings
from infra.local.clock import SystemClock


class WorkerPorts(Protocol):
    """The ports of a worker, besides Runs."""

    @property
    def jobs(self) -> JobQueue: ...
    @property
    def artifacts(self) -> Artifacts: ...
    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True)
class Supplies:
    """All that a runner process has."""

    jobs: JobQueue
    runs: Runs
    artifacts: Artifacts
    clock: Clock
    stop_receiving: Callable[[], None]


@asynccontextmanager
async def open_supplies(settings: RunnerSettings, wrap: Wrap, stop: asyncio.Event) -> AsyncIterator[Supplies | None]:
    """Open what the settings name; None if `stop` comes before that is done. On one machine they are a server's."""
    if settings.is_on_aws:
        from app.entry.aws_parts import open_runner  # noqa: PLC0415 - boto3 is an extra, and memory is short

        with open_runner(settings, SystemClock()) as supplies:
            yield _wrapped(supplies, wrap)
        return
    assert isinstance(settings, ServeSettings)
    async with open_ports(settings, wrap) as ports:
        core = await unless(stop, build_core(settings, ports, wrap))
        yield Supplies(ports.jobs, core.runs, ports.artifacts, ports.clock, ports.stop_receiving) if core else None


def _wrapped(supplies: Supplies, wrap: Wrap) -> Supplies:
    return replace(
        supplies,
        jobs=wrap("jobs", supplies.jobs),
        runs=wrap("runs", supplies.runs),
        artifacts=wrap("artifacts", supplies.artifacts),
        clock=wrap("clock", supplies.clock),
    )
