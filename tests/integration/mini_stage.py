"""A workspace, a model server and the `mini` agent under the real supervisor."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.agents.base import AgentEvent, Assignment, Endpoint, Prompt, Refused, ToolCall, ToolResult, Wire
from runner.agents.mini import MiniAgent, MiniLimits
from runner.supervision import Command, Exit, Limits, supervise
from tests.model.script import Call, Scenario, Shell, Turn, Write
from tests.model.server import ModelServer, model_server

KEY = "sk-the-key-of-this-test"
QUICK = MiniLimits(answer_seconds=10, retries=2, first_delay=0.01, longest_delay=1)


@dataclass(frozen=True)
class Stage:
    """A workspace and a model server for one run of the agent."""

    server: ModelServer
    folder: Path

    @property
    def tree(self) -> Path:
        return self.folder / "work"

    def command(self, agent: MiniAgent, scenario: str, **changes: Any) -> Command:
        endpoint = Endpoint(self.server.url(scenario, agent.traits.wire or Wire.OPENAI_CHAT), KEY)
        work = Assignment(
            Prompt("Say hello.", ""), self.tree, self.folder / "home", self.folder / "tmp", "mock", endpoint
        )
        made = agent.command(replace(work, **changes))
        return Command(made.argv, made.env, self.tree, self.folder / "lock", Limits(60, 60), made.stdin)

    async def run(
        self, scenario: str, wire: Wire = Wire.OPENAI_CHAT, limits: MiniLimits = QUICK, **changes: Any
    ) -> tuple[list[AgentEvent], Exit]:
        agent = MiniAgent(wire, limits)
        async with supervise(self.command(agent, scenario, **changes)) as supervised:
            events = [event async for line in supervised.lines() for event in agent.parse(line.data, line.stream)]
            return events, await supervised.wait()

    async def use(
        self, *actions: Shell | Write | Call, wire: Wire = Wire.OPENAI_CHAT, **limits: Any
    ) -> list[AgentEvent]:
        """Let the model ask for these in one answer, and return what follows from them."""
        self.server.scenarios["these"] = Scenario((Turn(actions),))
        events, _ = await self.run("these", wire, replace(QUICK, **limits))
        return [event for event in events if isinstance(event, ToolResult | Refused)]


@asynccontextmanager
async def mini_stage(folder: Path) -> AsyncIterator[Stage]:
    """Make the directories of a run, and serve the model."""
    for name in ("work", "home", "tmp"):
        (folder / name).mkdir()
    async with model_server() as server:
        yield Stage(server, folder)


def without_ids(events: list[AgentEvent]) -> list[AgentEvent]:
    return [replace(event, id="") if isinstance(event, ToolCall | ToolResult) else event for event in events]


def result(events: list[AgentEvent]) -> ToolResult:
    (found,) = (event for event in events if isinstance(event, ToolResult))
    return found


def marked(word: str) -> list[int]:
    """The living processes that call themselves so."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().startswith(word.encode()):
                found.append(int(path.parent.name))
    return found


async def await_marked(word: str, count: int) -> None:
    """Return when so many processes call themselves so; only /proc tells of processes that are not our children."""
    deadline = time.monotonic() + 120
    while len(marked(word)) != count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
