"""A second attempt goes on with the agent's own session, where the first one was only cut off."""

import re
from dataclasses import dataclass, field

from tests.agents.stage import Stage, shells, tokens
from tests.model.script import TOKENS_CACHED, TOKENS_IN, TOKENS_OUT, Scenario, Turn

CALL = {"claude": TOKENS_IN + TOKENS_CACHED + TOKENS_OUT}
"""The tokens of one call of the model; only on Anthropic's wire those from a cache are not among the others."""


@dataclass(frozen=True, slots=True)
class Attempts(Scenario):
    """Another scenario each time that an agent is told what to do."""

    each: tuple[Scenario, ...] = ()
    begun: list[Scenario] = field(default_factory=list)

    def turn(self, step: int) -> Turn:
        if step == 0:
            self.begun.append(self.each[len(self.begun)])
        return self.begun[-1].turn(step)


async def test_a_second_attempt_goes_on_with_the_session_of_the_first(stage: Stage) -> None:
    circles = shells("echo first-word > first.txt", *["cat nothing"] * 9)
    stage.model.scenarios["two"] = Attempts(each=(circles, shells("echo second-word > second.txt")))
    await stage.start("two", MAX_ATTEMPTS=2)
    said = await stage.comment(await stage.ask(), "in_review")
    assert re.findall(r"attempt (\d): `(\w+)`", said) == [("1", "stalled"), ("2", "delivered")]
    assert "echo first-word > first.txt" in stage.last_asked()
    files = await stage.world.read("/pulls/2/files")
    assert sorted(file["filename"] for file in files) == ["first.txt", "second.txt"]
    assert tokens(said)[1] == 2 * CALL.get(stage.agent, TOKENS_IN + TOKENS_OUT)
