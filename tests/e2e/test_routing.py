"""Routing as people see it: a model chooses an agent, that one's provider takes no more calls, and another goes on."""

import json

from runner.agents.base import Wire
from tests.e2e.world import World
from tests.model.script import Call, Scenario, Turn
from tests.model.server import model_server

BODY = "```bash\necho hello > hello.txt\n```"
ROLES = {"tester": "You write tests first."}
MINI = {"adapter": "mini", "model": "m", "key": "MODEL_KEY", "wire": "openai-chat"}


async def test_a_model_chooses_and_where_a_provider_takes_no_more_another_agent_goes_on(world: World) -> None:
    async with model_server() as server:
        chosen = {"agent": "mini", "complexity": "simple", "role": "tester"}
        server.scenarios["route"] = Scenario((Turn((Call("final_result", chosen),)),), for_ever=True)
        asked = {
            "wire": "openai-chat",
            "model": "m",
            "key": "MODEL_KEY",
            "base_url": server.url("route", Wire.OPENAI_CHAT),
        }
        world.environment["MODEL_KEY"] = "sk-the-key-of-this-test"
        await world.start_orch(
            AGENTS='["mini", "script"]',
            AGENT_OPTIONS=json.dumps({"mini": MINI | {"base_url": server.url("spent", Wire.OPENAI_CHAT)}}),
            ROUTER=json.dumps({"mode": "llm", "llm": asked, "roles": ROLES}),
        )
        number = await world.open_issue(body=BODY)
        await world.until_status(number, "in_review")
        assert server.calls["route"] == 1
        [comment] = await world.comments(number)
        assert "| Agent | `script` (no model) |" in comment
        assert "| Chosen | because `mini` is parked until " in comment
        assert "| Complexity | `simple` |" in comment
        assert "| Role | `tester` |" in comment
        second = await world.open_issue(body=BODY)
        await world.until_status(second, "in_review")
        assert server.last is not None
        assert "* mini" not in json.dumps(server.last.body)
    labels = {label["name"] for label in await world.read("/labels?per_page=100")}
    assert {"role:tester", "complexity:simple", "priority:high"} <= labels
