"""The contract between a run and the adapter of one coding-agent CLI.

An adapter does no I/O: it says what to start, turns each line of output into events, and turns answers into bytes for
the agent's standard input. One instance serves one process. CONTRIBUTING.md says how to add one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from app.domain.outcomes import Usage
from runner.supervision import Stream

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# What an adapter declares


class Wire(StrEnum):
    """The protocols in which agents speak with a model server."""

    ANTHROPIC = "anthropic"
    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    GEMINI = "gemini"


class Lane(StrEnum):
    """How an agent is driven: EXEC lets it go, GATED asks before each tool call."""

    EXEC = "exec"
    GATED = "gated"


class OwnLimit(StrEnum):
    """A limit that the CLI enforces by itself, besides those that Orch enforces on every agent."""

    TURNS = "turns"
    TOOL_CALLS = "tool calls"
    COST = "cost"
    WALL = "wall time"


@dataclass(frozen=True, slots=True)
class Traits:
    """What an adapter says of its CLI.

    `program` is looked up on PATH, None if nothing need be installed. `key` is the environment name under which the
    agent takes its provider's key, `url` the provider's address in the convention of `wire` (OpenAI's ends in `/v1`,
    the others' do not). `writes` are the paths it keeps things at, relative to HOME. `lacks` are sentences for people.
    """

    name: str
    program: str | None
    wire: Wire | None = None
    key: str | None = None
    url: str | None = None
    lanes: frozenset[Lane] = frozenset({Lane.EXEC})
    limits: frozenset[OwnLimit] = frozenset()
    resumes: bool = False
    steers: bool = False
    writes: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


# What an adapter is told


@dataclass(frozen=True, slots=True)
class Prompt:
    """`text` is what a model is told; the rest is there for agents without one.

    `body` is the admitted text of the issue alone, empty where that is not what is to be done. `told` are instructions,
    `threads` what was said in each review thread, `conflicts` the files in which a merge left any. `wanted` is what is
    to be answered in JSON about the body instead of work on it: `plan`, `verdict`, or nothing.
    """

    text: str
    body: str
    told: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the agent finds its model: `url` in the convention of its wire, `key` what it authenticates with."""

    url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the agent to go on with; `usage` is what all its runs used so far."""

    id: str
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One process of a run, as an adapter sees it. `max_cost` is in US dollars; None is no limit of the agent's own."""

    prompt: Prompt
    workspace: Path
    home: Path
    tmp: Path
    model: str | None = None
    endpoint: Endpoint | None = None
    session: Session | None = None
    lane: Lane = Lane.EXEC
    max_turns: int | None = None
    max_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AgentCommand:
    """What to start; `env` is the whole environment.

    `stdin` is written at the start; with `talks` more may follow, and it stays open until `Hangup`. `files` are written
    before the start: contents by path relative to HOME.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    stdin: bytes | None = None
    talks: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)


# What an agent says


class EndStatus(StrEnum):
    """What an agent's last word amounts to."""

    COMPLETED = "completed"
    FAILED = "failed"
    LIMIT_REACHED = "limit_reached"
    BUDGET_SPENT = "budget_spent"
    PROVIDER_LIMITED = "provider_limited"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Started:
    """The agent works; `session` is what a later run can go on with."""

    session: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Text:
    """Something the agent says to people."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The agent uses a tool; `id` joins it to its result where the CLI tells one."""

    name: str
    input: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    ok: bool
    output: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What was used since the last report of this run, or its beginning: differences, whatever the CLI counts.

    `tokens_in` holds those read from a cache too, `tokens_cached` is how many these are; `cost` is in US dollars. None
    is unknown, never zero.
    """

    tokens_in: int | None
    tokens_out: int | None
    tokens_cached: int | None = None
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """The agent tries its model again, after an HTTP `status` (None: not told) and in `delay` seconds."""

    status: int | None = None
    delay: float | None = None


@dataclass(frozen=True, slots=True)
class Limited:
    """The provider takes no more calls of the account until then (Unix time, seconds)."""

    until: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A tool call was refused, by the agent itself or by whom it asked."""

    tool: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """The agent has taken in what it was told under that key while it worked, and goes on with it."""

    key: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The agent waits for leave to use a tool (gated lane); `id` is the adapter's own, for `Agent.answer`."""

    id: str
    tool: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes that the agent's standard input needs now: the next step of its protocol."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hangup:
    """Nothing follows on the agent's standard input: close it."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something the adapter does not know, named; it is kept in the transcript and counted, and breaks nothing."""

    kind: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The agent's own last word: what it claims, not what was observed. The last one of a run counts."""

    status: EndStatus
    reason: str


AgentEvent = (
    Started
    | Text
    | ToolCall
    | ToolResult
    | UsageReport
    | Retry
    | Limited
    | Refused
    | Heard
    | Asked
    | Send
    | Hangup
    | Unknown
    | Ended
)


class Agent(Protocol):
    """An adapter to one coding-agent CLI; one instance serves one process of it."""

    @property
    def traits(self) -> Traits: ...

    def command(self, work: Assignment) -> AgentCommand:
        """Return what to start in the workspace."""
        ...

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        """Return the events that one line of output stands for; never raise on what an agent prints."""
        ...

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        """Return what follows from the end of the process with that exit code; None: it was killed.

        An agent that ends without a last word is none that succeeded: no `Ended` here or before is a failure.
        """
        ...

    def answer(self, asked: Asked, allowed: bool, reason: str) -> bytes:
        """Return what tells the agent whether it may; raises NotImplementedError where there is no gated lane."""
        ...

    def steer(self, key: str, said: str) -> bytes:
        """Return what tells the working agent something more, on its standard input; empty if it cannot be told now.

        `Heard` with the key follows once it has taken that in. Only where `traits.steers`.
        """
        ...

    def cancel(self) -> bytes:
        """Return what asks the agent to stop in order, on its standard input; empty if there is no such thing."""
        ...


class TakesNoWord:
    """The part of an adapter that cannot tell its agent anything before it is done with what it was told."""

    def steer(self, key: str, said: str) -> bytes:
        return b""


class AsksNobody(TakesNoWord):
    """The part of an adapter that has no gated lane and cannot be asked to stop."""

    def answer(self, asked: Asked, allowed: bool, reason: str) -> bytes:
        raise NotImplementedError("this agent asks nobody")

    def cancel(self) -> bytes:
        return b""


def base_environment(home: Path, tmp: Path) -> dict[str, str]:
    """Build the environment that every agent gets, from nothing."""
    return {"PATH": SYSTEM_PATH, "HOME": str(home), "TMPDIR": str(tmp), "LANG": "C.UTF-8"}
