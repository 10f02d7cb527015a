"""An issue that a real agent turns into a pull request."""

import base64

import pytest

from tests.agents.stage import Stage, tokens


@pytest.mark.parametrize("network", ["full", "none"])
async def test_an_issue_becomes_a_merged_pull_request(stage: Stage, network: str) -> None:
    await stage.start("ok", NETWORK=network)
    number = await stage.ask()
    said = await stage.comment(number, "in_review")
    [pull] = await stage.world.pulls()
    file = await stage.world.read(f"/contents/hello.txt?ref={pull['head']['ref']}")
    assert base64.b64decode(file["content"]) == b"hello\n"
    assert "Done: hello.txt now says hello." in pull["body"]
    assert "$0.0" in said
    assert len(tokens(said)) == 1
    await stage.world.merge(pull["number"])
    await stage.world.until_status(number, "done")
    await stage.world.until_idle()
    assert (await stage.world.read(f"/issues/{number}"))["state"] == "closed"
    assert stage.world.workspaces() == []
    assert stage.processes() == []
