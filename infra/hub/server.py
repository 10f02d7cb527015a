"""Starting and stopping a hub."""

import asyncio
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from app.domain.errors import Permanent
from infra.hub.api import ROUTES, actions, ci, happenings, protection
from infra.hub.api.admin import ROUTES as ADMIN_ROUTES
from infra.hub.api.admin import describe
from infra.hub.delivering import deliver_forever
from infra.hub.dispatch import mount, mount_admin
from infra.hub.errors import not_found
from infra.hub.faults import Faults
from infra.hub.git_access import mount_git
from infra.hub.graphql import ROUTES as GRAPHQL_ROUTES
from infra.hub.pages import mount_pages
from infra.hub.pages.guard import local_only
from infra.hub.queueing import run_queues
from infra.hub.refs import finish_changes
from infra.hub.settings import HubSettings
from infra.hub.setup import ensure_app, plant
from infra.hub.state import State
from infra.hub.wire import JSON, Answer, to_response
from infra.hub.world import World, ensure_key

GRACE_SECONDS = 1.0
BODY_LIMIT = 32 * 1024 * 1024


@dataclass(slots=True)
class RunningHub:
    """A hub that listens until `stop`."""

    base_url: str
    world: World
    _runner: web.AppRunner
    _tasks: tuple[asyncio.Task[None], ...]
    _scratch: Path | None

    def describe(self) -> JSON:
        with self.world.state.transaction():
            return describe(self.world)

    async def stop(self) -> None:
        """Stop listening and sending; what is pending stays so in a state on disk."""
        await self._runner.cleanup()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.world.state.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch)


async def start_hub(settings: HubSettings, clock: Callable[[], float] = time.time) -> RunningHub:
    """Start a hub in this event loop; it listens when this returns."""
    scratch = None if settings.state_dir is not None else Path(tempfile.mkdtemp(prefix="hub-"))
    root = settings.state_dir or scratch
    assert root is not None
    root.mkdir(parents=True, exist_ok=True)
    world = World(State(root / "hub.db" if scratch is None else None), root.resolve(), Faults(), clock=clock)
    world.faults.set(settings.faults)
    # The port is known before anybody can call: nothing answers until the state is complete.
    listener = _bind(settings)
    world.base_url = "http://{}:{}".format(*listener.getsockname()[:2])
    ensure_key(world.key_file)
    ensure_app(world, settings)
    await plant(world, settings)
    await finish_changes(world)
    runner = web.AppRunner(_application(world), access_log=None, shutdown_timeout=GRACE_SECONDS)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    sender = asyncio.create_task(deliver_forever(world), name="hub-deliveries")
    merger = asyncio.create_task(run_queues(world), name="hub-merge-queues")
    world.changed.set()
    world.queued.set()
    return RunningHub(world.base_url, world, runner, (sender, merger), scratch)


def _bind(settings: HubSettings) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        raise Permanent(f"the hub cannot listen on {where}: {error.strerror}; choose another --port") from None
    return listener


def _application(world: World) -> web.Application:
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=[local_only])
    for routes in (ADMIN_ROUTES, ci.ROUTES, protection.ADMIN_ROUTES, actions.LOG_ROUTES, happenings.ROUTES):
        mount_admin(app, world, routes)
    mount(app, world, [*ROUTES, *GRAPHQL_ROUTES])
    mount_git(app, world)
    mount_pages(app, world)
    app.router.add_route("*", "/{tail:.*}", _nothing_here)
    return app


async def _nothing_here(request: web.Request) -> web.Response:
    error = not_found()
    return to_response(request, Answer(error.status, error.body))
