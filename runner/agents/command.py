"""The `command` agent: any program that does a task and says by its exit code whether it could."""

from collections.abc import Iterable, Mapping, Sequence
from string import Formatter

from runner.agents.base import (
    AgentCommand,
    AgentEvent,
    AsksNobody,
    Assignment,
    Ended,
    EndStatus,
    Text,
    Traits,
    Unknown,
    UsageReport,
    base_environment,
)
from runner.agents.telling import plain_line
from runner.supervision import Stream

PROMPT_FILE = "prompt.md"
PLACEHOLDERS = ("prompt", "prompt_file", "model", "workspace")
_Pieces = tuple[tuple[str, str | None], ...]


class CommandAgent(AsksNobody):
    """Run a program of any kind, and take its exit code for its last word.

    `argv` may hold {prompt}, {prompt_file}, {model} (empty if none is chosen) and {workspace}; {{ and }} stand for
    braces. The prompt goes to standard input if it is in none of them. Raises ValueError for any other placeholder.
    """

    def __init__(self, argv: Sequence[str], traits_name: str = "command") -> None:
        self._argv = tuple(_parsed(each) for each in argv)
        self._stderr = ""
        self.traits = Traits(
            name=traits_name,
            program=argv[0] if argv else None,
            lacks=("Its exit code alone says how it went.", "It tells neither tokens nor cost."),
        )

    def command(self, work: Assignment) -> AgentCommand:
        """Fill in the placeholders; raises ValueError if there is no argv."""
        if not self._argv:
            raise ValueError(f"the agent {self.traits.name} has no argv")
        prompt = work.prompt.text.encode("utf-8", "replace")
        values = {
            "prompt": prompt.decode().replace("\0", ""),
            "prompt_file": str(work.home / PROMPT_FILE),
            "model": work.model or "",
            "workspace": str(work.workspace),
        }
        named = {name for pieces in self._argv for _, name in pieces}
        return AgentCommand(
            argv=tuple(_filled(pieces, values) for pieces in self._argv),
            env=base_environment(work.home, work.tmp),
            stdin=None if named & {"prompt", "prompt_file"} else prompt,
            files={PROMPT_FILE: prompt} if "prompt_file" in named else {},
        )

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        if stream is Stream.STDOUT:
            return (Text(line.decode("utf-8", "replace")),)
        self._stderr = plain_line(line) or self._stderr
        return (Unknown("stderr"),)

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        yield UsageReport(None, None)
        if code == 0:
            yield Ended(EndStatus.COMPLETED, "completed")
        elif code is not None:
            yield Ended(EndStatus.FAILED, self._stderr or f"it ended with exit code {code}")


def _parsed(argument: str) -> _Pieces:
    """Cut an argument into literal text, each with the placeholder that follows it."""
    try:
        found = tuple(Formatter().parse(argument))
    except ValueError as error:
        raise ValueError(f"{argument!r}: {error}; write {{{{ and }}}} for braces") from None
    for _, name, form, conversion in found:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise ValueError(f"{{{name}}} in {argument!r} is no placeholder; there are {known}")
    return tuple((literal, name) for literal, name, _, _ in found)


def _filled(pieces: _Pieces, values: Mapping[str, str]) -> str:
    return "".join(literal + (values[name] if name is not None else "") for literal, name in pieces)
