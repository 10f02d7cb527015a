"""The built-in agent through all of Orch, against a model server that follows a script: what people see of each end."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runner.agents.base import Wire
from runner.sandbox import SandboxKind
from tests.e2e.world import World
from tests.integration.sandboxes import sandbox_or_skip
from tests.model.script import Scenario, Shell, Turn
from tests.model.server import ModelServer, model_server

SHELLS_OWN = {"PWD", "OLDPWD", "SHLVL", "_"}
KEY = "sk-canary-of-the-provider-0123456789abcdef"


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with model_server() as server:
        yield server


def shells(*commands: str) -> Scenario:
    """Run one command after another, and then be done."""
    return Scenario(tuple(Turn((Shell(command),)) for command in commands))


async def start(world: World, model: ModelServer, scenario: str, **more: Any) -> None:
    """Start an Orch whose default agent is `mini` with that scenario's model."""
    options = {"base_url": model.url(scenario, Wire.OPENAI_CHAT), "key": "MODEL_KEY", "model": "gpt-5.5"}
    world.environment["MODEL_KEY"] = KEY
    await world.start_orch(AGENTS='["mini"]', AGENT_OPTIONS=json.dumps({"mini": options}), **more)


async def comment_of(world: World, number: int, status: str) -> str:
    await world.until_status(number, status)
    await world.until_idle()
    return (await world.comments(number))[0]


async def test_a_task_is_done_by_the_built_in_agent(world: World, model: ModelServer) -> None:
    await start(world, model, "ok")
    number = await world.open_issue("Say hello", "Make hello.txt say hello.")
    said = await comment_of(world, number, "in_review")
    [pull] = await world.pulls()
    assert "Done: hello.txt now says hello." in pull["body"]
    assert "2100 tokens" in said
    assert "$0.0" in said


async def test_an_agent_that_goes_round_in_circles_is_stopped_and_told_so(world: World, model: ModelServer) -> None:
    model.scenarios["circle"] = Scenario((Turn((Shell("cat nothing"),)),), for_ever=True)
    await start(world, model, "circle", MAX_ATTEMPTS=2)
    number = await world.open_issue("Loop", "Go round.")
    said = await comment_of(world, number, "needs_review")
    assert "Attempt 2, the last, ended as `stalled`: the same tool call gave the same result 3 times in a row" in said
    assert said.count("`stalled` after") == 2
    asked = json.dumps(model.last.body if model.last else {})
    assert "Attempt 1 ended as stalled: the same tool call gave the same result" in asked


async def test_time_that_is_up_loses_no_work(world: World, model: ModelServer) -> None:
    model.scenarios["slow"] = shells("echo begun > begun.txt", "sleep 300")
    await start(world, model, "slow", MAX_ATTEMPTS=2, WALL_SECONDS=8)
    number = await world.open_issue("Be slow", "Take your time.")
    said = await comment_of(world, number, "needs_review")
    assert said.count("`timed_out` after") == 2
    [ref] = [ref for ref in await world.refs() if "orch/runs" in ref]
    tree = await world.read(f"/contents/begun.txt?ref={ref.removeprefix('refs/')}")
    assert tree["name"] == "begun.txt"


async def test_a_budget_that_is_spent_ends_the_run_and_asks(world: World, model: ModelServer) -> None:
    model.scenarios["long"] = shells(*["date +%N; echo {step} > step.txt"] * 50)
    await start(world, model, "long", MAX_TOKENS=3000)
    number = await world.open_issue("Spend", "Do much.")
    said = await comment_of(world, number, "needs_review")
    assert "A limit was reached: " in said
    assert " of 3,000 tokens" in said
    assert "What it did so far is kept." in said
    assert len([ref for ref in await world.refs() if "orch/runs" in ref]) == 1


async def test_a_task_at_its_cap_asks_and_goes_on_with_what_is_allowed(world: World, model: ModelServer) -> None:
    model.scenarios["long"] = shells("echo kept > kept.txt", *["date +%N; sleep 0.1"] * 50)
    await start(world, model, "long", MAX_TASK_COST="0.05", BUDGET_APPROVERS="admin")
    number = await world.open_issue("Spend", "Do much.")
    said = await comment_of(world, number, "needs_review")
    assert "a person who may approve budgets says `/approve budget N`" in said
    model.scenarios["long"] = shells("cat kept.txt > copy.txt")
    await world.say(number, "/approve budget 1")
    reply = await world.until_reply(number, after=2)
    assert "only people with the role `admin` approve budgets here" in reply
    await world.say(number, "/resume")
    await world.until_text(number, "this task's runs cost $0.0")
    await world.say(number, "/approve budget 1", "maintainer")
    await comment_of(world, number, "in_review")
    assert sorted(file["filename"] for file in await world.read("/pulls/2/files")) == ["copy.txt", "kept.txt"]


async def test_a_repository_at_its_daily_cap_begins_no_run(world: World, model: ModelServer) -> None:
    await start(world, model, "ok", MAX_DAY_COST="0.0115")
    await comment_of(world, await world.open_issue("Say hello", "Make hello.txt say hello."), "in_review")
    number = await world.open_issue("Again", "Make hello.txt say more.")
    await comment_of(world, number, "needs_review")  # what was left of the day was little, and is spent now
    await world.say(number, "/resume")
    await world.until_text(number, "this repository's runs cost $0.02 today (UTC), and at most $0.01 is allowed")


async def test_a_task_taken_up_again_goes_on_from_what_is_kept(world: World, model: ModelServer) -> None:
    model.scenarios["long"] = shells("echo kept > kept.txt", *["date +%N"] * 50)
    await start(world, model, "long", MAX_TOKENS=3000)
    number = await world.open_issue("Spend", "Do much.")
    await comment_of(world, number, "needs_review")
    model.scenarios["long"] = shells("cat kept.txt > copy.txt")
    await world.call("DELETE", f"/repos/{world.repository}/issues/{number}/labels/orch")
    await world.label(number, "orch")
    await comment_of(world, number, "in_review")
    files = await world.read("/pulls/2/files")
    assert sorted(file["filename"] for file in files) == ["copy.txt", "kept.txt"]
    assert [ref for ref in await world.refs() if "orch/runs" in ref] == []


async def test_a_run_is_cancelled_in_the_middle_of_a_tool(world: World, model: ModelServer) -> None:
    await start(world, model, "sleep")
    number = await world.open_issue("Sleep", "Sleep long.")
    await world.until("the tool at work", lambda: sleeping(world))
    await world.call("DELETE", f"/repos/{world.repository}/issues/{number}/labels/orch")
    await world.until_status(number, "paused")
    await world.until("no process left", lambda: nobody(world))


async def sleeping(world: World) -> bool:
    return bool(processes_in(world.folder))


async def nobody(world: World) -> bool:
    return not processes_in(world.folder)


def processes_in(folder: Path) -> list[int]:
    """List processes other than Orch's whose working directory is a workspace under the folder."""
    found = []
    for each in Path("/proc").iterdir():
        try:
            where = (each / "cwd").readlink() if each.name.isdigit() else None
            if where and where.is_relative_to(folder) and "tasks" in where.parts:
                found.append(int(each.name))
        except OSError:  # it ended meanwhile
            continue
    return found


async def test_a_provider_that_is_down_for_ever_is_told(world: World, model: ModelServer) -> None:
    await start(world, model, "e401", MAX_ATTEMPTS=1)
    number = await world.open_issue("Try", "Try it.")
    assert "401" in await comment_of(world, number, "needs_review")


async def test_i5_the_providers_key_is_nowhere_but_in_the_runner(world: World, model: ModelServer) -> None:
    model.scenarios["spy"] = shells("env > env.txt")
    await start(world, model, "spy")
    number = await world.open_issue("Spy", "Look around.")
    await comment_of(world, number, "in_review")
    assert model.last is not None
    assert model.last.headers["Authorization"] == f"Bearer {KEY}"
    seen = [path for path in world.folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert seen == []
    text = base64.b64decode((await world.read("/contents/env.txt?ref=orch/1-spy"))["content"]).decode()
    names = {line.partition("=")[0] for line in text.splitlines()}
    assert names - SHELLS_OWN == {"HOME", "LANG", "PATH", "TMPDIR"}


@pytest.mark.parametrize("network", ["full", "none"])
async def test_an_isolated_agent_does_its_task_and_sees_nothing_of_the_runner(
    world: World, model: ModelServer, network: str
) -> None:
    sandbox_or_skip(SandboxKind.BUBBLEWRAP)
    look = (
        f"ls {world.folder}/orch > seen.txt 2>&1; cat /proc/[0-9]*/environ > environ.txt; git log --oneline > log.txt"
    )
    model.scenarios["spy"] = shells(look)
    await start(world, model, "spy", SANDBOX="bubblewrap", NETWORK=network)
    number = await world.open_issue("Spy", "Look around.")
    await comment_of(world, number, "in_review")
    seen, environ, log = [await content(world, name) for name in ("seen.txt", "environ.txt", "log.txt")]
    assert "queue.db" not in seen
    assert (KEY in environ, "ORCH_" in environ.replace("ORCH_MODEL_KEY", "")) == (False, False)
    assert len(log.splitlines()) == 1
    assert processes_in(world.folder) == []


async def content(world: World, name: str) -> str:
    """Read a file of the first task's branch."""
    found = await world.read(f"/contents/{name}?ref=orch/1-spy")
    return base64.b64decode(found["content"]).decode()


async def test_people_are_told_that_agents_are_not_isolated(world: World, model: ModelServer) -> None:
    await start(world, model, "ok")
    number = await world.open_issue("Say hello", "Make hello.txt say hello.")
    said = await comment_of(world, number, "in_review")
    assert "Agents are not isolated from the machine that they run on" in said
