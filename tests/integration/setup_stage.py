"""A hub, the pages of `orch setup`, and a browser's part between them."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import aiohttp

from app.entry.setup import HOST, serving_pages
from app.github.manifest import open_manifests
from app.web.setup import Place, Setup
from infra.hub.server import RunningHub, start_hub
from infra.hub.settings import HubSettings
from infra.local.clock import SystemClock
from infra.local.secrets import FileSecretStore
from tests.contract.hub.browser import Shown


@dataclass(slots=True)
class Visitor:
    """Somebody with a browser, who follows no redirect unasked; `seen` is all that was shown."""

    setup: Setup
    session: aiohttp.ClientSession
    seen: list[str] = field(default_factory=list)

    async def get(self, path: str, **headers: str) -> Shown:
        return await self._send("GET", path, None, headers)

    async def post(self, path: str, origin: str | None = None, **fields: str) -> Shown:
        """Send a form of these pages, with its token and from their origin, unless others are given."""
        given = {"token": self.setup.token, **fields}
        return await self._send("POST", path, given, {"Origin": origin or self.setup.place.origin})

    async def enter(self) -> Shown:
        """Open the address that was printed."""
        return await self.get(self.setup.address.removeprefix(self.setup.place.origin))

    async def agree(self, name: str = "Acme Orch") -> str:
        """Fill in the form, press the button on the hub, and return the path that the browser is sent back to."""
        shown = await self.post("/setup", name=name)
        action = next(attributes["action"] for _, attributes in shown.elements("form"))
        async with self.session.post(action, data={"manifest": shown.value("manifest")}) as answer:
            page = Shown(answer.status, answer.headers, await answer.text())
        hub = self.setup.place.web_url
        fields = {one: page.value(one) for one in ("manifest", "state", "name", "form_token")}
        async with self.session.post(
            f"{hub}/settings/apps", data=fields, headers={"Origin": hub}, allow_redirects=False
        ) as answer:
            assert answer.status == 303, await answer.text()
            return answer.headers["Location"].removeprefix(self.setup.place.origin)

    async def _send(self, method: str, path: str, fields: dict[str, str] | None, headers: dict[str, str]) -> Shown:
        async with self.session.request(
            method, self.setup.place.origin + path, data=fields, headers=headers, allow_redirects=False
        ) as answer:
            text = await answer.text()
        self.seen.append(text)
        return Shown(answer.status, answer.headers, text)


@asynccontextmanager
async def open_pages(folder: Path, github: str) -> AsyncIterator[Visitor]:
    """Serve the pages for a GitHub, whose secrets go into a folder, and look at them as whoever was told where."""
    jar = aiohttp.CookieJar(unsafe=True)
    with closing(socket.create_server((HOST, 0))) as listener:
        place = Place(github, github, f"http://{HOST}:{listener.getsockname()[1]}", 8080)
        store = FileSecretStore(folder / "state", folder / ".env")
        async with open_manifests(github, SystemClock()) as maker, aiohttp.ClientSession(cookie_jar=jar) as session:
            setup = Setup(maker, store, place, lambda: ["ORCH_AGENTS is not set"])
            async with serving_pages(setup, listener):
                yield Visitor(setup, session)


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncIterator[tuple[Visitor, RunningHub]]:
    """Do the same with a hub, and enter."""
    hub = await start_hub(HubSettings())
    try:
        async with open_pages(folder, hub.base_url) as visitor:
            await visitor.enter()
            yield visitor, hub
    finally:
        await hub.stop()


def callback(**query: str) -> str:
    return f"/setup/callback?{urlencode(query)}"
