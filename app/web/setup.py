"""The pages that make an App: what it asks for, the way to GitHub and back, and what comes next."""

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.domain.errors import Missing, Permanent, Retryable, UserError
from app.domain.manifest import (
    AppWish,
    NewApp,
    form_address,
    install_address,
    manifest_of,
    read_wish,
    settings_address,
    slug_of,
)
from app.domain.permissions import EVENTS, NEEDED
from app.log import log
from app.ports import SecretStore
from app.web.rendering import Pages

SESSION = "orch_setup"
LARGEST = 16 * 1024
"""Bytes of a form."""
MOST_WISHES = 50
LONGEST_CODE = 200


class AppMaker(Protocol):
    """What GitHub is asked before there is an App; raises as the GitHub port does."""

    async def is_taken(self, slug: str) -> bool: ...

    async def exchange(self, code: str) -> NewApp: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are: GitHub's pages and API, this page's own origin, and the port that `orch serve` listens on."""

    web_url: str
    api_url: str
    origin: str
    serve_port: int

    @property
    def callback(self) -> str:
        return f"{self.origin}/setup/callback"


@dataclass(slots=True)
class Setup:
    """One App in the making.

    `missing` says which settings `orch serve` still lacks, `unkept` why the App's secrets could not be kept.
    `key` opens the pages, once, to whoever was told the address; every wish that was sent to GitHub has a `state`,
    which comes back with GitHub's answer, once too. `done` is set when the last page was shown.
    """

    maker: AppMaker
    store: SecretStore
    place: Place
    missing: Callable[[], Sequence[str]]
    key: str | None = field(default_factory=lambda: secrets.token_urlsafe(18))
    made: NewApp | None = None
    wish: AppWish | None = None
    kept: Sequence[str] = ()
    unkept: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    pages: Pages = field(default_factory=Pages)
    session: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    wishes: dict[str, AppWish | None] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def address(self) -> str:
        """Return the address to open."""
        return f"{self.place.origin}/setup?key={self.key}"

    # Pages

    async def show(self, request: Request) -> Response:
        if self.made is not None:
            return self._outcome()
        return self._form({"name": f"orch-{secrets.token_hex(2)}", "owner": "user"})

    async def send(self, request: Request) -> Response:
        """Check what was typed, and send the browser to GitHub with the manifest."""
        given = await self._fields(request)
        if self.made is not None:
            return self._outcome()
        try:
            wish = read_wish(given, self.place.web_url)
            await self._check_name(wish)
        except (UserError, Retryable, Permanent) as error:
            return self._form(given, str(error), 422 if isinstance(error, UserError) else 502)
        state = secrets.token_urlsafe(24)
        self.wishes = dict(list(self.wishes.items())[1 - MOST_WISHES :]) | {state: wish}
        home = self.place.web_url if not wish.webhook else "{0.scheme}://{0.netloc}".format(urlsplit(wish.webhook))
        return self.pages.show(
            "forward.html.j2",
            leading_to=self.place.web_url,
            address=form_address(self.place.web_url, wish, state),
            manifest=manifest_of(wish, home, self.place.callback),
        )

    async def take(self, request: Request) -> Response:
        """Take GitHub's answer: exchange its code for the App, and keep what came."""
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        async with self.turn:  # of two answers at once, the second finds what the first has done
            if state not in self.wishes or not 0 < len(code) <= LONGEST_CODE:
                return self._problem("foreign", 403)
            if self.made is not None:
                return self._go_on()
            wish, self.wishes[state] = self.wishes[state], None
            if wish is None:
                return self._problem("used", 409)
            self.wish = wish
            return await self._exchange(code) or await self._keep()

    async def keep(self, request: Request) -> Response:
        """Try once more to write down what could not be written."""
        await self._fields(request)
        async with self.turn:
            return self._go_on() if self.made is None or self.kept else await self._keep()

    async def finish(self, request: Request) -> Response:
        return self._done() if self.kept else RedirectResponse("/setup", 303)

    # Steps

    async def _check_name(self, wish: AppWish) -> None:
        try:
            taken = await self.maker.is_taken(slug_of(wish.name))
        except (Retryable, Permanent) as error:
            raise Retryable(
                f"GitHub does not answer at {self.place.api_url}, so no App can be made now ({error}). Look at this "
                "machine's network, and at ORCH_GITHUB_API_URL if it is set; then try again."
            ) from error
        if taken:
            raise UserError(f"There is an App named `{wish.name}` on GitHub already; choose another name.")

    async def _exchange(self, code: str) -> Response | None:
        try:
            self.made = await self.maker.exchange(code)
        except Missing:
            return self._problem("expired", 410)
        except Retryable as error:
            return self._problem("unanswered", 502, str(error))
        except Permanent as error:
            return self._problem("refused", 502, str(error))
        log().info("App made", app=self.made.slug, id=self.made.app_id)
        return None

    async def _keep(self) -> Response:
        assert self.made is not None
        try:
            self.kept = await self.store.keep(self.made)
        except UserError as error:
            self.unkept = str(error)
            return self._outcome()
        return self._go_on()

    def _go_on(self) -> Response:
        """Leave the address with the code, so that looking at the page again asks for nothing again."""
        return RedirectResponse("/setup/done", 303)

    # Answers

    def _form(self, given: Mapping[str, str], problem: str = "", status: int = 200) -> Response:
        return self.pages.show(
            "setup.html.j2",
            status,
            given=given,
            problem=problem,
            token=self.token,
            needed=NEEDED,
            events=EVENTS,
            place=self.place,
        )

    def _outcome(self) -> Response:
        return self._done() if self.kept else self._problem("unwritten", 500, self.unkept)

    def _done(self) -> Response:
        assert self.made is not None
        assert self.wish is not None
        response = self.pages.show(
            "done.html.j2",
            made=self.made,
            wish=self.wish,
            kept=self.kept,
            missing=self.missing(),
            install=install_address(self.place.web_url, self.made.slug),
            settings=settings_address(self.place.web_url, self.wish.organization, self.made.slug),
        )
        response.background = BackgroundTask(self._note_done)
        return response

    async def _note_done(self) -> None:
        self.done.set()

    def _problem(self, kind: str, status: int, reason: str = "") -> Response:
        organization = self.wish.organization if self.wish else ""
        return self.pages.show(
            "problem.html.j2",
            status,
            kind=kind,
            reason=reason.rstrip("."),
            apps=settings_address(self.place.web_url, organization, ""),
            token=self.token,
            made=self.made,
        )

    async def _fields(self, request: Request) -> dict[str, str]:
        """Read a form of these pages. Raises Foreign for any other."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                raise Foreign
        fields = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        if request.headers.get("origin") != self.place.origin or not _same(fields.get("token", ""), self.token):
            raise Foreign
        return fields


class Foreign(Exception):
    """A request that does not come from these pages, opened by whoever was told their address."""


Page = Callable[[Request], Awaitable[Response]]


def setup_app(setup: Setup) -> Starlette:
    """Return the web application. Only who was told the address is answered, at that very address."""

    def guarded(page: Page) -> Page:
        async def endpoint(request: Request) -> Response:
            try:
                return _enter(setup, request) or await page(request)
            except Foreign:
                return setup.pages.show("problem.html.j2", 403, kind="closed")

        return endpoint

    return Starlette(
        routes=[
            Route("/", guarded(_home)),
            Route("/setup", guarded(setup.show)),
            Route("/setup", guarded(setup.send), methods=["POST"]),
            Route("/setup/callback", guarded(setup.take)),
            Route("/setup/keep", guarded(setup.keep), methods=["POST"]),
            Route("/setup/done", guarded(setup.finish)),
        ]
    )


async def _home(request: Request) -> Response:
    return RedirectResponse("/setup", 303)


def _enter(setup: Setup, request: Request) -> Response | None:
    """Let the browser in that has the session, or brings the key; another name for this machine opens nothing."""
    if request.headers.get("host") != urlsplit(setup.place.origin).netloc:
        raise Foreign
    if _same(request.cookies.get(SESSION, ""), setup.session):
        return None
    if setup.key is None or not _same(request.query_params.get("key", ""), setup.key):
        raise Foreign
    setup.key = None
    response = RedirectResponse("/setup", 303)
    # Lax, not Strict: GitHub sends the browser back here.
    response.set_cookie(SESSION, setup.session, httponly=True, samesite="lax")
    return response


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
