"""A second attempt goes on with the agent's own session, where the first one was only cut off."""

import re

from tests.agents.stage import SECONDS, WAITS, Stage, shells, tokens
from tests.model.script import TOKENS_CACHED, TOKENS_IN, TOKENS_OUT

CALL = {"claude": TOKENS_IN + TOKENS_CACHED + TOKENS_OUT}
"""The tokens of one call of the model; only on Anthropic's wire those from a cache are not among the others."""


async def test_a_second_attempt_goes_on_with_the_session_of_the_first(stage: Stage) -> None:
    stage.model.scenarios["two"] = shells("echo first-word > first.txt", WAITS)
    await stage.start("two", WALL_SECONDS=SECONDS[stage.agent], MAX_ATTEMPTS=2)
    number = await stage.ask()
    await stage.until_tool_works()
    before = stage.model.calls["two"]
    stage.model.scenarios["two"] = shells("echo second-word > second.txt")
    said = await stage.comment(number, "in_review")
    assert re.findall(r"attempt (\d): `(\w+)`", said) == [("1", "timed_out"), ("2", "delivered")]
    assert "echo first-word > first.txt" in stage.last_asked()
    files = await stage.world.read("/pulls/2/files")
    assert sorted(file["filename"] for file in files) == ["first.txt", "second.txt"]
    each = CALL.get(stage.agent, TOKENS_IN + TOKENS_OUT)
    assert tokens(said)[1] == (stage.model.calls["two"] - before) * each
