"""Which lines of a comment Markdown shows as plain text.

Where it takes a parser's whole knowledge to tell whether a line is shown so, no line that follows counts as shown.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

FENCE = re.compile(r"((?:[ ]*(?:[-+*]|[0-9]{1,9}[.)])(?= ))*[ ]*)(?:(`{3,})[^`]*|(~{3,}).*)$")
INDENTED = 4
_TICKS = re.compile("`+")
_COMMENT = re.compile(r"<!--.*?-->")
_BLOCK = re.compile(r"<(/?)(?:pre|blockquote|code|script|style|textarea)(?![\w-])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was written, and as it is read: without tabs and blanks at its end."""

    number: int
    written: str
    plain: str
    shown: bool


def lines_of(body: str) -> Iterator[Line]:
    """List the lines of a comment, and say of each whether it is shown as plain text; numbers begin with 1."""
    reading, lines = _Reading(), split_lines(body)
    plains = [written.expandtabs(INDENTED).rstrip() for written in lines]
    coded = _begun_in_code(plains)
    for number, (written, plain) in enumerate(zip(lines, plains, strict=True), 1):
        yield Line(number, written, plain, reading.shows(plain) and number not in coded)


def split_lines(body: str) -> list[str]:
    """Split text where Markdown does: nothing but CR and LF ends a line."""
    return body.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _begun_in_code(lines: Sequence[str]) -> frozenset[int]:
    """Number the lines that inline code goes on in which an earlier line of the same paragraph opened."""
    found: list[int] = []
    number = 1
    for is_text, group in groupby(lines, lambda line: bool(line) and FENCE.match(line) is None):
        paragraph = list(group)
        if is_text:
            masked = mask_code("\n".join(paragraph))
            ends = accumulate(len(line) + 1 for line in paragraph[:-1])
            found += [number + index for index, end in enumerate(ends, 1) if masked[end - 1] != "\n"]
        number += len(paragraph)
    return frozenset(found)


def mask(line: str) -> str:
    """Return a shown line in the same length, with nothing but backticks for inline code and HTML comments."""
    return _COMMENT.sub(lambda found: "`" * len(found[0]), mask_code(line))


def mask_code(line: str) -> str:
    """Return a line in the same length, with nothing but backticks for inline code."""
    runs = list(_TICKS.finditer(line))
    closer: dict[int, int] = {}
    ends: list[int | None] = []
    for run in reversed(runs):
        ends.append(closer.get(len(run[0])))
        closer[len(run[0])] = run.end()
    parts, at = [], 0
    for run, end in zip(runs, reversed(ends), strict=True):
        if end is not None and run.start() >= at:
            parts += [line[at : run.start()], "`" * (end - run.start())]
            at = end
    return "".join((*parts, line[at:]))


@dataclass(slots=True)
class _Reading:
    """Where in a comment a reader is; `lost` is from where on it cannot be told what is code and what is not."""

    fence: str = ""
    indent: int = 0
    comment: bool = False
    quoted: bool = False
    lost: bool = False
    depth: int = 0

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
        if fence := FENCE.match(line):
            self.fence, self.indent = fence[2] or fence[3], len(fence[1])
            return False
        self.quoted = bool(line) and (self.quoted or line.lstrip().startswith(">"))
        return not self._in_block(line) and not self.quoted

    def _in_block(self, line: str) -> bool:
        """Say whether HTML shows any of the line as code or quotation."""
        inside = self.depth > 0
        for tag in _BLOCK.finditer(mask(line)):
            self.depth = max(self.depth + (-1 if tag[1] else 1), 0)
            inside = True
        return inside

    def _in_fence(self, line: str) -> None:
        """Look for the fence's end; a line further left, or right, may be beyond the list item that it stands in."""
        text = line.lstrip()
        indent = len(line) - len(text)
        ends = len(text) >= len(self.fence) and set(text) == {self.fence[0]}
        if ends and self.indent <= indent <= max(self.indent, INDENTED - 1):
            self.fence = ""
        elif text and (indent < self.indent or (ends and indent < self.indent + INDENTED)):
            self.lost = True

    def _end_comment(self, line: str) -> None:
        self.comment = "-->" not in line
        self.lost = line.rfind("<!--") > line.rfind("-->") > -1
