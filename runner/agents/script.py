"""The `script` agent: no model, it runs the shell blocks that the issue itself holds, and those that it is told.

It executes whatever the issue says, so it is there for demonstrations and tests and works only where settings name it.
"""

import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from runner.agents import script_driver
from runner.agents.base import (
    AgentCommand,
    AgentEvent,
    AsksNobody,
    Assignment,
    Ended,
    EndStatus,
    Prompt,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Traits,
    UsageReport,
    base_environment,
)
from runner.supervision import Stream

NOTHING_TO_RUN = script_driver.NOTHING_TO_RUN
_DRIVER = str(Path(script_driver.__file__).resolve())
_ECHO = 500
"""Characters of a question that are repeated."""
_SHELLS = {"bash", "sh"}
_FENCE = re.compile(r"^ {0,3}(?P<fence>`{3,}(?=[^`]*$)|~{3,})[ \t]*(?P<language>[^ \t`]*)")
# HTML that swallows fences up to its own end (CommonMark 0.31, section 4.6, kinds 1 to 5): people do not see a comment.
_HTML = (
    (
        re.compile(r"^ {0,3}<(?:pre|script|style|textarea)(?:[ \t>]|$)", re.IGNORECASE),
        "</(?:pre|script|style|textarea)>",
    ),
    (re.compile(r"^ {0,3}<!--"), "-->"),
    (re.compile(r"^ {0,3}<\?"), r"\?>"),
    (re.compile(r"^ {0,3}<!\[CDATA\["), r"\]\]>"),
    (re.compile(r"^ {0,3}<![A-Za-z]"), ">"),
)


class ScriptAgent(AsksNobody):
    """Run the ```bash and ```sh blocks of the admitted text in order and stop at the first failure.

    Each block is its own `bash -e` in the workspace: variables and `cd` do not carry over to the next. Blocks of what
    it is told and of review threads come after them; what it is told without a block is a question, and repeated.
    Of a conflict it keeps both sides.

    Asked for a plan, it answers with the last ```plan block of what it is told, or else of the issue, and runs no other
    block; asked for a verdict, with the last ```verdict block. A block that begins with `#!` is run by bash instead,
    and what it prints is the answer.
    """

    traits = Traits(
        name="script",
        program=None,
        lacks=("It has no model: it runs the shell blocks of the issue.",),
    )

    def command(self, work: Assignment) -> AgentCommand:
        return AgentCommand(
            argv=(sys.executable, "-I", "-S", _DRIVER, str(work.tmp)),
            env=base_environment(work.home, work.tmp),
            stdin=json.dumps(list(_tasks(work.prompt))).encode(),
        )

    def parse(self, line: bytes, stream: Stream) -> Iterable[AgentEvent]:
        if stream is Stream.STDOUT:
            try:
                return tuple(self._events(json.loads(line)))
            except (ValueError, KeyError, TypeError):  # cut off at a limit, or not from the driver
                pass
        return (Text(line.decode("utf-8", "replace")),)

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        return ()

    def _events(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        match said["type"]:
            case "started":
                yield Started(None, None)
                yield UsageReport(0, 0, 0, Decimal(0))  # known from the start, as it has no model
            case "block":
                yield ToolCall("bash", {"command": said["script"]})
            case "output":
                yield Text(said["text"])
            case "result":
                yield ToolResult(said["exit"] == 0, f"block {said['block']} ended with exit code {said['exit']}")
            case "ended":
                completed = said["reason"] == script_driver.COMPLETED
                yield Ended(EndStatus.COMPLETED if completed else EndStatus.FAILED, said["reason"])
            case other:
                raise ValueError(other)


def _tasks(prompt: Prompt) -> Iterator[tuple[str, str, list[str]]]:
    """Yield what the driver is to do, in order."""
    if prompt.wanted:
        answers = [block for text in (prompt.body, *prompt.told) for block in fenced_blocks(text, {prompt.wanted})]
        yield from (("answer", answer, [answer] if answer.startswith("#!") else []) for answer in answers[-1:])
        return
    if blocks := script_blocks(prompt.body):
        yield "issue", "", blocks
    for path in prompt.conflicts:
        yield "conflict", path, []
    for said in prompt.told:
        yield "told", said[:_ECHO], script_blocks(said)
    for index, said in enumerate(prompt.threads, 1):
        yield "thread", f"T{index}", script_blocks(said)


def script_blocks(markdown: str) -> list[str]:
    """Return the shell scripts in the fenced code blocks of `markdown`, in order, without blank ones."""
    return fenced_blocks(markdown, _SHELLS)


def fenced_blocks(markdown: str, languages: Collection[str]) -> list[str]:
    """Return the fenced code blocks in one of the languages, in order, without blank ones.

    Follows CommonMark 0.31, section 4.5, at the top level of the text: nothing inside quotes, comments or raw HTML.
    """
    lines = iter(re.split(r"\r\n|\n|\r", markdown))
    blocks = []
    for line in lines:
        if opening := _FENCE.match(line):
            script = _read_block(line, opening["fence"], lines)
            if opening["language"].lower() in languages and script.strip():
                blocks.append(script)
        else:
            _skip_html(line, lines)
    return blocks


def _read_block(opening: str, fence: str, lines: Iterator[str]) -> str:
    indent = re.compile(f"^ {{0,{len(opening) - len(opening.lstrip(' '))}}}")
    closing = re.compile(rf"^ {{0,3}}{re.escape(fence)}{re.escape(fence[0])}*[ \t]*$")
    script = ""
    for line in lines:
        if closing.match(line):
            break
        script += indent.sub("", line) + "\n"
    return script


def _skip_html(line: str, lines: Iterator[str]) -> None:
    for opening, closing in _HTML:
        if opening.match(line):
            end = re.compile(closing, re.IGNORECASE)
            if not end.search(line):
                next((rest for rest in lines if end.search(rest)), None)
            return
