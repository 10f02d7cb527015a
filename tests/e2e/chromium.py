"""A headless Chromium, driven over its debugging protocol."""

import asyncio
import itertools
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.world import PATIENCE

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Refused(Exception):
    """The page cannot do what was asked, or is just being left."""


@dataclass(slots=True)
class Tab:
    """One page; what its scripts complain about is kept in `complaints`."""

    socket: aiohttp.ClientWebSocketResponse
    complaints: list[str] = field(default_factory=list)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def send(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol, and give its result."""
        number = next(self._ids)
        await self.socket.send_json({"id": number, "method": method, "params": params})
        while True:
            said = await self.socket.receive_json(timeout=PATIENCE)
            if said.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(str(said["params"]))
            if said.get("id") == number:
                if "error" in said:
                    raise Refused(said["error"])
                return said["result"]

    async def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page, past its content policy."""
        done = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise Refused(done["exceptionDetails"])
        return done["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until JavaScript says true on a page that is loaded."""
        condition = f"Boolean(document.readyState === 'complete' && ({script}))"
        async with asyncio.timeout(PATIENCE):
            while not await self._says(condition):  # noqa: ASYNC110 - the event is in another process
                await asyncio.sleep(0.05)

    async def _says(self, condition: str) -> bool:
        try:
            return await self.run(condition) is True
        except Refused:
            return False

    async def go(self, url: str) -> None:
        await self.send("Page.navigate", url=url)
        await self.until(f"location.href === {url!r}")

    async def look(self, width: int, scheme: str) -> None:
        """Take a width in pixels and a colour scheme."""
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        await self.send("Emulation.setDeviceMetricsOverride", **screen)
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


@asynccontextmanager
async def open_tab(program: str, profile: Path) -> AsyncIterator[Tab]:
    """Start a browser with a fresh profile, and end it with all that it started."""
    alone = ("--no-sandbox",) if os.geteuid() == 0 else ()
    process = await asyncio.create_subprocess_exec(
        program,
        *OPTIONS,
        *alone,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                page = next(one for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Log", "Runtime"):
                    await tab.send(f"{domain}.enable")
                yield tab
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _port(file: Path) -> int:
    async with asyncio.timeout(PATIENCE):
        while (port := _written(file)) is None:  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.05)
    return port


def _written(file: Path) -> int | None:
    port, newline, _ = file.read_text().partition("\n") if file.exists() else ("", "", "")
    return int(port) if newline else None
