"""Orch in one process: web, events worker, and (unless told otherwise) a runner."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import uvicorn
from starlette.types import ASGIApp

from app.domain.errors import Permanent
from app.entry.parts import Core, Ports, Wrap, build_core, open_ports, patiently, plain
from app.entry.runner import build_worker
from app.entry.stopping import drain, stop_on_signals, unless
from app.log import log
from app.process import Process
from app.settings import ServeSettings
from app.web.asgi import web_app
from app.web.receive import Receiver
from runner.worker import Worker

WAIT = 5.0
AGAIN = 1.0
LAST_REQUESTS = 2
"""Seconds that requests under way may take at the end; one that hangs must not keep Orch from stopping."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: one place stops all parts in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: ServeSettings, *, with_runner: bool = True, wrap: Wrap = plain) -> None:
    """Run until SIGTERM or SIGINT: first look for what was missed, then take deliveries and work."""
    stop = stop_on_signals()
    with closing(_listen(settings)) as listener:
        async with open_ports(settings, wrap) as ports:
            core = await unless(stop, _start(settings, ports, wrap))
            if core is not None:
                await _run(settings, ports, core, listener, stop, with_runner=with_runner)


def _listen(settings: ServeSettings) -> socket.socket:
    """Take the port before anything else; deliveries that come early wait in it until Orch is ready."""
    try:
        return socket.create_server((settings.host, settings.port))
    except OSError as error:
        raise Permanent(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None


async def _start(settings: ServeSettings, ports: Ports, wrap: Wrap) -> Core:
    core = await build_core(settings, ports, wrap)
    await patiently(core.reconcile, ports.clock)
    return core


async def _run(
    settings: ServeSettings,
    ports: Ports,
    core: Core,
    listener: socket.socket,
    stop: asyncio.Event,
    *,
    with_runner: bool,
) -> None:
    receiver = Receiver(settings.webhook_secret.get_secret_value().encode(), ports.events, ports.clock)
    server = _server(web_app(receiver))
    worker = build_worker(settings, ports.jobs, core.runs, ports.clock) if with_runner else None
    async with asyncio.TaskGroup() as group:
        group.create_task(_serve_web(server, listener, stop), name="web")
        working = {
            group.create_task(_handle_events(ports, core.process, stop), name=f"events worker {number}")
            for number in range(settings.workers)
        }
        if worker:
            working.add(group.create_task(worker(), name="runner"))
        redelivering = group.create_task(_redeliver(settings, ports, core), name="redeliveries")
        await stop.wait()
        log().info("stopping")
        _stop(server, ports, worker)
        redelivering.cancel()
        await drain(working)


def _server(app: ASGIApp) -> _Server:
    return _Server(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=LAST_REQUESTS)
    )


async def _serve_web(server: _Server, listener: socket.socket, stop: asyncio.Event) -> None:
    await server.serve(sockets=[listener])
    if not stop.is_set():
        raise RuntimeError("the web server ended by itself")


def _stop(server: _Server, ports: Ports, worker: Worker | None) -> None:
    server.should_exit = True
    ports.stop_receiving()
    if worker:
        worker.stop()


async def _handle_events(ports: Ports, process: Process, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            lease = await ports.events.receive(WAIT)
            if lease is not None and stop.is_set():
                await lease.release(0)
            elif lease is not None:
                await process(lease)
        except Exception as error:  # the queue fails (a full disk): what it holds is safe, and the worker goes on
            log().exception("no event can be taken now", error=str(error))
            await ports.clock.sleep(AGAIN)


async def _redeliver(settings: ServeSettings, ports: Ports, core: Core) -> None:
    while True:
        await ports.clock.sleep(settings.redeliver_every)
        try:
            await core.reconcile.redeliver()
        except Exception as error:  # it is tried again the next time, and stops nothing else
            log().warning("redelivery not possible now", reason=f"{type(error).__name__}: {error}")
