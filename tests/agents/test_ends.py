"""How runs of real agents end that do not go well: what people are told, and that no process is left."""

import asyncio
from typing import Any

import pytest

from tests.agents.stage import SECONDS, WAITS, Stage, shells


async def ended(stage: Stage, scenario: str, **settings: Any) -> str:
    """Let a task end with a question to people, and return the living comment."""
    await stage.start(scenario, **settings)
    said = await stage.comment(await stage.ask(), "needs_review")
    await stage.until_nobody()
    return said


async def test_time_that_is_up_loses_no_work(stage: Stage) -> None:
    stage.model.scenarios["slow"] = shells("echo begun > begun.txt", WAITS)
    seconds = SECONDS[stage.agent]
    said = await ended(stage, "slow", WALL_SECONDS=seconds)
    assert "`timed_out` after" in said
    assert f"the agent took longer than {seconds} s" in said
    assert "What it did so far is kept." in said
    [ref] = [ref for ref in await stage.world.refs() if "orch/runs" in ref]
    assert (await stage.world.read(f"/contents/begun.txt?ref={ref.removeprefix('refs/')}"))["name"] == "begun.txt"


@pytest.mark.parametrize("limit", [{"MAX_TOKENS": 6000}, {"MAX_COST": 0.02}, {"MAX_TURNS": 4}, {"MAX_TOOL_CALLS": 3}])
async def test_a_limit_that_is_reached_ends_the_run(stage: Stage, limit: dict[str, float]) -> None:
    stage.model.scenarios["long"] = shells(*["date +%N; echo {step} > step.txt"] * 50)
    said = await ended(stage, "long", **limit)
    assert "The run reached a limit: " in said
    assert "`budget_spent` after" in said
    assert "What it did so far is kept." in said
    assert stage.model.calls["long"] < 12


async def test_a_run_is_cancelled_in_the_middle_of_a_tool(stage: Stage) -> None:
    await stage.start("sleep")
    number = await stage.ask()
    await stage.until_tool_works()
    await stage.world.call("DELETE", f"/repos/{stage.world.repository}/issues/{number}/labels/orch")
    await stage.world.until_status(number, "paused")
    async with asyncio.timeout(15):
        await stage.until_nobody()
    await stage.world.until_idle()
    assert stage.world.workspaces() == []


async def test_nobody_outlives_an_orch_that_was_killed(stage: Stage) -> None:
    await stage.start("sleep")
    await stage.ask()
    await stage.until_tool_works()
    await stage.world.kill_orch()
    async with asyncio.timeout(15):
        await stage.until_nobody()


async def test_a_provider_that_was_busy_is_asked_again(stage: Stage) -> None:
    await stage.start("flaky")
    await stage.comment(await stage.ask(), "in_review")
    assert stage.model.calls["flaky"] >= 4


async def test_a_provider_that_stays_busy_is_told(stage: Stage) -> None:
    assert "`provider_limited` after" in await ended(stage, "e429")


async def test_a_provider_that_is_down_for_ever_is_told(stage: Stage) -> None:
    said = await ended(stage, "e500")
    assert "`agent_failed` after" in said
    # Codex tells no status.
    assert "500" in said or "Internal Server Error" in said or "experiencing high demand" in said


async def test_a_key_that_is_refused_is_told(stage: Stage) -> None:
    said = await ended(stage, "e401")
    assert "`agent_failed` after" in said
    assert "401" in said or "authenticat" in said.lower()


async def test_a_server_that_is_no_model_is_told(stage: Stage) -> None:
    said = await ended(stage, "badjson")
    assert "`agent_failed` after" in said or "with no word and no tool call" in said


@pytest.mark.parametrize("scenario", ["hang", "hangmid"])
async def test_a_model_that_says_no_more_ends_the_run(stage: Stage, scenario: str) -> None:
    said = await ended(stage, scenario, SILENCE_SECONDS=8)
    assert "`timed_out` after" in said
    assert "the agent said nothing for 8 s" in said
