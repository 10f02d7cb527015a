"""A hub, Orch, and what people do and see there."""

import asyncio
import json
import shutil
import sqlite3
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.forked import Forked
from tests.e2e.processes import START_SECONDS, Child, free_port, healthy

Process = Child | Forked
Launch = Callable[[list[str], Mapping[str, str], Path], Awaitable[Process]]
"""Starts `orch` with these arguments in the folder of its log."""

PATIENCE = 240.0
"""Seconds until what is waited for counts as not coming; nothing that goes well takes nearly as long."""
UNHURRIED: dict[str, Any] = {"REDELIVER_EVERY": 3600, "SETTLE": 3600}
"""On a slow machine neither a sweep nor a run that begins late may add to the requests that are counted."""
SCRIPT = "Please add the file.\n\n```bash\necho hello > hello.txt\n```\n"


@dataclass(slots=True)
class World:
    """One hub with `acme/widgets`, Orch connected to it, and a person with write access."""

    folder: Path
    port: int
    hub_port: int
    session: aiohttp.ClientSession
    launch: Launch
    template: Path | None = None
    """The state of a hub that has just been set up."""
    about: dict[str, Any] = field(default_factory=dict)
    webhooks: bool = True
    hub: Process | None = None
    orch: list[Process] = field(default_factory=list)
    repository: str = "acme/widgets"
    environment: dict[str, str] = field(default_factory=dict)
    patience: float = PATIENCE
    pause: float = 0.05
    clock: Callable[[], float] = time.time

    async def start_hub(self) -> None:
        """Start the hub, or start it again over the state it had."""
        state = self.folder / "hub"
        if self.template is not None and not state.exists():
            await asyncio.to_thread(shutil.copytree, self.template, state)
        webhook = ["--webhook", f"http://127.0.0.1:{self.port}/webhook"] if self.webhooks else []
        argv = ["hub", "--port", str(self.hub_port), "--state", str(state), *webhook]
        self.hub = await self.launch(argv, {}, self.folder / "hub.log")
        self.about = await self._described(self.hub)

    async def _described(self, hub: Process) -> dict[str, Any]:
        async with asyncio.timeout(START_SECONDS):
            while True:
                assert hub.returncode is None, (self.folder / "hub.log").read_text()
                with suppress(aiohttp.ClientError):
                    async with self.session.get(f"http://127.0.0.1:{self.hub_port}/_hub") as answer:
                        found: dict[str, Any] = await answer.json()
                        return found
                await asyncio.sleep(0.02)

    def settings(self, **more: Any) -> dict[str, str]:
        """Return the environment of an Orch that is in a hurry: `environment`, and settings."""
        values: dict[str, Any] = {
            "GITHUB_API_URL": self.about["api_url"],
            "GITHUB_WEB_URL": self.about["web_url"],
            "APP_ID": self.about["app_id"],
            "PRIVATE_KEY_FILE": self.about["key_file"],
            "WEBHOOK_SECRET": self.about["webhook_secret"],
            "STATE_DIR": self.folder / "orch",
            "PORT": self.port,
            "AGENTS": json.dumps(["script"]),
            "SANDBOX": "none",
            "JOB_LEASE": 20,
            "RUN_LEASE": 20,
            "EVENT_LEASE": 30,
            "BEAT": 0.3,
            "SETTLE": 1,
            "CLAIM_AFTER": 1,
            "LIST_LAG": 0.2,
            "RETRY_BASE": 0.3,
            "WRITE_GAP": 0,
            "REDELIVER_EVERY": 300,
            "DRAIN_SECONDS": 3,
            "ONBOARDING": "false",
            **more,
        }
        return self.environment | {f"ORCH_{name}": str(value) for name, value in values.items()}

    @property
    def log(self) -> Path:
        return self.folder / "orch.log"

    async def start_orch(self, *argv: str, wait: bool = True, **more: Any) -> Process:
        """Start a process of Orch; `wait` until it takes webhooks."""
        child = await self.launch([*(argv or ("serve",))], self.settings(**more), self.log)
        self.orch.append(child)
        if wait:
            await healthy(f"http://127.0.0.1:{self.port}", child, self.log)
        return child

    async def kill_orch(self) -> None:
        """`kill -9` every process of Orch."""
        for child in self.orch:
            await child.kill()
        self.orch.clear()

    async def call(self, method: str, path: str, body: Any = None, token: str = "writer") -> Any:
        """Call the hub as a person; the answer's JSON, None if it has none."""
        headers = {"Authorization": f"Bearer {self.about['tokens'][token]}", "X-Hub-Spare-Me": "1"}
        async with self.session.request(method, f"{self.about['api_url']}{path}", json=body, headers=headers) as answer:
            text = await answer.text()
            assert answer.status < 400, f"{method} {path}: {answer.status} {text}"
            return json.loads(text) if text else None

    async def read(self, path: str) -> Any:
        """Read what the repository has under a path of the REST API."""
        return await self.call("GET", f"/repos/{self.repository}{path}")

    async def open_issue(
        self, title: str = "Add hello", body: str = SCRIPT, label: str | None = "orch", token: str = "writer"
    ) -> int:
        """Open an issue, and label it afterwards as people do."""
        issue = await self.call("POST", f"/repos/{self.repository}/issues", {"title": title, "body": body}, token)
        number: int = issue["number"]
        if label:
            await self.label(number, label)
        return number

    async def label(self, number: int, label: str, token: str = "writer") -> None:
        await self.call("POST", f"/repos/{self.repository}/issues/{number}/labels", {"labels": [label]}, token)

    async def labels(self, number: int) -> set[str]:
        return {label["name"] for label in (await self.read(f"/issues/{number}"))["labels"]}

    async def say(self, number: int, body: str, token: str = "writer") -> int:
        """Write a comment on an issue or pull request, and return its id."""
        path = f"/repos/{self.repository}/issues/{number}/comments"
        comment: int = (await self.call("POST", path, {"body": body}, token))["id"]
        return comment

    async def reactions(self, comment: int) -> list[str]:
        """List the reactions on a comment."""
        return [one["content"] for one in await self.read(f"/issues/comments/{comment}/reactions")]

    async def until_reactions(self, comment: int, wanted: list[str]) -> None:
        """Wait until these are the reactions on a comment."""

        async def probe() -> bool:
            return await self.reactions(comment) == wanted

        await self.until(f"the reactions {wanted}", probe)

    async def replies(self, number: int) -> list[str]:
        """List what Orch said besides its living comment."""
        found = await self.read(f"/issues/{number}/comments?per_page=100")
        said = [one["body"] for one in found if one["user"]["login"].endswith("[bot]")]
        return [body for body in said if "orch:record" not in body]

    async def until_reply(self, number: int, after: int = 1) -> str:
        """Wait until Orch has said as many things besides its living comment, and return the last."""

        async def probe() -> list[str] | None:
            replies = await self.replies(number)
            return replies if len(replies) >= after else None

        return str((await self.until(f"{after} replies on #{number}", probe))[-1])

    async def until_text(self, number: int, text: str) -> None:
        """Wait until something that Orch wrote says that."""

        async def probe() -> bool:
            return any(text in body for body in await self.comments(number))

        await self.until(f"`{text}` on #{number}", probe)

    async def until_files(self, names: list[str]) -> None:
        """Wait until the only pull request changes these files."""

        async def probe() -> bool:
            [pull] = await self.pulls()
            return names == sorted(file["filename"] for file in await self.read(f"/pulls/{pull['number']}/files"))

        await self.until(f"{names} in the pull request", probe)

    async def commit(self, branch: str, path: str, text: str, token: str = "writer") -> None:
        """Commit a file to a branch, as people do on GitHub's page."""
        found = await self.read(f"/git/ref/heads/{branch}")
        content = {"message": f"Write {path}", "content": b64encode(text.encode()).decode(), "branch": branch}
        await self.call("PUT", f"/repos/{self.repository}/contents/{path}", content, token)
        await self.until(f"a commit on {branch}", lambda: self._moved(branch, found["object"]["sha"]))

    async def _moved(self, branch: str, before: str) -> bool:
        return bool((await self.read(f"/git/ref/heads/{branch}"))["object"]["sha"] != before)

    async def comments(self, number: int) -> list[str]:
        return [comment["body"] for comment in await self.read(f"/issues/{number}/comments?per_page=100")]

    async def pulls(self) -> list[dict[str, Any]]:
        pulls: list[dict[str, Any]] = await self.read("/pulls?state=all&per_page=100")
        return pulls

    async def merge(self, number: int) -> None:
        await self.call("PUT", f"/repos/{self.repository}/pulls/{number}/merge", {})

    async def refs(self) -> list[str]:
        """List branches and run refs."""
        found = [await self.read(f"/git/matching-refs/{prefix}") for prefix in ("heads", "orch")]
        return [ref["ref"] for refs in found for ref in refs]

    async def requests(self) -> list[dict[str, Any]]:
        """Return the hub's log of API requests, without people's."""
        logged = await self.call("GET", "/_hub/requests")
        return [entry for entry in logged if entry["principal"] not in ("writer", None)]

    async def until(self, what: str, probe: Callable[[], Awaitable[Any]]) -> Any:
        """Look again and again until the probe finds something, and return that."""
        deadline = asyncio.get_running_loop().time() + self.patience
        while True:
            try:
                found = await probe()
            except aiohttp.ClientError:
                found = None  # the hub is being started again
            if found:
                return found
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"not seen within {self.patience:g} s: {what}\n{self.log.read_text()[-6000:]}")
            await asyncio.sleep(self.pause)

    async def until_pull(self, index: int = 0) -> dict[str, Any]:
        """Wait for a pull request."""

        async def probe() -> dict[str, Any] | None:
            pulls = await self.pulls()
            return pulls[index] if len(pulls) > index else None

        found: dict[str, Any] = await self.until("a pull request", probe)
        return found

    async def until_status(self, number: int, status: str) -> None:
        """Wait for exactly one status label."""

        async def probe() -> bool:
            on = {label for label in await self.labels(number) if label.startswith("status:")}
            return on == {f"status:{status}"}

        await self.until(f"status:{status} on #{number}", probe)

    async def until_no_label(self, number: int, label: str) -> None:
        """Wait until a label is off."""

        async def probe() -> bool:
            return label not in await self.labels(number)

        await self.until(f"no label {label} on #{number}", probe)

    async def until_seconds_pass(self) -> None:
        """Wait until GitHub's clock, which counts whole seconds, shows another time."""
        await asyncio.sleep(1.1)

    def delete_store(self) -> None:
        """Delete `store.db` with what SQLite keeps beside it."""
        for path in (self.folder / "orch").glob("store.db*"):
            path.unlink()

    async def until_idle(self) -> None:
        """Wait until no webhook, event or job waits anywhere."""
        await self.until_only()

    async def until_only(self, *left: str) -> None:
        """Wait until nothing waits anywhere but in these queues: `jobs` while an agent is at work."""

        async def probe() -> bool:
            await self.call("GET", "/_hub/idle")
            try:
                return self.queued().keys() <= set(left)
            except sqlite3.OperationalError:
                return False  # Orch is being started for the first time

        await self.until(f"nothing left to do{f' but {left}' if left else ''}", probe)

    def queued(self) -> dict[str, int]:
        """Count what waits or is in flight in Orch's queues and is not due only much later, and what is dead."""
        soon = (
            "SELECT m.queue, count(*) FROM messages m JOIN lanes l ON l.queue = m.queue AND l.name = m.lane"
            " WHERE l.due < ? + 500 GROUP BY m.queue"
        )
        with closing(sqlite3.connect(f"file:{self.folder}/orch/queue.db?mode=ro", uri=True)) as database:
            waiting = dict(database.execute(soon, (self.clock(),)))
            dead = database.execute("SELECT count(*) FROM dead").fetchone()[0]
        return waiting | ({"dead": dead} if dead else {})

    def workspaces(self) -> list[str]:
        """List the workspaces that are left."""
        return [path.name for path in self.folder.glob("orch/repositories/*/tasks/*")]

    async def until_made(self, name: str) -> None:
        """Wait until an agent has made a file in its workspace."""

        async def probe() -> bool:
            with suppress(FileNotFoundError):  # a workspace was removed while it was looked through
                return any(self.folder.glob(f"orch/repositories/*/tasks/*/*/{name}"))
            return False

        await self.until(f"{name} in a workspace", probe)

    async def faults(self, **switches: Any) -> None:
        """Switch the hub's faults on; those not named are off."""
        await self.call("PUT", "/_hub/faults", switches)

    async def stop(self) -> None:
        for child in [*self.orch, *([self.hub] if self.hub else [])]:
            await child.kill()


@asynccontextmanager
async def new_world(
    folder: Path, launch: Launch, template: Path | None = None, *, webhooks: bool = True
) -> AsyncIterator[World]:
    """Start a hub with its own state; Orch is started by the test."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with aiohttp.ClientSession() as session:
        world = World(folder, free_port(), free_port(), session, launch, template, webhooks=webhooks)
        try:
            await world.start_hub()
            yield world
        finally:
            await world.stop()
