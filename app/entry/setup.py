"""Make the App: serve the pages on this machine until it exists."""

import asyncio
import socket
import webbrowser
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from app.domain.errors import Permanent, UserError
from app.domain.manifest import install_address
from app.github.manifest import open_manifests
from app.settings import ServeSettings, SetupSettings, check_settings, find_sources, has_display
from app.sources import Sources
from app.web.setup import Place, Setup, setup_app
from infra.local.clock import SystemClock
from infra.local.secrets import FileSecretStore

HOST = "127.0.0.1"
ENV_FILE = Path(".env")
OF_AN_APP = ("app_id", "private_key", "private_key_file", "webhook_secret")
LAST_PAGE = 30.0
"""Seconds that the last page may take to be asked for, once the App exists."""
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """How the pages are to be served: port 0 takes a free one; `browser` opens one where there is a display."""

    port: int = 0
    replace: bool = False
    browser: bool = True


async def run_setup(settings: SetupSettings, asked: Asked, tell: Tell, config: Path | None = None) -> None:
    """Serve until the App exists and its secrets are kept. Raises UserError if there is one already."""
    check_room(find_sources(config), replace=asked.replace)
    with closing(_listen(asked.port)) as listener:
        origin = f"http://{HOST}:{listener.getsockname()[1]}"
        store = FileSecretStore(settings.state_dir, ENV_FILE, replace=asked.replace)
        place = Place(settings.github_web_url, settings.github_api_url, origin, settings.port)
        async with open_manifests(settings.github_api_url, SystemClock()) as maker:
            setup = Setup(maker, store, place, lambda: still_missing(config))
            async with serving_pages(setup, listener) as serving:
                _invite(setup, asked, tell)
                await _until_done(setup, serving)
    _say_end(setup, tell)


def check_room(sources: Sources, *, replace: bool) -> None:
    """Raise UserError if what would be written is set already, or would count for nothing."""
    if sources.some_unread:
        raise UserError("; ".join(sources.problems))
    given = [sources.given[name] for name in OF_AN_APP if name in sources.given]
    elsewhere = [f"{one.label} ({one.origin})" for one in given if one.origin != ENV_FILE.name]
    if elsewhere:
        raise UserError(
            f"an App is set already: {', '.join(elsewhere)}; take that out first, as it would contradict .env"
        )
    if given and not replace:
        names = ", ".join(one.label for one in given)
        raise UserError(f"an App is set already: .env says {names}; `orch setup --replace` makes another in its place")


def still_missing(config: Path | None) -> Sequence[str]:
    """Say what `orch serve` lacks by now."""
    checked = check_settings(ServeSettings, find_sources(config))
    return checked if isinstance(checked, list) else ()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0]
        raise Permanent(f"cannot listen on {HOST}:{port}: {why}; choose another --port") from None


@asynccontextmanager
async def serving_pages(setup: Setup, listener: socket.socket) -> AsyncIterator[asyncio.Task[None]]:
    """Serve the pages meanwhile; the task ends early if a signal ends the server."""
    server = uvicorn.Server(
        uvicorn.Config(
            setup_app(setup),
            log_config=None,
            access_log=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="setup pages")
    try:
        yield serving
    finally:
        server.should_exit = True
        await serving


async def _until_done(setup: Setup, serving: asyncio.Task[None]) -> None:
    done = asyncio.create_task(setup.done.wait(), name="last page shown")
    try:
        while not (done.done() or serving.done()):
            await asyncio.wait({done, serving}, timeout=LAST_PAGE, return_when=asyncio.FIRST_COMPLETED)
            if setup.kept:  # a browser that was closed at the last step asks for no last page
                return
    finally:
        done.cancel()


def _invite(setup: Setup, asked: Asked, tell: Tell) -> None:
    port = setup.place.origin.rpartition(":")[2]
    tell(f"Open {setup.address} in a browser; it opens once.")
    if asked.browser and has_display():
        asyncio.get_running_loop().run_in_executor(None, webbrowser.open, setup.address)  # one in a terminal blocks
    else:
        tell(f"From another machine, first: ssh -L {port}:{HOST}:{port} THIS-MACHINE")
    tell("Ctrl-C ends this, and no App is made.")


def _say_end(setup: Setup, tell: Tell) -> None:
    if setup.made is None:
        raise UserError("no App was set up; `orch setup` begins anew")
    if not setup.kept:
        raise UserError(f"{setup.made.url} exists and its keys were not kept: delete it on GitHub, and begin anew")
    tell(f"{setup.made.name} exists: {setup.made.url}")
    for line in setup.kept:
        tell(f"Written: {line}")
    for line in setup.missing():
        tell(f"Still missing: {line}")
    tell(f"Start it: orch serve\nInstall it: {install_address(setup.place.web_url, setup.made.slug)}")
