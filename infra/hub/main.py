"""The hub as a process of its own."""

import asyncio
import json
import signal

from infra.hub.server import start_hub
from infra.hub.settings import HubSettings


def run_hub(settings: HubSettings) -> None:
    """Run a hub until SIGTERM or SIGINT; print one line of JSON about it when it listens."""
    asyncio.run(_run(settings))


async def _run(settings: HubSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    hub = await start_hub(settings)
    try:
        print(json.dumps(hub.describe()), flush=True)
        await stop.wait()
    finally:
        await hub.stop()
