"""The `codex` agent: OpenAI's Codex CLI, by `codex exec` in the exec lane and by its app server in the gated one."""

import json
import os
import platform
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from runner.agents.base import (
    SYSTEM_PATH,
    AgentCommand,
    AgentEvent,
    Asked,
    Assignment,
    Ended,
    EndStatus,
    Lane,
    Retry,
    Started,
    TakesNoWord,
    Traits,
    Unknown,
    Wire,
    base_environment,
)
from runner.agents.codex_gated import Dialogue
from runner.agents.codex_items import Items, Tokens, failed, read_tokens, status_in
from runner.agents.reading import mapping, read_object, text
from runner.agents.telling import plain_line
from runner.supervision import Stream

# The wall is the sandbox around the agent. Codex's own would need a second one inside it, which often cannot be made,
# and what fails for that reason is not even told; it would also keep the agent's tests from their network.
_SANDBOX = "danger-full-access"
# What is typed into a terminal is not asked for once the program in it may run.
_NO_TERMINALS = "features.unified_exec_tty=false"
_PROVIDER = "orch"
_RECONNECTING = re.compile(r"^Reconnecting\W+\d+/\d+")


class CodexAgent(TakesNoWord):
    """Run Codex; `program` is its name on PATH or its path."""

    traits = Traits(
        name="codex",
        program="codex",
        wire=Wire.OPENAI_RESPONSES,
        key="OPENAI_API_KEY",
        url="https://api.openai.com/v1",
        lanes=frozenset({Lane.EXEC, Lane.GATED}),
        resumes=True,
        writes=(".codex",),
        lacks=(
            "It tells no costs, and in the exec lane no tokens before its end.",
            "In the exec lane nothing tells of commands that it refused by itself.",
            "It does not read the repository's own .codex settings, hooks and MCP servers.",
        ),
    )

    def __init__(self, program: str = "codex") -> None:
        self._program = program
        self._dialogue: Dialogue | None = None
        self._items = Items()
        self._before = Tokens(0, 0, 0)
        self._model: str | None = None
        self._stderr = ""
        self._ended = False

    def command(self, work: Assignment) -> AgentCommand:
        self._model = work.model
        if work.session:
            usage = work.session.usage
            self._before = Tokens(usage.tokens_in, usage.tokens_out, usage.tokens_cached)
        program = str(native(Path(shutil.which(self._program, path=SYSTEM_PATH) or self._program)))
        if work.lane is Lane.GATED:
            self._dialogue = Dialogue(work, _SANDBOX)
            argv = (program, "app-server", *_configuration(work), "-c", _NO_TERMINALS)
            return AgentCommand(argv, _environment(work), self._dialogue.first(), talks=True)
        argv = (program, "exec", *_exec_arguments(work))
        return AgentCommand(argv, _environment(work), work.prompt.text.encode(errors="replace"))

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        if stream is Stream.STDERR:
            self._stderr = plain_line(line) or self._stderr
            return (Unknown("stderr"),)
        if self._dialogue:
            events = tuple(self._dialogue.read(line))
        else:
            said = read_object(line)
            events = (Unknown("unreadable"),) if said is None else tuple(self._events(said))
        self._ended = self._ended or any(isinstance(event, Ended) for event in events)
        return events

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        if code and not self._ended:
            return (failed(self._stderr or f"it ended with exit code {code} and no last word"),)
        return ()

    def answer(self, asked: Asked, allowed: bool, reason: str) -> bytes:
        if self._dialogue is None:
            raise NotImplementedError("codex exec asks nobody")
        return self._dialogue.answer(asked, allowed)

    def cancel(self) -> bytes:
        return self._dialogue.cancel() if self._dialogue else b""

    def _events(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        match said.get("type"):
            case "thread.started":
                yield Started(text(said.get("thread_id")) or None, self._model)
            case "item.started":
                yield from self._items.events(mapping(said.get("item")), completed=False)
            case "item.completed":
                yield from self._items.events(mapping(said.get("item")), completed=True)
            case "turn.completed":
                total = read_tokens(mapping(said.get("usage")))
                yield total.since(self._before)
                self._before = total
                yield Ended(EndStatus.COMPLETED, "completed")
            case "turn.failed":
                yield failed(text(mapping(said.get("error")).get("message")))
            case "error":
                message = text(said.get("message"))
                yield Retry(status_in(message)) if _RECONNECTING.match(message) else failed(message)
            case "turn.started" | "item.updated":
                pass
            case kind:
                yield Unknown(text(kind) or "unreadable")


def native(program: Path) -> Path:
    """Return the program that Codex's npm wrapper would start, or `program` itself if it is no such wrapper.

    A wrapper that is killed leaves the program running, and needs node and its memory for nothing.
    """
    wrapper = program.resolve()
    if wrapper.suffix != ".js":
        return program
    package = wrapper.parent.parent
    for beside in (package / "node_modules" / "@openai", package.parent, package):
        pattern = f"vendor/{platform.machine()}-unknown-linux-*/bin/codex"
        for found in (*beside.glob(f"codex-linux-*/{pattern}"), *beside.glob(pattern)):
            if os.access(found, os.X_OK):
                return found
    return program


def _exec_arguments(work: Assignment) -> Iterator[str]:
    if work.session:
        yield "resume"
    yield from ("--json", "--skip-git-repo-check", *_configuration(work), "-c", f"sandbox_mode={json.dumps(_SANDBOX)}")
    if work.model:
        yield from ("-m", work.model)
    if work.session:
        yield work.session.id
    yield "-"


def _configuration(work: Assignment) -> Iterator[str]:
    yield from ("-c", "analytics.enabled=false")  # else it waits for five seconds at its end if it cannot send any
    # The app server trusts the workspace by itself, and then starts whatever the repository's settings name.
    trust = f'projects={{{json.dumps(str(work.workspace))}={{trust_level="untrusted"}}}}'
    yield from ("-c", trust)
    if work.endpoint:
        fields = {
            "name": _PROVIDER,
            "base_url": work.endpoint.url,
            "env_key": "OPENAI_API_KEY",
            "wire_api": "responses",
        }
        provider = ",".join(f"{name}={json.dumps(value)}" for name, value in fields.items())
        yield from ("-c", f"model_provider={_PROVIDER}", "-c", f"model_providers.{_PROVIDER}={{{provider}}}")


def _environment(work: Assignment) -> dict[str, str]:
    env = base_environment(work.home, work.tmp)
    if work.endpoint:
        env["OPENAI_API_KEY"] = work.endpoint.key
    return env
