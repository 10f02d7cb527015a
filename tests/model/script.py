"""What the scripted model does: its scenarios, and how they fit the tools that an agent offers."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TOKENS_IN, TOKENS_OUT, TOKENS_CACHED = 1000, 50, 200
DONE = "Done: hello.txt now says hello."
NEXT = {
    "reasoning": "x",
    "next_speaker": "user",
    "model_choice": "flash",
    "complexity_reasoning": "x",
    "complexity_score": 1,
}

SHELLS = (
    "Bash",
    "bash",
    "shell",
    "exec_command",
    "shell_command",
    "run_shell_command",
    "Shell",
    "container.exec",
    "local_shell",
    "execute_bash",
    "RunCommand",
    "terminal",
)
WRITERS = ("Write", "write", "write_file", "WriteFile", "create_file", "edit_file", "mcp__acp__Write", "apply_patch")
_PATHS = {"file_path", "filePath", "path", "absolute_path", "abs_path"}
_CONTENTS = {"content", "contents", "text", "new_text"}
_EMPTY = {"string": "", "boolean": False, "integer": 0, "number": 0, "array": [], "object": {}}
_FOLDERS = (
    r"Primary working directory: (\S+?)(?:\\n|\n|$)",
    r"[Ww]orking directory: (\S+?)(?:\\n|\n|<|$)",
    r"<cwd>(.*?)</cwd>",
    r"current working directory(?: is)?:? `?([^`\s\\]+)",
    r"(/[^\s\"\\]*worktrees/[A-Za-z0-9_.\-/]+)",
)


# What a scenario says


@dataclass(frozen=True, slots=True)
class Shell:
    """A command for whichever shell tool the agent offers; `{step}` in it becomes the number of the step."""

    command: str


@dataclass(frozen=True, slots=True)
class Write:
    """A file to write with whichever tool the agent offers, or with its shell."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Call:
    """One exact tool call; `arguments` that are text are sent as they are, `free` is a tool that takes plain text."""

    name: str
    arguments: Mapping[str, Any] | str
    free: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the model: words, tool calls, or both."""

    actions: tuple[Shell | Write | Call, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Answers in order and then `last`, or the last one of them for ever; `pause` seconds lie between two words."""

    turns: tuple[Turn, ...] = ()
    last: str = DONE
    for_ever: bool = False
    pause: float = 0.0

    def turn(self, step: int) -> Turn:
        """Return the answer that is due after `step` tool results."""
        for turn in self.turns:
            if step < len(turn.actions) or not turn.actions:
                return turn
            step -= len(turn.actions)
        return self.turns[-1] if self.for_ever else Turn(text=self.last)


_HELLO = Turn((Shell("echo hello > hello.txt"),))
SCENARIOS = {
    "ok": Scenario((_HELLO,)),
    "flaky": Scenario((_HELLO,)),
    "write": Scenario((Turn((Write("hello.txt", "hello\n"),)),)),
    "both": Scenario((_HELLO, Turn((Write("written.txt", "written\n"),)))),
    "loop": Scenario((Turn((Shell("echo turn{step} >> loop.txt"),)),), for_ever=True),
    # Claude Code refuses a bare `sleep 300`.
    "sleep": Scenario((Turn((Shell("python3 -c 'import time; time.sleep(300)'"),)),)),
    "outside": Scenario((Turn((Write("../escaped.txt", "escaped\n"),)),)),
    "rm": Scenario((Turn((Shell("rm -rf victim"),)),)),
    "text": Scenario(),
    "chunky": Scenario(pause=0.05),
    "hangmid": Scenario(last="I am about to begin"),
    "huge": Scenario(last="huge " * 50_000),
}


# What a request asks, and what is answered


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    free: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: `step` tool results came after the last words of the user; `text` is all that was said, as JSON."""

    tools: Sequence[Tool]
    step: int
    text: str
    stream: bool
    wants_json: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answers; the text in the pieces in which it is streamed."""

    pieces: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def reply(scenario: Scenario, ask: Ask, in_words: bool = False) -> Reply:
    """Answer a request; one without tools asks for the title of a session, or how to go on (Gemini CLI, in JSON)."""
    if not ask.tools:
        return Reply((json.dumps(NEXT) if ask.wants_json else "title",))
    turn = scenario.turn(ask.step)
    try:
        calls = tuple(_fit(action, ask) for action in turn.actions)
    except LookupError as error:
        return Reply((str(error),))
    words = re.findall(r"\S+\s*", turn.text) if in_words else [turn.text]
    return Reply(tuple(word for word in words if word), calls)


def count_steps(results: Iterable[int]) -> int:
    """Add the tool results of the user's messages up; a message without any (0) begins anew."""
    step = 0
    for count in results:
        step = step + count if count else 0
    return step


def _fit(action: Shell | Write | Call, ask: Ask) -> Call:
    match action:
        case Shell(command=command):
            return _fit_shell(command.replace("{step}", str(ask.step)), ask.tools)
        case Write():
            return _fit_write(action, ask)
        case Call():
            return action


def _fit_shell(command: str, tools: Sequence[Tool]) -> Call:
    tool = _pick(SHELLS, tools)
    if tool is None:
        raise LookupError("no shell tool among " + ", ".join(tool.name for tool in tools)[:300])
    properties = tool.schema.get("properties") or {}
    name = "cmd" if "cmd" in properties else "command"
    takes_argv = (properties.get(name) or {}).get("type") == "array"
    arguments: dict[str, Any] = {name: ["bash", "-lc", command] if takes_argv else command}
    if "description" in properties:
        arguments["description"] = "create the file"
    return Call(tool.name, _complete(arguments, tool), tool.free)


def _fit_write(write: Write, ask: Ask) -> Call:
    tool = _pick(WRITERS, ask.tools)
    if tool is None:
        return _fit_shell(f"printf '%s' '{write.content.strip()}' > {write.path}", ask.tools)
    if tool.name == "apply_patch":
        patch = f"*** Begin Patch\n*** Add File: {write.path}\n+{write.content.strip()}\n*** End Patch\n"
        return Call(tool.name, patch if tool.free else {"input": patch}, tool.free)
    arguments: dict[str, Any] = {}
    for name in tool.schema.get("properties") or {}:
        if name in _PATHS:
            arguments[name] = _absolute(write.path, ask.text)
        elif name in _CONTENTS:
            arguments[name] = write.content
    return Call(tool.name, _complete(arguments, tool))


def _complete(arguments: dict[str, Any], tool: Tool) -> dict[str, Any]:
    """Add what the schema asks for and no scenario knows."""
    properties = tool.schema.get("properties") or {}
    for name in tool.schema.get("required") or ():
        kind = str((properties.get(name) or {}).get("type"))
        arguments.setdefault(name, _EMPTY.get(kind, ""))
    return arguments


def _pick(wanted: Sequence[str], tools: Sequence[Tool]) -> Tool | None:
    """Choose the best-liked tool by name, or one that ends alike (`mcp__acp__Bash`)."""
    named = {tool.name: tool for tool in tools}
    for name in wanted:
        if name in named:
            return named[name]
    ends = tuple(name.lower() for name in wanted)
    return next((tool for tool in tools if tool.name.lower().endswith(ends)), None)


def _absolute(path: str, said: str) -> str:
    """Make a path absolute if the prompt tells where the agent works: some tools take no other."""
    for pattern in _FOLDERS:
        if not path.startswith("/") and (found := re.search(pattern, said)):
            return found[1].rstrip(".").rstrip("/") + "/" + path
    return path


def as_json(arguments: Mapping[str, Any] | str) -> str:
    """Return arguments as the wires with arguments in text have them."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def as_object(arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """Return arguments as the wires with arguments in objects have them."""
    return {"input": arguments} if isinstance(arguments, str) else arguments
