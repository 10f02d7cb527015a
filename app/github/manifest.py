"""Ask GitHub, as nobody in particular, for the App of a manifest."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from app.domain.errors import Missing, Permanent
from app.domain.manifest import NewApp
from app.github.auth import GivenCredential
from app.github.client import Client, Transport
from app.github.faults import Limited
from app.github.pacing import Pacing
from app.ports import Clock


@dataclass(frozen=True, slots=True)
class Manifests:
    """What is asked before there is an App to ask as. Raises as the GitHub port does."""

    client: Client

    async def is_taken(self, slug: str) -> bool:
        """Say whether everybody can see an App of that slug: a private one is not shown, and a limit hides all."""
        try:
            await self.client.ask("GET", "/apps/{slug}", slug=slug)
        except (Missing, Limited):
            return False
        return True

    async def exchange(self, code: str) -> NewApp:
        """Have the App made, and return it with its secrets, which GitHub tells this once.

        Raises Missing if the code was used or is older than an hour. GitHub makes no webhook secret for an App without
        a webhook, so it gets one here.
        """
        said = await self.client.ask("POST", "/app-manifests/{code}/conversions", code=code)
        try:
            return NewApp(
                app_id=int(said["id"]),
                slug=str(said["slug"]),
                name=str(said["name"]),
                url=str(said["html_url"]),
                private_key=str(said["pem"]),
                webhook_secret=said["webhook_secret"] or secrets.token_hex(32),
                client_secret=str(said["client_secret"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Permanent(f"GitHub's answer lacks {error}") from None


@asynccontextmanager
async def open_manifests(api_url: str, clock: Clock, *, timeout: float = 20.0) -> AsyncIterator[Manifests]:
    """Connect to the GitHub at `api_url` without a credential; `timeout` is the seconds that one request may take."""
    async with aiohttp.ClientSession() as session:
        transport = Transport(session, api_url, clock, Pacing(clock, 0), timeout)
        yield Manifests(Client(transport, GivenCredential("nobody")))
