"""The hub as a process of its own."""

import asyncio
import json
import shutil
import signal
import sys

from pydantic import TypeAdapter

from app.domain.errors import Permanent
from infra.hub.server import start_hub
from infra.hub.settings import HubSettings


def run_hub(settings: HubSettings, leash: int | None = None) -> None:
    """Run a hub until SIGTERM or SIGINT; print one line of JSON about it when it listens.

    The end of what stands on the descriptor `leash` ends it too. Raises Permanent where it cannot work.
    """
    if shutil.which("git") is None:
        raise Permanent("git is not on PATH, and the hub needs it; install it (Debian: apt-get install git)")
    asyncio.run(_run(settings, leash))


def run_leashed_hub() -> None:
    """Run a hub with the settings (JSON) in the first line of standard input, until that ends.

    So it never outlives the process that started it, however that one ends.
    """
    settings = TypeAdapter(HubSettings).validate_json(sys.stdin.buffer.readline())
    run_hub(settings, sys.stdin.fileno())


async def _run(settings: HubSettings, leash: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if leash is not None:
        loop.add_reader(leash, stop.set)
    hub = await start_hub(settings)
    try:
        print(json.dumps(hub.describe()), flush=True)
        await stop.wait()
    finally:
        await hub.stop()
