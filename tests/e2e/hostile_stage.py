"""One hub and one Orch on which many hostile things are tried, one after the other."""

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from itertools import count
from typing import Any

from tests.e2e import picture
from tests.e2e.picture import Picture
from tests.e2e.world import World

HELLO = "```bash\necho hello > hello.txt\n```"
BROKEN = "```bash\nexit 3\n```"
SLEEP = "```bash\nsleep 3000\n```"
EVIL = "```bash\necho evil > evil.txt\n```"


@dataclass(slots=True)
class Stage:
    """A repository with a task in each state that somebody may want to abuse, by the numbers of their issues.

    `author` opened the issue of the task in review and has no rights; `older` is what the living comment of the parked
    task said earlier; `written` is from where on the log is looked at, `answers` are those to webhooks.
    """

    world: World
    review: int = 0
    pull: int = 0
    parked: int = 0
    working: int = 0
    plain: int = 0
    author: str = ""
    older: str = ""
    written: int = 0
    answers: str = ""
    before: Picture = field(default_factory=dict)
    after: Picture = field(default_factory=dict)
    numbers: Any = field(default_factory=count)

    async def set(self) -> None:
        """Bring the tasks to their states."""
        world = self.world
        self.author = await self.person("none")
        self.review = await world.open_issue(body=HELLO, label=None, token=self.author)
        await world.label(self.review, "orch")
        self.parked = await world.open_issue("Broken", BROKEN)
        await world.until_status(self.review, "in_review")
        await world.until_status(self.parked, "needs_review")
        self.pull = (await world.pulls())[0]["number"]
        self.working = await world.open_issue("Long", SLEEP)
        self.plain = await world.open_issue("/merge", "Please\n\n@orch\n\n/ok-to-run\n", label=None)
        self.older = (await self.living(self.parked))["body"]
        await world.say(self.parked, "/retry")
        await world.until_text(self.parked, "Runs: 2")
        await world.until_status(self.parked, "needs_review")
        await world.until_status(self.working, "in_progress")

    async def living(self, number: int) -> Any:
        """Return the living comment of an issue."""
        found = await self.world.read(f"/issues/{number}/comments?per_page=100")
        return next(one for one in found if one["user"]["login"] == picture.BOT and picture.MARKER in one["body"])

    @property
    def names(self) -> dict[str, str]:
        """Name the issues, and the one that came last, as pictures do."""
        numbers = {name: getattr(self, name) for name in ("review", "pull", "parked", "working", "plain")}
        last = max(int(name[1:]) for name in self.after if name[1:].isdigit())
        return {name: f"#{number}" for name, number in {**numbers, "new": last}.items()}

    async def rest(self) -> None:
        """Wait until no webhook and no event waits anywhere; one agent is always at work."""
        await self.world.until_only("jobs", "dead")

    async def person(self, role: str, login: str = "") -> str:
        """Let somebody with a role appear whom Orch has not met, and return the login; `bot` is one that may write."""
        world = self.world
        login = login or (f"{role}-{next(self.numbers)}" + ("[bot]" if role == "bot" else ""))
        made = {"login": login, "type": "Bot" if login.endswith("[bot]") else "User"}
        await world.call("POST", "/_hub/users", made)
        path = f"/_hub/repositories/{world.repository}/collaborators/{login}"
        given = await world.call("PUT", path, {"permission": "write" if role == "bot" else role})
        world.about["tokens"][login] = given["token"]
        return login

    async def watch(self, act: Callable[[], Awaitable[None]]) -> list[str]:
        """Do something, let Orch come to rest, and list what has changed."""
        if not self.after:
            await self.rest()
        self.before = self.after or await picture.take(self.world)
        self.written, self.answers = len(self.world.log.read_text()), ""
        await act()
        await self.rest()
        self.after = await picture.take(self.world)
        return picture.changes(self.before, self.after)

    @property
    def told(self) -> str:
        """Return what Orch wrote on GitHub meanwhile."""
        return picture.told(self.before, self.after)

    @property
    def logged(self) -> str:
        """Return the reasons that Orch logged meanwhile."""
        lines = [json.loads(line) for line in self.world.log.read_text()[self.written :].splitlines()]
        return "\n".join(str(line.get(name)) for line in lines for name in ("why", "reason") if name in line)

    async def deliver(self, event: str, payload: Any, *, guid: str, secret: str | None = None, **headers: str) -> None:
        """Deliver a webhook of one's own making, signed with the right secret unless another is given."""
        body = json.dumps(payload).encode()
        key = (secret or self.world.about["webhook_secret"]).encode()
        signed = {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": guid,
            "X-Hub-Signature-256": f"sha256={hmac.digest(key, body, sha256).hex()}",
            **headers,
        }
        url = f"http://127.0.0.1:{self.world.port}/webhook"
        async with self.world.session.post(url, data=BytesIO(body), headers=signed) as answer:
            self.answers += f"{answer.status} {await answer.text()}\n"


async def new_stage(world: World) -> Stage:
    """Start Orch on a new hub, and bring it about."""
    await world.start_orch(
        LOG_LEVEL="debug", LOG_JSON="true", SLOTS=3, MAX_ATTEMPTS=1, REDELIVER_EVERY=3600, BOTS="named[bot]"
    )
    stage = Stage(world)
    await stage.set()
    return stage
