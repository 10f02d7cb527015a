"""What reaches a chat of what becomes of tasks."""

import json
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.e2e.world import SCRIPT, World

PASSWORD = "hunter2canary"


async def test_people_are_told_when_they_must_act_and_at_the_end_whoever_else_cannot_be_reached(world: World) -> None:
    heard: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        heard.append(await request.json())
        return web.Response()

    async def hears(title: str) -> dict[str, Any] | None:
        return next((said for said in heard if said["title"] == title), None)

    app = web.Application()
    app.router.add_post("/chat", take)
    async with TestServer(app, host="127.0.0.1") as chat:
        rules = {
            "chat": {"to": f"json://127.0.0.1:{chat.port}/chat", "on": ["needs_person", "done"]},
            "gone": {"to": f"json://me:{PASSWORD}@127.0.0.1:1/", "on": ["failed"]},
        }
        await world.start_orch(NOTIFY=json.dumps(rules), MAX_ATTEMPTS=1, EVENT_LEASE=60)
        failing = await world.open_issue(body="```bash\nexit 3\n```\n")
        title = f"acme/widgets#{failing} failed and needs a person"
        said = await world.until(title, lambda: hears(title))
        assert said["message"].endswith(f" {world.about['web_url']}/acme/widgets/issues/{failing}")

        working = await world.open_issue(title="Add hello", body=SCRIPT)
        pull = await world.until_pull()
        await world.merge(pull["number"])
        await world.until("the end", lambda: hears(f"acme/widgets#{working} is done"))

        in_the_way = pull["number"] + 1
        taken = {"ref": f"refs/heads/orch/{in_the_way}-add-hello", "sha": pull["base"]["sha"]}
        await world.call("POST", f"/repos/{world.repository}/git/refs", taken)
        more = SCRIPT.replace("hello.txt", "more.txt")
        assert await world.open_issue(title="Add hello", body=more) == in_the_way
        refused = await world.until("the refusal", lambda: hears(f"acme/widgets#{in_the_way} needs a person"))
        assert "GitHub refused a step" in refused["message"]
    await world.until_idle()
    assert [said["title"].partition(" ")[2] for said in heard] == [
        "failed and needs a person",
        "is done",
        "needs a person",
    ]
    assert "not notified" in world.log.read_text()
    assert PASSWORD not in world.log.read_text()
