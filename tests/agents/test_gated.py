"""Agents whose every tool call is ruled on: what is allowed is done, what is denied is not, the rest asks a person."""

from typing import Any

import pytest

from tests.agents.stage import Stage, shells, tokens

GATED: Any = {"PROFILE": "headless-safe"}


async def files(stage: Stage) -> list[str]:
    [pull] = await stage.world.pulls()
    return sorted(file["filename"] for file in await stage.world.read(f"/pulls/{pull['number']}/files"))


@pytest.mark.parametrize("network", ["full", "none"])
async def test_an_allowed_call_goes_through(stage: Stage, network: str) -> None:
    stage.model.scenarios["gated"] = shells("echo hello > hello.txt")
    await stage.start("gated", NETWORK=network, **GATED)
    said = await stage.comment(await stage.ask(), "in_review")
    assert await files(stage) == ["hello.txt"]
    assert tokens(said)[0] > 2000
    assert '"type":"asked"' in stage.transcripts()
    assert stage.processes() == []


async def test_a_denied_call_is_refused_and_told(stage: Stage) -> None:
    stage.model.scenarios["gated"] = shells("sudo touch denied.txt", "echo hello > hello.txt")
    await stage.start("gated", **GATED)
    await stage.comment(await stage.ask(), "in_review")
    assert await files(stage) == ["hello.txt"]
    refused = [line for line in stage.transcripts().splitlines() if '"type":"refused"' in line]
    assert len(refused) == 1
    assert "sudo touch denied.txt (headless-safe " in refused[0]
    assert "reject" in stage.last_asked().lower() or "reaches past the workspace" in stage.last_asked()


async def test_a_call_that_only_a_person_may_allow_parks_the_task(stage: Stage) -> None:
    stage.model.scenarios["gated"] = shells("echo kept > kept.txt", "curl http://127.0.0.1/")
    await stage.start("gated", **GATED)
    said = await stage.comment(await stage.ask(), "needs_review")
    assert "The agent wants to do what only a person may allow: curl http://127.0.0.1/ (headless-safe " in said
    assert "`approval_needed` after" in said
    assert "What it did so far is kept." in said
    await stage.until_nobody()
