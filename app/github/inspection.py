"""What GitHub tells an App of itself: who it is, what it may, where it is installed, how its webhook does."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from app.domain.errors import Retryable
from app.github.auth import AppCredential
from app.github.client import USER_AGENT, Client, Transport
from app.github.pacing import Pacing
from app.ports import Clock

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AppView:
    """The App as its settings have it; `organization` is empty if a person owns it."""

    slug: str
    organization: str
    permissions: Mapping[str, str]
    events: frozenset[str]


@dataclass(frozen=True, slots=True)
class HookView:
    """Where webhooks go, and how."""

    url: str
    content_type: str
    signed: bool
    checks_tls: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver; `code` is the HTTP status, `status` what GitHub calls the outcome."""

    at: datetime
    code: int
    status: str

    @property
    def succeeded(self) -> bool:
        return 200 <= self.code < 400


@dataclass(frozen=True, slots=True)
class InstallationView:
    """An installation; its owner accepts new permissions at `url`."""

    account: str
    url: str
    permissions: Mapping[str, str]
    suspended: bool


@dataclass(frozen=True, slots=True)
class Inspection:
    """The questions; each raises as the GitHub port does."""

    client: Client
    transport: Transport

    async def github_time(self) -> datetime:
        """Return the time that GitHub's answers carry, in whole seconds. Needs no credential, which it would spoil."""
        limit = aiohttp.ClientTimeout(total=self.transport.timeout)
        headers = {"user-agent": USER_AGENT}
        try:
            async with self.transport.session.head(self.transport.base_url, timeout=limit, headers=headers) as answer:
                return parsedate_to_datetime(answer.headers["date"])
        except (aiohttp.ClientError, OSError, KeyError, ValueError) as error:
            raise Retryable(f"{self.transport.base_url} tells no time: {type(error).__name__}") from None

    async def app(self) -> AppView:
        said = await self.client.ask("GET", "/app")
        owner = said.get("owner") or {}
        organization = str(owner["login"]) if owner.get("type") == "Organization" else ""
        return AppView(said["slug"], organization, said["permissions"], frozenset(said["events"]))

    async def hook(self) -> HookView:
        said = await self.client.ask("GET", "/app/hook/config")
        return HookView(
            url=said.get("url") or "",
            content_type=said.get("content_type") or "form",
            signed=bool(said.get("secret")),
            checks_tls=str(said.get("insecure_ssl", "0")) == "0",
        )

    async def attempts(self) -> Sequence[Attempt]:
        """List the latest attempts to deliver, newest first; at most 100 of the last three days."""
        found = await self.client.ask("GET", "/app/hook/deliveries{?per_page}", per_page=100)
        return [
            Attempt(datetime.fromisoformat(one["delivered_at"]), int(one["status_code"]), str(one["status"]))
            for one in found
        ]

    async def installations(self) -> Sequence[InstallationView]:
        found = await self.client.pages("/app/installations{?per_page}")
        return [_installation(one) for one in found]


def _installation(said: Json) -> InstallationView:
    account = said.get("account") or {}
    return InstallationView(
        account=str(account.get("login") or account.get("slug") or said["id"]),
        url=str(said["html_url"]),
        permissions=said["permissions"],
        suspended=bool(said["suspended_at"]),
    )


@asynccontextmanager
async def open_inspection(
    api_url: str, app_id: int, private_key: str, clock: Clock, *, timeout: float = 10.0
) -> AsyncIterator[Inspection]:
    """Connect as the App; raises Permanent if the key is no RSA key in PEM. What fails is asked once more."""
    credential = AppCredential(app_id, private_key, clock)
    async with aiohttp.ClientSession() as session:
        transport = Transport(session, api_url, clock, Pacing(clock, 0), timeout, repeats=1)
        yield Inspection(Client(transport, credential), transport)
