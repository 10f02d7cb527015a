"""Commands that people write in comments: `/word rest`, at the beginning of a line that Markdown shows as plain text.

Where Markdown leaves it to a parser's whole knowledge whether a line is shown so, nothing that follows is a command.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_COMMAND = re.compile(r" {0,3}/([a-z]+)(?:[ ]+(.*))?$", re.IGNORECASE)
_FENCE = re.compile(r"((?:[ ]*(?:[-+*]|[0-9]{1,9}[.)])(?= ))*[ ]*)(?:(`{3,})[^`]*|(~{3,}).*)$")
_INDENTED = 4


class Word(StrEnum):
    """The commands that there are."""

    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and what follows it on its line."""

    word: Word
    rest: str = ""


def commands_in(body: str) -> tuple[Command, ...]:
    """List the commands of a comment in their order; what only looks like one is none."""
    reading, found = _Reading(), []
    for line in body.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        plain = line.expandtabs(_INDENTED).rstrip()
        if reading.shows(plain) and (command := _command(plain)):
            found.append(command)
    return tuple(found)


def _command(line: str) -> Command | None:
    match = _COMMAND.match(line)
    word = match[1].lower() if match else ""
    rest = (match[2] or "").strip() if match else ""
    if word == Word.DENY or (word == Word.APPROVE and not rest):
        return Command(Word(word), rest)
    return None


@dataclass(slots=True)
class _Reading:
    """Where in a comment a reader is; `lost` is from where on it cannot be told what is code and what is not."""

    fence: str = ""
    indent: int = 0
    comment: bool = False
    quoted: bool = False
    lost: bool = False

    def shows(self, line: str) -> bool:
        """Take the next line, and say whether it is plain text."""
        if self.lost:
            return False
        if self.fence:
            self._in_fence(line)
            return False
        if self.comment:
            self._end_comment(line)
            return False
        return self._plain(line)

    def _plain(self, line: str) -> bool:
        if line.rfind("<!--") > line.rfind("-->"):
            self.comment = line.startswith("<!--") and line.count("<!--") == 1
            self.lost = not self.comment
            return False
        if fence := _FENCE.match(line):
            self.fence, self.indent = fence[2] or fence[3], len(fence[1])
            return False
        self.quoted = bool(line) and (self.quoted or line.lstrip().startswith(">"))
        return not self.quoted

    def _in_fence(self, line: str) -> None:
        """Look for the fence's end; a line further left, or right, may be beyond the list item that it stands in."""
        text = line.lstrip()
        indent = len(line) - len(text)
        ends = len(text) >= len(self.fence) and set(text) == {self.fence[0]}
        if ends and self.indent <= indent <= max(self.indent, _INDENTED - 1):
            self.fence = ""
        elif text and (indent < self.indent or (ends and indent < self.indent + _INDENTED)):
            self.lost = True

    def _end_comment(self, line: str) -> None:
        self.comment = "-->" not in line
        self.lost = line.rfind("<!--") > line.rfind("-->") > -1
