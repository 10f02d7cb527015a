"""Hub and Orch for one repository on this machine; nothing leaves it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import Permanent, Retryable, UserError
from app.entry.local_hub import LocalHub, open_hub
from app.entry.local_mirror import Mirror
from app.entry.local_person import Person, open_person
from app.entry.local_place import Place, Tell, default_branch
from app.entry.local_settings import HOST, Wish, check_agent, free_port, hub_settings, orch_settings, with_sandbox
from app.entry.serve import serve
from app.entry.stopping import Stop, stop_on_signals
from app.log import configure
from app.settings import ServeSettings
from infra.local.user_git import GitRefused, UserGit


@dataclass(frozen=True, slots=True)
class Local:
    """Hub and Orch at work; `serving` is Orch."""

    place: Place
    branch: str
    hub: LocalHub
    person: Person
    serving: asyncio.Task[None]

    @property
    def page(self) -> str:
        """Return where the issues are to be seen."""
        return f"{self.hub.about['web_url']}/{self.person.repository}/issues"

    async def ended(self) -> None:
        """Wait for Orch to end. Raises what ended it, and Permanent if the hub ends first."""
        broken = asyncio.create_task(self.hub.ended(), name="end of the hub")
        try:
            await asyncio.wait({broken, self.serving}, return_when=asyncio.FIRST_COMPLETED)
            if not self.serving.done():
                raise Permanent(await broken)
            self.serving.result()
        finally:
            broken.cancel()


@asynccontextmanager
async def open_local(place: Place, wish: Wish, stop: Stop, tell: Tell) -> AsyncIterator[Local]:
    """Run hub and Orch until `stop` is set or the context ends; what is under way then ends or is given back.

    Raises UserError or Permanent for what keeps it from starting. Logs go to files in the place's state.
    """
    check_agent(wish.agent)
    wish = await asyncio.to_thread(with_sandbox, wish, tell)
    branch = default_branch(place, wish.base)
    port = free_port()
    async with AsyncExitStack() as stack:
        stack.enter_context(place.held())
        asked = hub_settings(place, wish, branch, f"http://{HOST}:{port}/webhook")
        place.withdraw()
        hub = await stack.enter_async_context(open_hub(asked, place.state / "hub.log"))
        person = await stack.enter_async_context(open_person(hub.about))
        settings = orch_settings(place, wish, hub.about, port)
        stack.enter_context(_logging(place.state / "orch.log", settings))
        mirror = await _mirror(place, person, tell)
        serving = await stack.enter_async_context(_working(settings, mirror, stop))
        await _taking_deliveries(serving, port)
        place.publish(hub.about)
        yield Local(place, branch, hub, person, serving)


@contextmanager
def _logging(path: Path, settings: ServeSettings) -> Iterator[None]:
    """Log to a file: the terminal is for what the person is told."""
    with path.open("a", buffering=1, encoding="utf-8") as file:
        configure(settings.log_level, secrets=settings.secrets(), stream=file)
        try:
            yield
        finally:
            configure("warning")


async def _mirror(place: Place, person: Person, tell: Tell) -> Mirror:
    bare = place.state / "hub" / "git" / f"{(await person.get(''))['id']}.git"
    return Mirror(place.git, UserGit(bare, place.git.environment, bare), person, place.state / "agreed.json", tell)


@asynccontextmanager
async def _working(settings: ServeSettings, mirror: Mirror, stop: asyncio.Event) -> AsyncIterator[asyncio.Task[None]]:
    """Run Orch, and keep branches alike; at the end once more, when Orch does nothing any more."""
    serving = asyncio.create_task(serve(settings, stop=stop), name="orch")
    mirroring = asyncio.create_task(mirror.forever(), name="branches")
    try:
        yield serving
    finally:
        stop.set()
        await asyncio.gather(serving, return_exceptions=True)
        mirroring.cancel()
        await asyncio.gather(mirroring, return_exceptions=True)
        with suppress(GitRefused, Permanent, Retryable, OSError):
            await mirror.once()


async def _taking_deliveries(serving: asyncio.Task[None], port: int) -> None:
    """Wait until Orch listens, or has ended."""
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


async def run_local(place: Place, wish: Wish, tell: Tell) -> None:
    """Serve the repository until SIGINT or SIGTERM; a second one ends everything at once."""
    stop = stop_on_signals(SayingStop(tell))
    try:
        async with open_local(place, wish, stop, tell) as local:
            for line in _greeting(local, wish):
                tell(line)
            await local.ended()
    except OSError as error:
        raise UserError(
            f"{place.state} cannot be used ({error.strerror}): mend that, or choose another with --state"
        ) from None
    tell("stopped; `orch local` goes on from here")


class SayingStop(Stop):
    """Answers each signal with a line."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def ask(self) -> None:
        again = "stopping at once" if self.is_set() else "stopping: runs end or are given back; Ctrl-C again hurries it"
        self._tell(again)
        super().ask()


def _greeting(local: Local, wish: Wish) -> Iterator[str]:
    yield f"{local.place.folder} is served at {local.page}"
    yield f"work starts from {local.branch}; it comes back on branches orch/... and, once merged, on {local.branch}"
    if wish.agent == "script":
        yield "the agent `script` uses no model: it runs the bash blocks of an issue, as you, on this machine"
    yield "make an issue there or with `orch issue new TITLE`; the label `orch` starts the work"
    yield f"state and logs: {local.place.state}; Ctrl-C stops"
