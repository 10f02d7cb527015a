"""The hub beside Orch: a process of its own that ends with this one."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from app.domain.errors import Permanent
from infra.hub.settings import HubSettings

START_SECONDS = 30.0
END_SECONDS = 5.0
ENTRY = "from infra.hub.main import run_leashed_hub; run_leashed_hub()"


@dataclass(frozen=True, slots=True)
class LocalHub:
    """A hub that listens. `about` is what it says of itself."""

    about: dict[str, Any]
    process: asyncio.subprocess.Process
    log: Path

    async def ended(self) -> str:
        """Wait until the hub ends by itself, and say how."""
        status = await self.process.wait()
        return f"the hub ended with {status}: {_last_line(self.log)}"


@asynccontextmanager
async def open_hub(settings: HubSettings, log: Path) -> AsyncIterator[LocalHub]:
    """Run a hub for as long as the context lasts; what it says goes to `log`. Raises Permanent if it does not start."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            # -P: whatever lies in the working directory is no part of it.
            *(sys.executable, "-P", "-c", ENTRY),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for Orch, which still needs the hub while it stops
        )
    try:
        yield LocalHub(await _started(process, settings, log), process, log)
    finally:
        await _end(process)


async def _started(process: asyncio.subprocess.Process, settings: HubSettings, log: Path) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(ConnectionError):
        process.stdin.write(TypeAdapter(HubSettings).dump_json(settings) + b"\n")
        await process.stdin.drain()
    line = b""
    with suppress(TimeoutError):
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
    if not line:
        raise Permanent(f"the hub does not start: {_last_line(log)}")
    about: dict[str, Any] = json.loads(line)
    return about


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"{log} says nothing; was it killed, or is the disk full?"
