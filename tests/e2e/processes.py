"""Start hub and Orch as processes of their own, and stop or kill them."""

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

ORCH = Path(sys.executable).with_name("orch")
START_SECONDS = 30


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on.

    It lies below those that outgoing connections are given, or one of them could take it while its owner restarts.
    """
    while True:
        port = random.randint(12_000, 32_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(slots=True)
class Child:
    """A child process that leads a process group of its own."""

    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        """End it as `kill -9` does, and nothing but it."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """Ask it to stop, and return its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.process.wait(), 20)
        except TimeoutError:
            await self.kill()
            raise


async def start(argv: list[str], env: Mapping[str, str], log: Path, *, piped: bool = False) -> Child:
    """Start a process whose errors go to the end of a file."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdout=asyncio.subprocess.PIPE if piped else errors,
            stderr=errors,
            env={"PATH": os.environ["PATH"], "HOME": str(log.parent), **env},
            cwd=log.parent,
            start_new_session=True,
        )
    return Child(process)


async def start_hub(folder: Path, port: int, webhook: str) -> tuple[Child, dict[str, Any]]:
    """Start a hub that keeps its state, and return what it says about itself."""
    argv = [str(ORCH), "hub", "--port", str(port), "--state", str(folder / "hub"), "--webhook", webhook]
    child = await start(argv, {}, folder / "hub.log", piped=True)
    assert child.process.stdout is not None
    line = await asyncio.wait_for(child.process.stdout.readline(), START_SECONDS)
    assert line, (folder / "hub.log").read_text()
    return child, json.loads(line)


async def healthy(url: str, child: Child, log: Path) -> None:
    """Wait until the process has started, and says on `/readyz` that it has all it needs."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(START_SECONDS):
        while True:
            assert child.process.returncode is None, f"it ended; see {log}"
            with suppress(aiohttp.ClientError):
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.02)
