"""A call that a rule leaves to people, from the question to the answer, with an agent that asks before each call."""

import json
import sys
from pathlib import Path

from tests.e2e.world import World

ACP_AGENT = Path(__file__).parents[1] / "integration" / "acp_agent.py"
STEPS = """Please do this.

run echo begun >> begun.txt
run echo 'echo made > made.txt' | sh
say done
"""


async def start(world: World) -> int:
    """Start an Orch whose agent's calls are ruled on, and a task that comes to one that people must allow."""
    program = world.folder / "agent"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -I -S {ACP_AGENT}\n")
    program.chmod(0o755)
    options = {"program": str(program), "base_url": "http://127.0.0.1:9/v1", "key": "MODEL_KEY", "model": "none"}
    world.environment["MODEL_KEY"] = "unused"
    await world.start_orch(AGENTS='["qwen"]', AGENT_OPTIONS=json.dumps({"qwen": options}), PROFILE="headless-safe")
    number = await world.open_issue(body=STEPS)
    await world.until_status(number, "needs_review")
    await world.until_idle()
    return number


async def say(world: World, number: int, body: str, token: str = "writer") -> None:
    await world.call("POST", f"/repos/{world.repository}/issues/{number}/comments", {"body": body}, token)


async def delivered(world: World, number: int) -> list[str]:
    """Wait for the pull request, and list its files."""
    await world.until_status(number, "in_review")
    [pull] = await world.pulls()
    return sorted(file["filename"] for file in await world.read(f"/pulls/{pull['number']}/files"))


async def test_what_people_allow_is_done(world: World) -> None:
    number = await start(world)
    living, question = await world.comments(number)
    for said in (living, question):
        assert "`` execute: echo 'echo made > made.txt' | sh ``" in said
        assert "`/approve` allows exactly this call" in said
    await say(world, number, "Fine.\n\n/approve")
    assert await delivered(world, number) == ["begun.txt", "made.txt"]


async def test_what_people_refuse_is_not_done(world: World) -> None:
    number = await start(world)
    await say(world, number, "/deny We make no such file.")
    assert await delivered(world, number) == ["begun.txt"]


async def test_strangers_answer_nothing(world: World) -> None:
    number = await start(world)
    await say(world, number, "/approve", "triager")
    await say(world, number, "/approve", "triager")
    await say(world, number, "> /approve")
    await world.until_idle()
    replies = [said for said in await world.comments(number) if "only people with write access" in said]
    assert len(replies) == 1
    assert "status:needs_review" in await world.labels(number)
