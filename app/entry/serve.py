"""Orch in one process: web, events worker, and (unless told otherwise) a runner."""

import asyncio
import errno
import gc
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from time import monotonic

import uvicorn

from app.domain.errors import Permanent, Retryable
from app.entry.looking import look_for_missed, tend_runners
from app.entry.parts import Core, Ports, Wrap, build_core, open_notifier, open_ports, plain
from app.entry.runner import open_worker, require_tools
from app.entry.stopping import drain, stop_on_signals, unless
from app.entry.telemetry import carrying, telemetry, watch_queues
from app.log import log
from app.ports import Notifier
from app.process import Process
from app.settings import ServeSettings
from app.web.asgi import web_app
from app.web.health import Health, Probe
from app.web.receive import Given, Receiver, Secrets
from runner.sandbox import Sandbox

WAIT = 5.0
AGAIN = 1.0
SELDOM = 15.0
LAST_EVENTS = 5.0
"""Seconds that an event may take at the end: handling it can go on at any point, so that little is lost by less."""
LAST_REQUESTS = 2
"""Seconds that requests under way may take at the end; one that hangs must not keep Orch from stopping."""
YOUNG = 20_000
"""New containers, less those gone again, before garbage is collected; 30 deliveries at once have Python's own 700."""
CHECK_EVERY = {"github": 60.0}
"""Seconds between two looks at a part for `/readyz`; those of this machine cost little."""
CHECK_OTHERS_EVERY = 1.0
CHECK_ON_AWS_EVERY = 15.0


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: one place stops all parts in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class _Web:
    """The web server at work."""

    server: _Server
    serving: asyncio.Task[None]
    health: Health


async def serve(
    settings: ServeSettings, *, with_runner: bool = True, wrap: Wrap = plain, stop: asyncio.Event | None = None
) -> None:
    """Run until SIGTERM or SIGINT, or `stop` if given.

    Takes deliveries at once, looks for what was missed, and then works on all of it.
    """
    sandbox = require_tools(settings) if with_runner else None
    notifier = await open_notifier(settings)
    stop = stop or stop_on_signals()
    measured = telemetry("serve", host=settings.metrics_host, port=settings.metrics_port)
    with closing(_listen(settings)) as listener, measured:
        wrap = carrying(wrap)
        async with open_ports(settings, wrap) as ports, _taking_deliveries(settings, ports, listener) as web:
            started = await unless(stop, _start(settings, ports, wrap, notifier))
            if started is not None:
                await _run(settings, ports, started, web, stop, sandbox=sandbox)


def _listen(settings: ServeSettings) -> socket.socket:
    """Take the port before anything else."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0]
        advice = (
            "set ORCH_PORT to a port that is free" if error.errno == errno.EADDRINUSE else "see ORCH_HOST, ORCH_PORT"
        )
        raise Permanent(f"cannot listen on {settings.host}:{settings.port}: {why}; {advice}") from None
    # asyncio does this only where a socket's protocol is named; without it an answer waits 40 ms for an ACK
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


@asynccontextmanager
async def _taking_deliveries(settings: ServeSettings, ports: Ports, listener: socket.socket) -> AsyncIterator[_Web]:
    """Serve from now on: what is delivered waits in the queue for whoever is to handle it."""
    with _webhook_secrets(settings) as secrets:
        receiver = Receiver(secrets, ports.events, ports.clock)
        async with _serving(receiver, _health(settings, ports), listener) as web:
            yield web


@contextmanager
def _webhook_secrets(settings: ServeSettings) -> Iterator[Secrets]:
    """Return what signs deliveries; of a secret on AWS, newer ones are found while this server runs."""
    first = (settings.webhook_secret.get_secret_value().encode(),)
    if not settings.is_on_aws or not settings.aws_secret:
        yield Given(first)
        return
    from app.entry.aws_parts import open_clients  # noqa: PLC0415 - boto3 is an extra, and memory is short
    from infra.aws.secrets import FetchedSecrets  # noqa: PLC0415 - as above

    with open_clients() as clients:
        yield FetchedSecrets(clients, settings.aws_secret, first, monotonic)


@asynccontextmanager
async def _serving(receiver: Receiver, health: Health, listener: socket.socket) -> AsyncIterator[_Web]:
    _spare_collections()
    server = _Server(
        uvicorn.Config(
            web_app(receiver, health),
            log_config=None,
            access_log=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=LAST_REQUESTS,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="web")
    try:
        yield _Web(server, serving, health)
    finally:
        server.should_exit = True
        await serving


def _spare_collections() -> None:
    """Let garbage collections pass over what is there by now, mostly modules: it stays to the end.

    And let them be seldom: what a burst of deliveries holds at once is no garbage, and to find that out takes time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def _health(settings: ServeSettings, ports: Ports) -> Health:
    others = CHECK_ON_AWS_EVERY if settings.is_on_aws else CHECK_OTHERS_EVERY
    return Health(
        {name: Probe(check, ports.clock, CHECK_EVERY.get(name, others)) for name, check in ports.checks.items()}
    )


@dataclass(frozen=True, slots=True)
class _Started:
    """`reconciled` says whether all that may have been missed was looked at."""

    core: Core
    reconciled: bool


async def _start(settings: ServeSettings, ports: Ports, wrap: Wrap, notifier: Notifier | None) -> _Started:
    core = await build_core(settings, ports, wrap, notifier)
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
    web: _Web,
    stop: asyncio.Event,
    *,
    sandbox: Sandbox | None,
) -> None:
    """Do all that there is to do; runs too, if there is a sandbox for them."""
    core = started.core
    web.health.begin()
    async with AsyncExitStack() as stack:
        worker = None
        if sandbox is not None:
            worker = await stack.enter_async_context(open_worker(settings, ports, core.runs, sandbox))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        watching = group.create_task(_watch_web(web), name="web server")
        handling = {
            group.create_task(_handle_events(ports, core.process, stop), name=f"events worker {number}")
            for number in range(settings.workers)
        }
        running = {group.create_task(worker(), name="runner")} if worker else set()
        measuring = group.create_task(watch_queues(ports.events, ports.jobs, ports.clock), name="measure queues")
        looking = group.create_task(
            look_for_missed(settings, ports, core, reconciled=started.reconciled), name="look for what was missed"
        )
        tending = group.create_task(tend_runners(ports), name="look after runners") if settings.aws_cluster else None
        await stop.wait()
        log().info("stopping", seconds=settings.drain_seconds)
        ports.stop_receiving()
        if worker:
            worker.stop()
        looking.cancel()
        if tending:
            tending.cancel()
        measuring.cancel()
        events_seconds = min(LAST_EVENTS, settings.drain_seconds)
        leave = worker.leave if worker else None
        await asyncio.gather(drain(handling, events_seconds, stop), drain(running, settings.drain_seconds, stop, leave))
        watching.cancel()  # only now: deliveries are taken to the end, for whoever is started next


async def _watch_web(web: _Web) -> None:
    await asyncio.wait({web.serving})
    raise RuntimeError("the web server ended by itself")


async def _handle_events(ports: Ports, process: Process, stop: asyncio.Event) -> None:
    pause = AGAIN
    while not stop.is_set():
        try:
            lease = await ports.events.receive(WAIT)
            pause = AGAIN
            if lease is not None and stop.is_set():
                await lease.release(0)
            elif lease is not None:
                await process(lease)
        except Retryable as error:  # a full disk: what the queue holds is safe, and the worker goes on
            log().error("no event can be taken now", reason=str(error), seconds=pause)
            await ports.clock.sleep(pause)
            pause = min(2 * pause, SELDOM)
        except Exception as error:  # whatever it is, it must not end the worker
            log().exception("no event can be taken now", error=str(error))
            await ports.clock.sleep(AGAIN)
