"""A run that is told things while its agent works: instructions, and to stop in one way or another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.domain.grants import Order, Stop
from app.domain.instructions import Told
from app.domain.outcomes import Outcome, RunResult
from runner.agents.base import (
    AgentCommand,
    AgentEvent,
    Assignment,
    Ended,
    EndStatus,
    Hangup,
    Heard,
    Started,
    TakesNoWord,
    Text,
    Traits,
)
from runner.agents.script import ScriptAgent
from runner.supervision import Stream
from tests.integration.git_server import git_server
from tests.integration.run_stage import BRIEF, LONG, Stage


def told(key: str, text: str) -> Told:
    return Told(key=key, author="writer", text=text)


def asks(script: str) -> str:
    return f"Please:\n\n```bash\n{script}\n```\n"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with git_server(tmp_path, {"README.md": b"hello\n"}) as server:
        yield Stage(server, tmp_path / "root")


def bring(stage: Stage, *orders: Order) -> None:
    """Let each look at the end of a turn hear the next of these orders."""
    left = list(orders)

    async def look() -> None:
        if left:
            stage.pulse.obey(left.pop(0))

    stage.pulse.look = look


async def until(comes: Callable[[], object]) -> None:
    """Wait for something that only looking tells."""
    deadline = asyncio.get_running_loop().time() + 120
    while not comes():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


async def until_begun(stage: Stage) -> None:
    """Wait for the agent's file `begun` in the workspace."""
    await until((stage.workspace.tree / "begun").exists)


async def ordered(stage: Stage, script: str, order: Order, **more: Any) -> RunResult:
    """Give a run an order once its agent has made the file `begun`."""
    run = asyncio.create_task(stage.run(script, **({"limits": LONG} | more)))
    await until_begun(stage)
    stage.pulse.obey(order)
    return await run


# Instructions at the end of a turn


async def test_what_comes_while_an_agent_works_is_a_further_turn_of_the_same_run(stage: Stage) -> None:
    bring(stage, Order(inbox=(told("c1", asks("cat a.txt > b.txt")), told("c2", "Why?"))), Order())
    result = await stage.run_agent(ScriptAgent(), body=asks("echo a > a.txt"), limits=LONG)
    assert (result.outcome, result.delivered) == (Outcome.DELIVERED, ("c1", "c2"))
    assert await stage.file(result, "b.txt") == b"a\n"
    assert "You asked: Why?" in result.text


async def test_a_question_to_an_agent_that_had_nothing_to_change_is_answered(stage: Stage) -> None:
    bring(stage, Order(inbox=(told("c1", "Why?"),)))
    result = await stage.run("cat > /dev/null; echo Because.", limits=LONG)
    assert (result.outcome, result.delivered) == (Outcome.ANSWERED, ("c1",))


async def test_an_order_that_repeats_itself_is_told_once(stage: Stage) -> None:
    order = Order(inbox=(told("c1", asks("echo x >> x.txt")),))
    bring(stage, order, order)
    result = await stage.run_agent(ScriptAgent(), body=asks("true"), limits=LONG)
    assert (await stage.file(result, "x.txt"), result.delivered) == (b"x\n", ("c1",))


async def test_an_agent_without_sessions_is_told_all_of_it_again(stage: Stage) -> None:
    bring(stage, Order(inbox=(told("c1", "In German."),)))
    result = await stage.run("cat > prompt.txt; echo I did it.", limits=LONG, body="Say hello.")
    prompt = (await stage.file(result, "prompt.txt") or b"").decode()
    assert [part in prompt for part in ("Say hello.", "    I did it.", "## @writer\n\nIn German.")] == [True] * 3


async def test_what_comes_when_the_time_is_up_is_left_to_the_next_run(stage: Stage) -> None:
    bring(stage, Order(inbox=(told("c1", "More."),)))
    result = await stage.run("echo a > a.txt; echo done", limits=BRIEF)
    assert (result.outcome, result.delivered) == (Outcome.DELIVERED, ())


async def test_a_further_turn_that_fails_undoes_none_before_it_and_delivers_nothing(stage: Stage) -> None:
    bring(stage, Order(inbox=(told("c1", "More."),)))
    result = await stage.run("test ! -e a.txt && echo a > a.txt && echo done", limits=LONG)
    assert (result.outcome, result.delivered) == (Outcome.AGENT_FAILED, ())
    assert await stage.file(result, "a.txt") == b"a\n"


async def test_i12_an_agent_is_not_started_for_ever(stage: Stage) -> None:
    bring(stage, *(Order(inbox=(told(f"c{number}", "More."),)) for number in range(99)))
    result = await stage.run("echo again >> a.txt; echo done", limits=LONG)
    assert (result.outcome, len(result.delivered)) == (Outcome.DELIVERED, 19)


# Instructions while an agent works


@dataclass
class Listener(TakesNoWord):
    """An agent that repeats each line it is told; `deaf` to all but the first."""

    deaf: bool = False
    traits: Traits = field(default_factory=lambda: Traits("listener", None, steers=True, resumes=True))
    prompts: list[str] = field(default_factory=list)

    def command(self, work: Assignment) -> AgentCommand:
        self.prompts.append(work.prompt.text)
        script = 'touch begun; read word; echo "heard $word"; echo "$word" >> heard.txt; read word; echo over'
        return AgentCommand(("sh", "-c", "echo over" if self.deaf else script), {"PATH": "/usr/bin:/bin"}, talks=True)

    def parse(self, line: bytes, stream: Stream) -> list[AgentEvent]:
        match line.decode().split():
            case ["heard", key]:
                return [Heard(key), Text(f"I heard {key}."), Ended(EndStatus.COMPLETED, "done"), Hangup()]
            case ["over"]:
                return [Started("s1", None), Ended(EndStatus.COMPLETED, "done"), Hangup()]
        return []

    def close(self, code: int | None) -> list[AgentEvent]:
        return []

    def answer(self, asked: object, allowed: bool, reason: str) -> bytes:
        raise NotImplementedError

    def cancel(self) -> bytes:
        return b""

    def steer(self, key: str, said: str) -> bytes:
        return f"{key}\n".encode()


async def test_an_agent_that_listens_is_told_at_once(stage: Stage) -> None:
    agent = Listener()
    run = asyncio.create_task(stage.run_agent(agent, limits=LONG))
    await until_begun(stage)
    stage.pulse.obey(Order(inbox=(told("c1", "More."),)))
    result = await run
    assert (result.outcome, result.delivered, len(agent.prompts)) == (Outcome.DELIVERED, ("c1",), 1)
    assert await stage.file(result, "heard.txt") == b"c1\n"


async def test_what_an_agent_was_told_and_did_not_hear_begins_a_further_turn(stage: Stage) -> None:
    agent = Listener(deaf=True)
    stage.pulse.obey(Order(inbox=()))
    bring(stage, Order(inbox=(told("c1", "More."),)))
    result = await stage.run_agent(agent, limits=LONG)
    assert (len(agent.prompts), result.delivered) == (2, ("c1",))
    assert agent.prompts[1].startswith("# What you are asked besides")  # in the session, which knows the rest


# Stops


async def test_a_stop_that_keeps_ends_the_agent_at_once_and_pushes_what_is_there(stage: Stage) -> None:
    result = await ordered(stage, "echo half > half.txt; touch begun; sleep 300", Order(stop=Stop.KEEP))
    assert (result.outcome, await stage.file(result, "half.txt")) == (Outcome.CANCELLED, b"half\n")
    assert stage.workspace.path.exists()


async def test_a_stop_that_drops_pushes_nothing_and_leaves_nothing(stage: Stage) -> None:
    result = await ordered(stage, "touch begun; sleep 300", Order(stop=Stop.DROP))
    assert (result.outcome, result.head_sha, stage.server.pushes) == (Outcome.CANCELLED, None, 0)
    assert not stage.workspace.path.exists()


async def test_a_stop_that_keeps_can_still_be_made_one_that_drops(stage: Stage) -> None:
    stage.tokens.refusals = 99
    run = asyncio.create_task(ordered(stage, "touch begun; sleep 300", Order(stop=Stop.KEEP)))
    await until(lambda: stage.clock.waits)
    stage.pulse.obey(Order(stop=Stop.DROP))
    assert ((await run).outcome, stage.server.pushes) == (Outcome.CANCELLED, 0)


async def test_an_outage_does_not_lose_what_a_stop_keeps(stage: Stage) -> None:
    stage.tokens.refusals = 5
    result = await ordered(stage, "touch begun; sleep 300", Order(stop=Stop.KEEP))
    assert (result.outcome, await stage.file(result, "begun")) == (Outcome.CANCELLED, b"")


async def test_a_turn_is_let_come_to_its_end(stage: Stage) -> None:
    go_on = stage.root / "go-on"
    held = f"touch begun; until [ -e {go_on} ]; do sleep 0.05; done; echo whole > whole.txt"
    script = asks(held) + asks("touch next; sleep 300")
    run = asyncio.create_task(stage.run_agent(ScriptAgent(), body=script, limits=LONG))
    await until_begun(stage)
    stage.pulse.obey(Order(stop=Stop.TURN))
    go_on.touch()
    result = await run
    assert (result.outcome, await stage.file(result, "whole.txt")) == (Outcome.CANCELLED, b"whole\n")


async def test_a_run_that_is_told_to_stop_before_its_agent_works_starts_none(stage: Stage) -> None:
    stage.pulse.obey(Order(stop=Stop.TURN))
    assert (await stage.run("echo a > a.txt")).outcome is Outcome.CANCELLED
    assert stage.server.pushes == 0
