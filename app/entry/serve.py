"""Orch in one process: web, events worker, and (unless told otherwise) a runner."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from app.domain.errors import Permanent, Retryable
from app.entry.parts import Core, Ports, Wrap, build_core, open_ports, patiently, plain
from app.entry.runner import build_worker
from app.log import log
from app.ports import EventQueue
from app.process import Process
from app.settings import ServeSettings
from app.web.asgi import web_app
from app.web.receive import Receiver
from runner.worker import Worker

WAIT = 5.0


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: one place stops all parts in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: ServeSettings, *, with_runner: bool = True, wrap: Wrap = plain) -> None:
    """Run until SIGTERM or SIGINT: first look for what was missed, then take deliveries and work."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_ports(settings, wrap) as ports:
        core = await build_core(settings, ports, wrap)
        await patiently(core.reconcile, ports.clock)
        await _run(settings, ports, core, stop, with_runner=with_runner)


async def _run(settings: ServeSettings, ports: Ports, core: Core, stop: asyncio.Event, *, with_runner: bool) -> None:
    receiver = Receiver(settings.webhook_secret.get_secret_value().encode(), ports.events, ports.clock)
    server = _server(settings, web_app(receiver))
    worker = build_worker(settings, ports.jobs, core.runs, ports.clock) if with_runner else None
    async with asyncio.TaskGroup() as group:
        web = group.create_task(server.serve(), name="web")
        for number in range(settings.workers):
            group.create_task(_handle_events(ports.events, core.process, stop), name=f"events worker {number}")
        working = group.create_task(worker(), name="runner") if worker else None
        redelivering = group.create_task(_redeliver(settings, ports, core), name="redeliveries")
        group.create_task(_watch(web, stop), name="web watch")
        await stop.wait()
        log().info("stopping")
        _stop(server, ports, worker)
        redelivering.cancel()
        if working:
            await _drain(working)


def _server(settings: ServeSettings, app: ASGIApp) -> _Server:
    config = uvicorn.Config(
        app, host=settings.host, port=settings.port, log_config=None, access_log=False, lifespan="off"
    )
    return _Server(config)


def _stop(server: _Server, ports: Ports, worker: Worker | None) -> None:
    server.should_exit = True
    ports.stop_receiving()
    if worker:
        worker.stop()


async def _drain(working: asyncio.Task[None], seconds: float = 5) -> None:
    """Let short runs end; a longer one is stopped, and its job goes back to the queue."""
    with suppress(asyncio.CancelledError):
        await asyncio.wait({working}, timeout=seconds)
        working.cancel()


async def _watch(web: asyncio.Task[None], stop: asyncio.Event) -> None:
    """A web server that ends by itself (a taken port) ends all of it."""
    await asyncio.wait({web})
    stop.set()


async def _handle_events(events: EventQueue, process: Process, stop: asyncio.Event) -> None:
    while not stop.is_set():
        lease = await events.receive(WAIT)
        if lease is None:
            continue
        if stop.is_set():
            await lease.release(0)
        else:
            await process(lease)


async def _redeliver(settings: ServeSettings, ports: Ports, core: Core) -> None:
    while True:
        await ports.clock.sleep(settings.redeliver_every)
        try:
            await core.reconcile.redeliver()
        except (Retryable, Permanent) as error:
            log().warning("redelivery not possible now", reason=str(error))
