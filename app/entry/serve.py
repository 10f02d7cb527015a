"""Orch in one process: web, events worker, and (unless told otherwise) a runner."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from app.domain.errors import Permanent, Retryable
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
            started = await unless(stop, _start(settings, ports, wrap))
            if started is not None:
                await _run(settings, ports, started, listener, stop, with_runner=with_runner)


def _listen(settings: ServeSettings) -> socket.socket:
    """Take the port before anything else; deliveries that come early wait in it until Orch is ready."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise Permanent(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class _Started:
    """`reconciled` says whether all that may have been missed was looked at."""

    core: Core
    reconciled: bool


async def _start(settings: ServeSettings, ports: Ports, wrap: Wrap) -> _Started:
    core = await build_core(settings, ports, wrap)
    try:
        await core.reconcile()
    except Retryable as error:  # a limit may last an hour: deliveries must not be refused for so long
        log().warning("not all could be looked at, and will be while deliveries are taken", reason=str(error))
        return _Started(core, reconciled=False)
    return _Started(core, reconciled=True)


async def _run(
    settings: ServeSettings,
    ports: Ports,
    started: _Started,
    listener: socket.socket,
    stop: asyncio.Event,
    *,
    with_runner: bool,
) -> None:
    core = started.core
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
        looking = group.create_task(_look_for_missed(settings, ports, started), name="look for what was missed")
        await stop.wait()
        log().info("stopping")
        _stop(server, ports, worker)
        looking.cancel()
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


async def _look_for_missed(settings: ServeSettings, ports: Ports, started: _Started) -> None:
    reconcile, reconciled = started.core.reconcile, started.reconciled
    while True:
        await ports.clock.sleep(settings.redeliver_every if reconciled else settings.retry_base)
        try:
            if not reconciled:
                await patiently(reconcile, ports.clock)
                reconciled = True
            await reconcile.redeliver()
        except Exception as error:  # it is tried again the next time, and stops nothing else
            log().warning("what was missed cannot be looked for now", reason=f"{type(error).__name__}: {error}")
