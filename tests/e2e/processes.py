"""Start hub and Orch as processes of their own, and stop or kill them."""

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.forked import END_SECONDS, Forked

ORCH = Path(sys.executable).with_name("orch")
START_SECONDS = 120
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Which of the processes that share the tests this is."""
PORTS_EACH = 2_500


def _candidates() -> Iterator[int]:
    """Yield ports again and again that no other worker yields.

    They lie below those that outgoing connections are given, or one of them could take a port while its owner restarts.
    """
    ports = range(12_000, 32_000)[WORKER % 8 * PORTS_EACH :][:PORTS_EACH]
    yield from islice(cycle(ports), random.randrange(PORTS_EACH), None)


_ports = _candidates()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, and that is not returned again soon."""
    while True:
        port = next(_ports)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(slots=True)
class Child:
    """A child process that leads a process group of its own."""

    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def wait(self) -> int:
        return await self.process.wait()

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
            return await asyncio.wait_for(self.process.wait(), END_SECONDS)
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


async def launch(argv: list[str], env: Mapping[str, str], log: Path) -> Child:
    """Start `orch` with these arguments in the folder of its log."""
    return await start([str(ORCH), *argv], env, log)


async def start_hub(folder: Path, port: int, webhook: str) -> tuple[Child, dict[str, Any]]:
    """Start a hub that keeps its state, and return what it says about itself."""
    argv = [str(ORCH), "hub", "--port", str(port), "--state", str(folder / "hub"), "--webhook", webhook]
    child = await start(argv, {}, folder / "hub.log", piped=True)
    assert child.process.stdout is not None
    line = await asyncio.wait_for(child.process.stdout.readline(), START_SECONDS)
    assert line, (folder / "hub.log").read_text()
    return child, json.loads(line)


async def healthy(url: str, child: Child | Forked, log: Path) -> None:
    """Wait until the process has started, and says on `/readyz` that it has all it needs."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(START_SECONDS):
        while True:
            assert child.returncode is None, f"it ended; see {log}"
            with suppress(aiohttp.ClientError):
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.02)
