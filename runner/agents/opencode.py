"""The `opencode` agent: `opencode run` over its stream of JSON.

Measured with 1.18.33. The prompt goes over standard input, which has no limit of length and in which
nothing looks like an option.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from runner.agents.acp import AcpDialogue, AcpLane
from runner.agents.base import (
    AgentCommand,
    AgentEvent,
    Assignment,
    Ended,
    EndStatus,
    Lane,
    Refused,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Traits,
    Unknown,
    UsageReport,
    Wire,
    base_environment,
)
from runner.agents.reading import amount, count, mapping, read_object, text
from runner.agents.telling import failure, plain_line, total_of
from runner.supervision import Stream

_QUIET = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
}
# Else plugins and MCP servers of the repository run before the first word, and skills of `.claude` join in.
_OWN_SETTINGS = {"OPENCODE_DISABLE_PROJECT_CONFIG": "1", "OPENCODE_DISABLE_EXTERNAL_SKILLS": "1"}
# Else it fetches this package, for plugins that nobody has, from npm in every run.
_HAS_PLUGIN = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": "*"}}}}
_FILES = {
    ".config/opencode/package-lock.json": json.dumps(_HAS_PLUGIN).encode(),
    ".config/opencode/node_modules/.package-lock.json": b"{}",
}
_REJECTED = "rejected permission"
DONE = "stop"


class OpencodeAgent(AcpLane):
    """Run opencode; `program` is its name on PATH or its path."""

    traits = Traits(
        name="opencode",
        program="opencode",
        wire=Wire.OPENAI_CHAT,
        key="OPENAI_API_KEY",
        url="https://api.openai.com/v1",
        lanes=frozenset({Lane.EXEC, Lane.GATED}),
        resumes=True,
        writes=(".cache/opencode", ".config/opencode", ".local/share/opencode", ".local/state/opencode"),
        lacks=(
            "It has no default model: name one.",
            "It obeys no limit of its own on turns or cost.",
            "Where it asks before each tool call, it tells no tokens, and its cost only at the end.",
            "It does not read the repository's own opencode.json, plugins, MCP servers and skills.",
        ),
    )

    def __init__(self, program: str = "opencode") -> None:
        self._program = program
        self._session = ""
        self._model: str | None = None
        self._last_step = ""
        self._error: tuple[str, int | None] | None = None
        self._refused = ""
        self._stderr = ""

    def command(self, work: Assignment) -> AgentCommand:
        self._model = work.model
        if work.lane is Lane.GATED:
            self._dialogue = AcpDialogue(counts_tokens=False)
            argv = (self._program, "acp")
            return AgentCommand(argv, environment(work), self._dialogue.start(work), talks=True, files=_FILES)
        model = _model(work)
        return AgentCommand(
            argv=(
                *(self._program, "run", "--format", "json"),
                *(("-m", model) if model else ()),
                *(("--session", work.session.id) if work.session else ()),
            ),
            env=environment(work),
            stdin=work.prompt.text.encode("utf-8", "replace"),
            files=_FILES,
        )

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        if stream is Stream.STDERR:
            self._stderr = plain_line(line) or self._stderr
            return (Unknown("stderr"),)
        if self._dialogue:
            return self._dialogue.receive(line)
        said = read_object(line)
        return (Unknown("unreadable"),) if said is None else tuple(self._events(said))

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        """Judge by the last step: a question that nobody answers ends the run with exit code 0 and no error."""
        if self._dialogue:
            return self._dialogue.close(code)
        return () if code is None else (self._ending(code),)

    def _events(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        session, part = text(said.get("sessionID")), mapping(said.get("part"))
        if session and session != self._session:
            self._session = session
            yield Started(session, self._model)
        match said.get("type"):
            case "step_start" | "reasoning":
                pass
            case "text":
                yield Text(text(part.get("text")))
            case "tool_use":
                yield from self._tool_use(part)
            case "step_finish":
                self._last_step, self._error = text(part.get("reason")), None
                yield _used(part)
            case "error":
                self._error = _error(mapping(said.get("error")))
            case kind:
                yield Unknown(text(kind) or "unreadable")

    def _tool_use(self, part: dict[str, Any]) -> Iterator[AgentEvent]:
        """Tell of a tool call, which opencode does when it is over."""
        state, tool, call = mapping(part.get("state")), text(part.get("tool")), text(part.get("callID"))
        error, code = text(state.get("error")), mapping(state.get("metadata")).get("exit")
        yield ToolCall(tool, mapping(state.get("input")), call)
        if _REJECTED in error:
            self._refused = tool
            yield Refused(tool, error)
        completed = state.get("status") == "completed" and code in (None, 0)
        yield ToolResult(completed, text(state.get("output")) or error, call)

    def _ending(self, code: int) -> Ended:
        if self._error:
            return Ended(failure(*self._error), self._error[0])
        if code:
            return Ended(EndStatus.FAILED, self._stderr or f"it ended with exit code {code}")
        if self._last_step == DONE:
            return Ended(EndStatus.COMPLETED, "completed")
        if self._refused:
            return Ended(EndStatus.FAILED, f"it stopped when it was refused the tool {self._refused}")
        how = f"its last step ended with `{self._last_step}`" if self._last_step else "it finished no step"
        return Ended(EndStatus.FAILED, f"it stopped in the middle: {how}")


def environment(work: Assignment) -> dict[str, str]:
    """Build the environment of opencode, which holds its configuration, too."""
    env = base_environment(work.home, work.tmp) | _QUIET | _OWN_SETTINGS
    if work.endpoint:
        env["OPENAI_API_KEY"] = work.endpoint.key
    return env | {"OPENCODE_CONFIG_CONTENT": json.dumps(configuration(work))}


def configuration(work: Assignment) -> dict[str, Any]:
    """Build the configuration of opencode, which beats what it finds elsewhere.

    Where nobody answers all is allowed, because a question ends the run; what keeps the agent in is the isolation
    around it. Where each call is asked for, only the agent's own list of things to do is not.
    """
    asks = {"*": "ask", "todoread": "allow", "todowrite": "allow"}
    config: dict[str, Any] = {
        "share": "disabled",
        "autoupdate": False,
        "permission": asks if work.lane is Lane.GATED else {"*": "allow"},
        "instructions": [str(work.workspace / "AGENTS.md")],  # it goes with the project's configuration otherwise
    }
    if work.lane is Lane.GATED:
        config["experimental"] = {"continue_loop_on_deny": True}  # else one refusal ends the whole turn
    if work.endpoint:
        config |= {"provider": {"orch": _provider(work, work.endpoint.url)}, "enabled_providers": ["orch"]}
        config |= {"model": _model(work), "small_model": _model(work)}
    elif work.model:  # the gated lane has no option for it
        config["model"] = work.model
    return config


def _provider(work: Assignment, url: str) -> dict[str, Any]:
    return {
        "npm": "@ai-sdk/openai-compatible",
        "name": "orch",
        "options": {"baseURL": url, "apiKey": "{env:OPENAI_API_KEY}"},
        "models": {work.model or "default": {}},
    }


def _model(work: Assignment) -> str | None:
    return f"orch/{work.model or 'default'}" if work.endpoint else work.model


def _used(part: dict[str, Any]) -> UsageReport:
    """Report what a step used. A cost of 0 is what opencode says of a model whose price it does not know."""
    tokens = mapping(part.get("tokens"))
    cache = mapping(tokens.get("cache"))
    read = count(cache.get("read"))
    return UsageReport(
        tokens_in=total_of((count(tokens.get("input")), read, count(cache.get("write")))),
        tokens_out=total_of((count(tokens.get("output")), count(tokens.get("reasoning")))),
        tokens_cached=read,
        cost=amount(part.get("cost")) or None,
    )


def _error(said: dict[str, Any]) -> tuple[str, int | None]:
    data = mapping(said.get("data"))
    return text(data.get("message")) or text(said.get("name")) or "it ended with an error", count(
        data.get("statusCode")
    )
