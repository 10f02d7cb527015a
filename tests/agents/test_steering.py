"""Real agents that are told more while they work, and that are stopped with their work kept: runs without an Orch."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.domain.grants import Order, Resumable, Stop
from app.domain.instructions import Told
from app.domain.jobs import Purpose
from app.domain.outcomes import Outcome, RunResult
from app.domain.policy import RunLimits
from app.domain.record import Unfinished
from app.settings import AgentOptions
from runner.agents.registry import ADAPTERS
from runner.equipment import AgentSetup
from runner.gateway.account import Upstream
from runner.gateway.server import Gateway
from runner.pulse import Pulse
from tests.agents.stage import KEY, MODELS, WAITS, WIRES, program, shells
from tests.agents.test_sessions import Attempts
from tests.integration.git_server import git_server
from tests.integration.run_stage import Stage
from tests.model.script import Scenario, Shell, Turn
from tests.model.server import ModelServer, model_server

LIMITS = RunLimits(wall_seconds=120, silence_seconds=60)
MORE = Told(key="comment-1", author="writer", text="Say it in German, too.")


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of one CLI against the scripted model."""

    stage: Stage
    model: ModelServer
    agent: str

    async def run(self, scenario: str, **more: Any) -> RunResult:
        adapter, path = ADAPTERS[self.agent], program(self.agent)
        wire = WIRES[self.agent]
        setup = AgentSetup(
            make=lambda: adapter(str(path), AgentOptions()),
            program=path,
            model=MODELS[self.agent],
            upstream=Upstream(self.model.url(scenario, wire), KEY, wire),
        )
        return await self.stage.run_setup(setup, **({"limits": LIMITS} | more))

    async def until_file(self, name: str) -> None:
        """Wait for a file in the workspace."""
        deadline = asyncio.get_running_loop().time() + 60
        while not (self.stage.workspace.tree / name).exists():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.02)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind that the transcript of the first run has."""
        path = self.stage.root / "artifacts" / "runs" / "r1" / "events.jsonl"
        said = [json.loads(line) for line in path.read_text().splitlines()]
        return [each for each in said if each["type"] == kind]

    def last_asked(self) -> str:
        return json.dumps(self.model.last.body) if self.model.last else ""


@pytest.fixture
async def runs(tmp_path: Path, agent: str) -> AsyncIterator[Runs]:
    async with open_runs(tmp_path, agent) as opened:
        yield opened


@pytest.fixture
async def claude(tmp_path: Path) -> AsyncIterator[Runs]:
    if not program("claude").exists():
        pytest.skip("claude is not installed; `make test-agents` does that")
    async with open_runs(tmp_path, "claude") as opened:
        yield opened


@asynccontextmanager
async def open_runs(folder: Path, agent: str) -> AsyncIterator[Runs]:
    async with git_server(folder, {"README.md": b"hello\n"}) as server, model_server() as model, Gateway() as gateway:
        yield Runs(Stage(server, folder / "root", gateway=gateway), model, agent)


async def test_claude_is_told_in_the_middle_of_its_turn(claude: Runs) -> None:
    claude.model.scenarios["slow"] = shells("touch begun; python3 -c 'import time; time.sleep(3)'", "touch next")
    run = asyncio.create_task(claude.run("slow"))
    await claude.until_file("begun")
    claude.stage.pulse.obey(Order(inbox=(MORE,)))
    result = await run
    assert (result.outcome, result.delivered) == (Outcome.DELIVERED, ("comment-1",))
    assert [event["key"] for event in claude.events("heard")] == ["comment-1"]
    assert len(claude.events("started")) == 1  # no turn of its own, and no second process
    assert "Say it in German, too." in claude.last_asked()


async def test_claude_is_told_as_it_ends_and_answers_in_a_further_turn(claude: Runs) -> None:
    claude.model.scenarios["talks"] = Scenario(
        (Turn((Shell("echo again >> begun"),)),), last="Now I say very slowly that all of it is done.", pause=0.2
    )
    run = asyncio.create_task(claude.run("talks"))
    await claude.until_file("begun")
    await asyncio.wait_for(said_last(claude), 60)
    claude.stage.pulse.obey(Order(inbox=(MORE,)))
    result = await run
    assert (result.outcome, result.delivered) == (Outcome.DELIVERED, ("comment-1",))
    assert await claude.stage.file(result, "begun") == b"again\nagain\n"
    assert len({event["session"] for event in claude.events("started")}) == 1
    assert len(claude.events("ended")) == 2


async def said_last(runs: Runs) -> None:
    """Wait until the model has been asked for its last answer of the first turn."""
    while runs.model.calls["talks"] < 2:
        assert not runs.stage.pulse.verdict
        await asyncio.sleep(0.02)


async def test_an_agent_that_is_done_goes_on_in_its_session_with_what_it_is_told(runs: Runs) -> None:
    first, second = shells("echo first-word > first.txt"), shells("echo second-word > second.txt")
    runs.model.scenarios["two"] = Attempts(each=(first, second))
    left = [Order(inbox=(MORE,)), Order()]

    async def look() -> None:
        runs.stage.pulse.obey(left.pop(0))

    runs.stage.pulse.look = look
    result = await runs.run("two")
    assert (result.outcome, result.delivered) == (Outcome.DELIVERED, ("comment-1",))
    assert [await runs.stage.file(result, name) for name in ("first.txt", "second.txt")] == [
        b"first-word\n",
        b"second-word\n",
    ]
    assert "echo first-word > first.txt" in runs.last_asked()
    assert "Say it in German, too." in runs.last_asked()
    assert len({event["session"] for event in runs.events("started")}) == 1


async def test_a_stop_that_keeps_comes_at_once_and_the_next_run_goes_on(runs: Runs) -> None:
    runs.model.scenarios["two"] = Attempts(each=(shells("echo first-word > begun", WAITS), shells("cp begun copy.txt")))
    run = asyncio.create_task(runs.run("two"))
    await runs.until_file("begun")
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    runs.stage.pulse.obey(Order(stop=Stop.KEEP))
    stopped = await run
    assert loop.time() - asked_at < 10
    assert (stopped.outcome, await runs.stage.file(stopped, "begun")) == (Outcome.CANCELLED, b"first-word\n")

    runs.stage.pulse = Pulse()
    result = await runs.run(
        "two",
        run_id="r2",
        session=Resumable(id=stopped.session or "", usage=stopped.usage),
        unfinished=Unfinished(run_id="r1", sha=stopped.head_sha or ""),
    )
    assert (result.outcome, result.session) == (Outcome.DELIVERED, stopped.session)
    assert await runs.stage.file(result, "copy.txt") == b"first-word\n"
    assert "echo first-word > begun" in runs.last_asked()


async def test_a_review_reads_and_its_writing_is_refused(runs: Runs) -> None:
    head = await runs.stage.branch("orch/5", {"a.txt": b"a\n"})
    runs.model.scenarios["review"] = shells("git diff --stat origin/main...HEAD", "echo mine > a.txt")
    result = await runs.run("review", purpose=Purpose.REVIEW, start_sha=head, profile="headless-permissive")
    assert (result.outcome, result.head_sha, runs.stage.server.pushes) == (Outcome.REVIEWED, None, 0)
    assert (runs.stage.workspace.tree / "a.txt").read_bytes() == b"a\n"
    assert "a.txt |" in runs.last_asked()


async def test_claude_is_told_in_the_middle_of_a_turn_in_which_it_asks_for_each_call(claude: Runs) -> None:
    claude.model.scenarios["slow"] = shells("touch begun && sleep 3", "touch next")
    run = asyncio.create_task(claude.run("slow", profile="headless-safe"))
    await claude.until_file("begun")
    claude.stage.pulse.obey(Order(inbox=(MORE,)))
    result = await run
    assert (result.outcome, result.delivered) == (Outcome.DELIVERED, ("comment-1",))
    assert claude.events("asked")


async def test_a_pause_lets_a_tool_come_to_its_end(runs: Runs) -> None:
    begins = "touch begun; python3 -c 'import time; time.sleep(2)'; echo whole > whole.txt"
    runs.model.scenarios["pause"] = shells(begins, WAITS)
    run = asyncio.create_task(runs.run("pause"))
    await runs.until_file("begun")
    runs.stage.pulse.obey(Order(stop=Stop.TURN))
    result = await asyncio.wait_for(run, 40)
    assert (result.outcome, await runs.stage.file(result, "whole.txt")) == (Outcome.CANCELLED, b"whole\n")
    assert result.session is not None
