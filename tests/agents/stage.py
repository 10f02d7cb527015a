"""A world whose default agent is a real CLI, and what can be seen of it from outside."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.agents.base import Wire
from tests.e2e.world import World
from tests.model.script import Scenario, Shell, Turn
from tests.model.server import ModelServer

PREFIX = Path(__file__).parents[2] / ".agents"
WIRES = {"claude": Wire.ANTHROPIC, "codex": Wire.OPENAI_RESPONSES, "opencode": Wire.OPENAI_CHAT}
MODELS = {"claude": "claude-sonnet-4-5", "codex": "gpt-5.5", "opencode": "gpt-5.5"}
KEY = "sk-canary-of-the-provider-0123456789abcdef"
SECONDS = {"claude": 12, "codex": 8, "opencode": 30}
"""Within these an agent has begun with a tool that takes long; Codex lets one that takes 10 s go on by itself."""
PATIENCE = 150.0
"""Opencode takes some 75 s to give up on a model server that only fails."""
WAITS = "python3 -c 'import time; time.sleep(300)'"
"""A command that takes long. Claude Code refuses a bare `sleep 300`."""


def program(name: str) -> Path:
    """Name where `make test-agents` puts that agent."""
    return PREFIX / "node_modules" / ".bin" / name


def shells(*commands: str) -> Scenario:
    """Run one command after another, and then be done."""
    return Scenario(tuple(Turn((Shell(command),)) for command in commands))


@dataclass(frozen=True, slots=True)
class Stage:
    """A hub, an Orch with one agent, and the model server that the agent is told of."""

    world: World
    model: ModelServer
    agent: str

    async def start(self, scenario: str, **settings: Any) -> None:
        """Start Orch; each task has a single attempt unless `settings` say something else."""
        options = {
            "program": str(program(self.agent)),
            "base_url": self.model.url(scenario, WIRES[self.agent]),
            "key": "MODEL_KEY",
            "model": MODELS[self.agent],
        }
        self.world.environment["MODEL_KEY"] = KEY
        self.world.patience = PATIENCE
        agents = {"AGENTS": json.dumps([self.agent]), "AGENT_OPTIONS": json.dumps({self.agent: options})}
        await self.world.start_orch(**{**agents, "SANDBOX": "bubblewrap", "MAX_ATTEMPTS": 1, **settings})

    async def ask(self) -> int:
        return await self.world.open_issue("Say hello", "Make hello.txt say hello.")

    async def comment(self, number: int, status: str) -> str:
        """Wait for the status and for everything to be done, and return the living comment."""
        await self.world.until_status(number, status)
        await self.world.until_idle()
        return (await self.world.comments(number))[0]

    async def until_tool_works(self, part: str = "time.sleep(300)") -> None:
        """Wait until a process whose command line holds that runs in the workspace."""

        async def probe() -> bool:
            return any(part in _read(pid, "cmdline") for pid in self.processes())

        await self.world.until(f"a tool that runs {part}", probe)

    async def until_nobody(self) -> None:
        """Wait until nothing of a run is left: agent, tools, sandbox, supervisor and its keeper."""

        async def probe() -> bool:
            return not self.processes()

        await self.world.until("no process left", probe)

    def processes(self) -> list[int]:
        """List all processes but Orch's own that have anything to do with a workspace.

        An agent has it in its environment, a sandbox in its arguments, a supervisor holds its lock.
        """
        ours = {child.pid for child in self.world.orch}
        pids = {int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()}
        return [pid for pid in pids - ours if self._of(pid)]

    def _of(self, pid: int) -> bool:
        places = f"{self.world.folder}/orch/repositories/"
        return any(places in told for told in (_read(pid, "cmdline"), _read(pid, "environ"), *_open_files(pid)))

    def told_to_processes(self) -> str:
        """Return arguments and environment of all processes of a run."""
        return "\n".join(_read(pid, name) for pid in self.processes() for name in ("cmdline", "environ"))

    def last_asked(self) -> str:
        """Return all that the model was told with the last call."""
        return json.dumps(self.model.last.body) if self.model.last else ""

    def transcripts(self) -> str:
        """Return all that was kept of the agent's words and doings."""
        found = sorted((self.world.folder / "orch" / "artifacts").rglob("*"))
        return "\n".join(path.read_text(errors="replace") for path in found if path.is_file())


def tokens(comment: str) -> list[int]:
    """Return how many tokens each run took, as the living comment has it."""
    return [int(found.replace(",", "")) for found in re.findall(r"([\d,]+) tokens", comment)]


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:  # it ended meanwhile
        return ""


def _open_files(pid: int) -> list[str]:
    try:
        links = [*Path(f"/proc/{pid}/fd").iterdir(), Path(f"/proc/{pid}/cwd")]
        return [str(link.readlink()) for link in links]
    except OSError:
        return []
