"""What the hub's tests stand on: a hub in a thread, a webhook receiver, plain requests, real clients."""

import asyncio
import base64
import json
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import web
from github import Auth, Github
from githubkit import AppAuthStrategy, GitHub, TokenAuthStrategy
from githubkit.auth import AppInstallationAuthStrategy
from githubkit.webhooks import parse, verify

from infra.hub.records import Record, Repository
from infra.hub.server import RunningHub, start_hub
from infra.hub.settings import HubSettings

T = TypeVar("T")
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook as it came in."""

    event: str
    payload: dict[str, Any]
    headers: dict[str, str]

    @property
    def name(self) -> str:
        action = self.payload.get("action")
        return f"{self.event}.{action}" if action else self.event


@dataclass(slots=True)
class Receiver:
    """An HTTP server that keeps every webhook and answers what it is told to."""

    status: int = 202
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def start(self) -> tuple[web.AppRunner, str]:
        app = web.Application()
        app.router.add_post("/", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"

    async def _take(self, request: web.Request) -> web.Response:
        self.seen.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, text="taken")


class HubThread:
    """A hub with its own event loop, so that blocking clients can call it."""

    def __init__(self, settings: HubSettings) -> None:
        self.settings = settings
        self.receiver = Receiver()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="hub")
        self._hooks: list[Hook] = []
        self._checked: set[int] = set()
        self.hub: RunningHub
        self.info: dict[str, Any]

    def __enter__(self) -> Self:
        self.thread.start()
        self.run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _start(self) -> None:
        self._runner, url = await self.receiver.start()
        self.hub = await start_hub(self.settings)
        self.session = aiohttp.ClientSession()
        self.url = self.hub.base_url
        self.info = self.hub.describe()
        await self.send("PUT", "/_hub/webhook", json={"url": url}, headers={})

    async def _stop(self) -> None:
        await self.session.close()
        await self.hub.stop()
        await self._runner.cleanup()

    def request(
        self,
        method: str,
        path: str,
        token: str | None = None,
        *,
        json: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Make one plain request."""
        credentials = {"Authorization": f"Bearer {token}"} if token else {}
        return self.run(self.send(method, path, json=json, headers=credentials | (headers or {})))

    async def send(self, method: str, path: str, *, json: Any, headers: dict[str, str]) -> Reply:
        """Make one plain request, inside the hub's event loop."""
        url = path if path.startswith("http") else self.url + path
        async with self.session.request(method, url, json=json, headers=headers) as response:
            text = await response.text()
            return Reply(response.status, response.headers, _json(text))

    def hooks(self, installation_id: int) -> list[Hook]:
        """Wait until all webhooks are sent; check and parse those of one installation."""
        assert self.request("GET", "/_hub/idle").status == 200
        while len(self._hooks) < len(self.receiver.seen):
            headers, body = self.receiver.seen[len(self._hooks)]
            self._hooks.append(Hook(headers["X-GitHub-Event"], json.loads(body), headers))
        own = [n for n, hook in enumerate(self._hooks) if hook.payload["installation"]["id"] == installation_id]
        for number in own:
            if number not in self._checked:
                self._check(*self.receiver.seen[number])
                self._checked.add(number)
        return [self._hooks[number] for number in own]

    def _check(self, headers: Mapping[str, str], body: bytes) -> None:
        """Check a webhook's signature, and its shape by a model nobody here wrote."""
        assert verify(self.info["webhook_secret"], body, headers["X-Hub-Signature-256"])
        parse(headers["X-GitHub-Event"], body)

    def info_now(self) -> dict[str, Any]:
        body: dict[str, Any] = self.request("GET", "/_hub").body
        return body

    def app(self) -> GitHub[AppAuthStrategy]:
        """Give githubkit's client, signed in as the App."""
        return GitHub(AppAuthStrategy(self.info["app_id"], self.key()), base_url=self.url, auto_retry=False)

    def key(self) -> str:
        return self.hub.world.key_file.read_text()


@dataclass(frozen=True, slots=True)
class Stage:
    """One repository of one organisation, and the people around it."""

    hub: HubThread
    owner: str
    name: str
    installation_id: int
    tokens: dict[str, str]

    @classmethod
    def build(cls, hub: HubThread, owner: str, *, private: bool = False) -> "Stage":
        name = f"{owner}/widgets"
        made = hub.request("POST", "/_hub/repositories", json={"owner": owner, "name": "widgets", "private": private})
        assert made.status == 201, made
        tokens = {}
        for role in ("admin", "maintain", "write", "triage", "read", "none"):
            path = f"/_hub/repositories/{name}/collaborators/{owner}-{role}"
            tokens[role] = hub.request("PUT", path, json={"permission": role}).body["token"]
        installation = hub.request("POST", "/_hub/installations", json={"repositories": [name]})
        assert installation.status == 201, installation
        return cls(hub, owner, name, installation.body["id"], tokens)

    def request(self, method: str, path: str, who: str = "write", *, json: Any = None, **headers: str) -> Reply:
        """Make one plain request below the repository's path, as somebody of a role or with a token."""
        token = self.tokens.get(who, who) or None
        return self.hub.request(
            method,
            f"/repos/{self.name}{path}",
            token,
            json=json,
            headers={k.replace("_", "-"): v for k, v in headers.items()},
        )

    def ok(self, method: str, path: str, who: str = "write", *, json: Any = None) -> Any:
        """Make a plain request that must succeed, and give its body."""
        reply = self.request(method, path, who, json=json)
        assert reply.status < 300, reply
        return reply.body

    def login(self, role: str) -> str:
        return f"{self.owner}-{role}"

    def app_token(self, **narrowed: Any) -> str:
        """Mint an installation token."""
        with self.hub.app() as app:
            made = app.rest.apps.create_installation_access_token(self.installation_id, **narrowed)
            return str(made.parsed_data.token)

    def bot(self) -> GitHub[AppInstallationAuthStrategy]:
        """Give githubkit's client, acting as the App's installation."""
        auth = AppInstallationAuthStrategy(self.hub.info["app_id"], self.hub.key(), self.installation_id)
        return GitHub(auth, base_url=self.hub.url, auto_retry=False)

    def person(self, role: str = "write") -> GitHub[TokenAuthStrategy]:
        """Give githubkit's client, acting as a person."""
        return GitHub(TokenAuthStrategy(self.tokens[role]), base_url=self.hub.url, auto_retry=False)

    def pygithub(self, token: str) -> Github:
        return Github(
            auth=Auth.Token(token),
            base_url=self.hub.url,
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
        )

    def hooks(self, *names: str) -> list[Hook]:
        """Give the webhooks of this stage's installation, in order, of these names or all."""
        return [hook for hook in self.hub.hooks(self.installation_id) if not names or hook.name in names]

    def row(self, cls: type[R], number: int) -> R:
        """Look at a row of the hub's state: what the wire rounds, and what it does not show."""

        async def find() -> R:
            state = self.hub.hub.world.state
            repository = state.find(Repository, self.name)
            found = state.find(cls, str(number), repository.id) if repository else None
            assert found is not None
            return found

        return self.hub.run(find())

    def branch(self, name: str, files: dict[str, str] | None = None) -> str:
        """Make a branch off main with one commit per file, and give its head."""
        main = self.ok("GET", "/git/ref/heads/main")["object"]["sha"]
        self.ok("POST", "/git/refs", json={"ref": f"refs/heads/{name}", "sha": main})
        sha = main
        for path, text in (files or {"new.txt": "new\n"}).items():
            sha = self.commit(name, path, text)
        return str(sha)

    def commit(self, branch: str, path: str, text: str) -> str:
        body: dict[str, Any] = {"message": f"Write {path}", "content": encoded(text), "branch": branch}
        there = self.request("GET", f"/contents/{path}?ref={branch}")
        if there.status == 200:
            body["sha"] = there.body["sha"]
        return str(self.ok("PUT", f"/contents/{path}", json=body)["commit"]["sha"])

    def pull(self, branch: str = "work", body: str | None = None, who: str = "write") -> int:
        """Make a branch with a change and a pull request of it; give its number."""
        self.branch(branch)
        asked = {"title": "Do the work", "head": branch, "base": "main", "body": body}
        return int(self.ok("POST", "/pulls", who, json=asked)["number"])


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
