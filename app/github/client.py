"""The HTTP client: gidgethub's requests, paging and conditional GETs; our limits, repeats and errors."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp
from gidgethub import HTTPException, sansio
from gidgethub.abc import GitHubAPI

from app.domain.errors import Permanent, Retryable
from app.github.faults import Answer, Limited, Rejected, fault_of
from app.github.pacing import Pace, Pacing
from app.github.quota import Quota
from app.github.remembered import Remembered
from app.ports import Clock

USER_AGENT = "orch"
API_VERSION = "2022-11-28"
PAGE = 100
MOST_PAGES = 1000
REDIRECTS = 3
MOVED = (301, 302, 307, 308)
# Of links GitHub says so too (docs.github.com, "REST API endpoints for issue dependencies").
CREATES_CONTENT = frozenset({"blocked_by", "comments", "issues", "pulls", "replies", "reviews", "sub_issues"})
CREATING_MUTATIONS = ("createIssue(",)
CREATES_NOTHING = frozenset({"access_tokens", "token"})


class Credential(Protocol):
    """What a request is signed with."""

    @property
    def key(self) -> str:
        """Name whose limits a request counts against."""
        ...

    async def header(self) -> str | None:
        """Return the Authorization header, None to send none."""
        ...

    def refuse(self, header: str | None) -> bool:
        """Forget a header that was answered with 401; True if another can be had."""
        ...


class Elsewhere(Permanent):
    """A request led to another host, `url`, where our credential is not sent; the rest is up to the caller."""

    def __init__(self, url: str, home: str) -> None:
        # Without the query: in an address that needs no credential that is one.
        super().__init__(f"{url.partition('?')[0]} is not at {home}: no credential is sent there")
        self.url = url


@dataclass(frozen=True, slots=True)
class Transport:
    """How requests reach GitHub, shared by the clients of all credentials. Times are in seconds."""

    session: aiohttp.ClientSession
    base_url: str
    clock: Clock
    pacing: Pacing
    timeout: float = 10.0
    repeats: int = 2
    base_delay: float = 0.5
    quota: Quota = field(default_factory=Quota)


class Client(GitHubAPI):
    """Speak to GitHub with one credential.

    Every method raises Retryable, Missing or Permanent. GET, PUT, PATCH, DELETE and a GraphQL query are repeated on 5xx
    and lost connections; any other POST is not, since nobody knows what the first one did. A 401 did nothing: after it
    any request is sent once more with a new credential.
    """

    def __init__(self, transport: Transport, credential: Credential) -> None:
        super().__init__(USER_AGENT, cache=Remembered(), base_url=transport.base_url)
        self._transport = transport
        self._credential = credential

    async def ask(self, method: str, url: str, data: Any = b"", **names: Any) -> Any:
        """Send one request to the URI template `url` and return the decoded answer."""
        answer, _ = await self._authorized(method, url, names, data)
        return answer

    async def pages(
        self, url: str, items: str | None = None, *, until: Callable[[Any], bool] | None = None, **names: Any
    ) -> list[Any]:
        """Return the entries of all pages; `items` names their list when each page is an object.

        No page is asked for after one with an entry that `until` is true of.
        """
        found: list[Any] = []
        names["per_page"] = PAGE
        for _ in range(MOST_PAGES):
            page, following = await self._authorized("GET", url, names)
            found.extend(page[items] if items else page)
            if following is None or (until is not None and any(map(until, page))):
                return found
            url = following
        raise Permanent(f"GET {url}: more than {MOST_PAGES} pages")

    async def elsewhere(self, url: str, **names: Any) -> str:
        """Return the address on another host where GitHub keeps what `url` names; it holds for a minute or so."""
        try:
            await self.ask("GET", url, **names)
        except Elsewhere as error:
            return error.url
        raise Permanent(f"GET {url}: GitHub keeps it nowhere else")

    async def sleep(self, seconds: float) -> None:
        await self._transport.clock.sleep(seconds)

    async def _authorized(
        self, method: str, url: str, names: Mapping[str, Any], data: Any = b""
    ) -> tuple[Any, str | None]:
        header = await self._credential.header()
        try:
            return await self._decoded(header, method, url, names, data)
        except Rejected as error:
            if error.status != 401 or not self._credential.refuse(header):
                raise
        return await self._decoded(await self._credential.header(), method, url, names, data)

    async def _decoded(
        self, header: str | None, method: str, url: str, names: Mapping[str, Any], data: Any
    ) -> tuple[Any, str | None]:
        extra = {"x-github-api-version": API_VERSION} | ({"authorization": header} if header else {})
        try:
            answer, following, _ = await self._make_request(
                method, url, names, data, sansio.accept_format(), extra_headers=extra
            )
        except HTTPException as error:
            raise Permanent(f"{method} {url}: unexpected status {error.status_code}") from error
        except ValueError:
            # Not chained: a JSON error holds the body, which may be a token.
            raise Retryable(f"{method} {url}: the answer cannot be read") from None
        return answer, following

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        self._refuse_other_hosts(url)
        async with self._transport.pacing.turn(self._credential.key, pace_of(method, url, body)):
            answer = await self._repeated(method, url, headers, body)
        return answer.status, answer.headers, answer.body

    async def _repeated(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        once = method == "POST" and not _only_asks(url, body)
        repeats = 0 if once else self._transport.repeats
        for attempt in range(repeats):
            try:
                return await self._accepted(method, url, headers, body)
            except Retryable as error:
                if error.delay is not None:
                    raise
            await self.sleep(self._transport.base_delay * 2**attempt * SystemRandom().uniform(0.5, 1.5))
        return await self._accepted(method, url, headers, body)

    async def _accepted(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        pacing, key = self._transport.pacing, self._credential.key
        await pacing.check(key)
        answer = await self._followed(method, url, headers, body)
        self._transport.quota.note(key, answer.headers, self._transport.clock.now())
        if answer.status < 400:
            return answer
        fault = fault_of(_name(method, url), answer, self._transport.clock.now())
        if isinstance(fault, Limited) and fault.delay is not None:
            await pacing.silence(key, fault.delay)
        raise fault

    async def _followed(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        # Not aiohttp's own redirects: those turn a moved POST into a GET, GitHub wants it repeated as it was.
        for _ in range(REDIRECTS + 1):
            answer = await self._exchange(method, url, headers, body)
            if answer.status not in MOVED or "location" not in answer.headers:
                return answer
            url = urljoin(url, answer.headers["location"])
            self._refuse_other_hosts(url)
        raise Permanent(f"{_name(method, url)}: moved more than {REDIRECTS} times")

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        limit = aiohttp.ClientTimeout(total=self._transport.timeout)
        asking = self._transport.session.request(
            method, url, headers=headers, data=body, timeout=limit, allow_redirects=False
        )
        try:
            async with asking as response:
                return Answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, OSError) as error:
            # Not chained: some of aiohttp's errors hold the request, and with it the credential.
            raise Retryable(f"{_name(method, url)}: {type(error).__name__}") from None

    def _refuse_other_hosts(self, url: str) -> None:
        if urlsplit(url)[:2] != urlsplit(self.base_url)[:2]:
            raise Elsewhere(url, self.base_url)


def pace_of(method: str, url: str, body: bytes = b"") -> Pace:
    """Return what a request counts as against the limits on writing."""
    last = urlsplit(url).path.rpartition("/")[2]
    if method == "GET" or last in CREATES_NOTHING or _only_asks(url, body):
        return Pace.READ
    creates = last in CREATES_CONTENT or any(name in _document(url, body) for name in CREATING_MUTATIONS)
    return Pace.CREATE if method == "POST" and creates else Pace.WRITE


def _only_asks(url: str, body: bytes) -> bool:
    """Tell a GraphQL query from a mutation: both are a POST."""
    document = _document(url, body)
    return document != "" and not document.startswith("mutation")


def _document(url: str, body: bytes) -> str:
    """Return the GraphQL document that a request sends, nothing if it is none."""
    return str(json.loads(body)["query"]).lstrip() if urlsplit(url).path.endswith("/graphql") else ""


def _name(method: str, url: str) -> str:
    return f"{method} {urlsplit(url).path}"
