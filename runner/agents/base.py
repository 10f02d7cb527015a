"""The contract between a run and the adapter of one coding agent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from runner.supervision import Stream

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Started:
    agent: str
    model: str | None


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolResult:
    ok: bool
    output: str


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What the agent says it used; an unknown cost is None, never zero."""

    tokens_in: int
    tokens_out: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The agent's own last word: what it claims, not what was observed."""

    ok: bool
    reason: str


AgentEvent = Started | Text | ToolCall | ToolResult | UsageReport | Ended


@dataclass(frozen=True, slots=True)
class Prompt:
    """`text` is what a model is told; `body` is the admitted text of the issue alone."""

    text: str
    body: str


@dataclass(frozen=True, slots=True)
class AgentCommand:
    """What to start; `env` is the whole environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    stdin: bytes | None = None


class Agent(Protocol):
    """An adapter to one coding-agent CLI; one instance serves one run."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str | None: ...

    def command(self, prompt: Prompt, workspace: Path, home: Path, tmp: Path) -> AgentCommand:
        """Return what to start in `workspace` with its own `home` and `tmp`."""
        ...

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        """Return the events that one line of output stands for; never raise on what an agent prints."""
        ...


def base_environment(home: Path, tmp: Path) -> dict[str, str]:
    """Build the environment that every agent gets, from nothing."""
    return {"PATH": SYSTEM_PATH, "HOME": str(home), "TMPDIR": str(tmp), "LANG": "C.UTF-8"}
