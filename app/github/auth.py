"""Who we are to GitHub: the App by its key, an installation by a token, a run by a narrower token."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import jwt
from cachetools import TLRUCache
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app.domain.errors import Permanent
from app.domain.grants import RunToken
from app.github.client import Client
from app.ports import Clock

BACKDATED = timedelta(seconds=60)
JWT_LIFE = timedelta(minutes=9)
JWT_MARGIN = timedelta(minutes=1)
TOKEN_MARGIN = timedelta(minutes=5)
CACHED_TOKENS = 1024
ADVICE = "generate one in the App's settings on GitHub and name its file in ORCH_PRIVATE_KEY_FILE"


class AppCredential:
    """Sign as the App: a JWT of nine minutes, made anew a minute before its end.

    Raises Permanent if the key is no RSA key in PEM.
    """

    key = "app"

    def __init__(self, app_id: int, private_key: str, clock: Clock) -> None:
        self.app_id = app_id
        self._private_key = _rsa_key(private_key)
        self._clock = clock
        self._header: str | None = None
        self._stale_at: datetime | None = None

    async def header(self) -> str:
        now = self._clock.now()
        if self._header is None or self._stale_at is None or now >= self._stale_at:
            self._header = f"Bearer {self._sign(now)}"
            self._stale_at = now + JWT_LIFE - JWT_MARGIN
        return self._header

    def refuse(self, header: str | None) -> bool:
        if header == self._header:
            self._header = None
        return True

    def _sign(self, now: datetime) -> str:
        claims = {"iat": int((now - BACKDATED).timestamp()), "exp": int((now + JWT_LIFE).timestamp())}
        return jwt.encode({**claims, "iss": str(self.app_id)}, self._private_key, algorithm="RS256")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token is for; no permissions and no repositories mean all that the installation has."""

    installation_id: int
    permissions: tuple[tuple[str, str], ...] = ()
    repository_ids: tuple[int, ...] = ()

    @property
    def body(self) -> Mapping[str, object]:
        narrowed = {"permissions": dict(self.permissions), "repository_ids": list(self.repository_ids)}
        return {name: value for name, value in narrowed.items() if value}


class Tokens:
    """Mint installation tokens, and keep them until five minutes before their end."""

    def __init__(self, app: Client, clock: Clock) -> None:
        self._app = app
        self._kept: TLRUCache[Scope, RunToken] = TLRUCache(
            CACHED_TOKENS, ttu=lambda _, token, __: _stale_at(token), timer=lambda: clock.now().timestamp()
        )
        self._minting: dict[Scope, asyncio.Task[RunToken]] = {}

    async def get(self, scope: Scope) -> str:
        """Return a token that is good for five minutes at least; concurrent callers share one request."""
        token = self._kept.get(scope)
        if token is None:
            # Shielded: a caller that is cancelled must not take the token from the others who wait for it.
            token = await asyncio.shield(self._minting.get(scope) or self._start(scope))
        return token.value

    async def mint(self, scope: Scope) -> RunToken:
        """Return a new token that nobody else gets."""
        minted = await self._app.ask(
            "POST", "/app/installations/{installation}/access_tokens", scope.body, installation=scope.installation_id
        )
        return RunToken(value=minted["token"], expires_at=datetime.fromisoformat(minted["expires_at"]))

    def forget(self, installation_id: int) -> None:
        """Forget the token of an installation: it may not reach a repository that was added since."""
        self._kept.pop(Scope(installation_id), None)

    def drop(self, scope: Scope, value: str) -> None:
        """Forget `value`; a newer token stays."""
        kept = self._kept.get(scope)
        if kept is not None and kept.value == value:
            del self._kept[scope]

    async def close(self) -> None:
        """End the requests that nobody waits for any more."""
        tasks = list(self._minting.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, scope: Scope) -> asyncio.Task[RunToken]:
        task = asyncio.create_task(self._mint_to_keep(scope), name=f"mint {scope.installation_id}")
        task.add_done_callback(lambda done: self._settle(scope, done))
        self._minting[scope] = task
        return task

    async def _mint_to_keep(self, scope: Scope) -> RunToken:
        token = await self.mint(scope)
        self._kept[scope] = token
        return token

    def _settle(self, scope: Scope, done: asyncio.Task[RunToken]) -> None:
        del self._minting[scope]
        if not done.cancelled():
            done.exception()  # looked at here, for those who waited may all have been cancelled


@dataclass(frozen=True, slots=True)
class InstallationCredential:
    """Sign as an installation, with a token of `Tokens`."""

    tokens: Tokens
    scope: Scope

    @property
    def key(self) -> str:
        return f"installation:{self.scope.installation_id}"

    async def header(self) -> str:
        return _bearer(await self.tokens.get(self.scope))

    def refuse(self, header: str | None) -> bool:
        self.tokens.drop(self.scope, (header or "").removeprefix(_bearer("")))
        return True


@dataclass(frozen=True, slots=True)
class GivenCredential:
    """Sign with one token that is not ours to replace; without a value, sign nothing."""

    key: str
    value: str | None = field(default=None, repr=False)

    async def header(self) -> str | None:
        return None if self.value is None else _bearer(self.value)

    def refuse(self, header: str | None) -> bool:
        return False


def _bearer(value: str) -> str:
    return f"Bearer {value}"


def _stale_at(token: RunToken) -> float:
    return (token.expires_at - TOKEN_MARGIN).timestamp()


def _rsa_key(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise Permanent(f"the App's private key is no PEM file; {ADVICE}") from None
    if not isinstance(key, RSAPrivateKey):
        raise Permanent(f"the App's private key is no RSA key; {ADVICE}")
    return key
