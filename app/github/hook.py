"""Where GitHub delivers an App's webhooks to."""

import aiohttp

from app.github.auth import AppCredential
from app.github.client import Client, Transport
from app.github.pacing import Pacing
from app.ports import Clock


async def point_hook(api_url: str, app_id: int, private_key: str, clock: Clock, *, url: str, secret: str) -> None:
    """Have the App's webhooks delivered to `url` from now on, signed with the secret; raises as the GitHub port does.

    A webhook that is switched off in the App's settings stays so: that can be changed there only.
    """
    credential = AppCredential(app_id, private_key, clock)
    config = {"url": url, "content_type": "json", "insecure_ssl": "0", "secret": secret}
    async with aiohttp.ClientSession() as session:
        transport = Transport(session, api_url, clock, Pacing(clock, 0))
        await Client(transport, credential).ask("PATCH", "/app/hook/config", config)
