"""Taking out of Markdown what its rendered page does not show.

This knows enough of Markdown to leave alone what surely is code, and takes everything else for text in which HTML and
links count. NUL marks what is put aside meanwhile, so the text must hold none.
"""

import re
from dataclasses import dataclass, field

from app.domain.hidden_inline import CONTAINER, Inline, names_of_notes
from app.domain.markdown import FENCE, INDENTED, mask_code

_HTML = re.compile(rf"{CONTAINER}<[A-Za-z/!?]")
_COMMENT = re.compile(rf"({CONTAINER})<!--")
_UNENDING = re.compile(rf"{CONTAINER}<(?:(?:pre|script|style|textarea)(?![\w-])|\?|![A-Za-z\[])", re.IGNORECASE)
_INFO = re.compile(r"(\s*(?:`{3,}|~{3,})\s*(?:[\w+#.-]{1,20}(?!\S))?)(.*)")
_UNSURE = re.compile(r"`+|<|\\(?=`)")
_ASIDE = re.compile("\0([0-9]+)\0")


@dataclass(frozen=True, slots=True)
class Hidden:
    """Text without what was hidden in it, and whether that is worth a word."""

    text: str
    worth_a_word: bool


def take_out(text: str) -> Hidden:
    """Take out what a reader of the rendered page does not see."""
    reading = _Reading()
    for line in text.split("\n"):
        reading.take(line)
    return reading.end()


@dataclass(slots=True)
class _Reading:
    """Where in a text a reader is.

    `raw` says that the lines since the last blank one may be HTML, `html` that all lines from here on may. `sure` says
    that it can be told what is inline code here, `lost` that it cannot be told any more what is code. A `doubtful`
    fence may be none. `comment` lasts until `-->`, `gone` is all that follows.
    """

    pieces: list[tuple[bool, str]] = field(default_factory=list)
    inline: Inline = field(default_factory=Inline)
    chunk: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    fence: str = ""
    indent: int = 0
    doubtful: bool = False
    raw: bool = False
    html: bool = False
    lost: bool = False
    sure: bool = True
    comment: bool = False
    top: bool = False
    gone: bool = False

    def take(self, line: str) -> None:
        plain = line.expandtabs(INDENTED).rstrip()
        if self.gone:
            self.inline.note(line)
        elif self.fence:
            self._in_fence(line, plain)
        elif self.comment:
            self._in_comment(line)
        elif not plain:
            self._flush()
            self.pieces.append((False, ""))
        else:
            self._text(line, plain)

    def end(self) -> Hidden:
        self._flush()
        used = names_of_notes("\n".join(text for is_code, text in self.pieces if not is_code))
        shown = (text if is_code else self._shown(text, used) for is_code, text in self.pieces)
        return Hidden("\n".join(shown).strip("\n"), self.inline.worth)

    def _shown(self, text: str, used: set[str]) -> str:
        linked = self.inline.links(self.inline.without_footnotes(text, used))
        seen = _ASIDE.sub(lambda found: self.aside[int(found[1])], linked)
        return "\n".join(line.rstrip() for line in seen.split("\n"))

    def _flush(self) -> None:
        """End a paragraph."""
        if self.chunk:
            text, gone = self.inline.filter("\n".join(self.chunk), raw=self.raw)
            self.pieces.append((False, text))
            self.gone = self.gone or gone
        self.chunk, self.raw, self.sure = [], self.html, not self.lost

    def _text(self, line: str, plain: str) -> None:
        fence = None if self.lost else FENCE.match(plain)
        if fence and (self.raw or fence[1].strip()):
            self.lost, self.sure = True, False
        elif fence:
            self._open(line, fence)
            return
        seen = self._put_aside(line) if self.sure else line
        comment = _COMMENT.match(seen)
        if comment and not self.raw:
            self._begin_comment(seen, comment)
        else:
            self._plain(seen)

    def _plain(self, line: str) -> None:
        if _HTML.match(line):
            self.raw, self.sure = True, False
        if _UNENDING.match(line) and not re.search(r"</(?:pre|script|style|textarea)>|[?\]]>|<![A-Za-z][^>]*>", line):
            self.html = self.lost = True
        self.chunk.append(line)

    def _put_aside(self, line: str) -> str:
        """Put a mark where there is inline code, as long as nothing before it leaves that in doubt."""
        masked = mask_code(line)
        parts, at = [], 0
        for found in _UNSURE.finditer(masked):
            code = line[found.start() : found.end()]
            if code == found[0] or "|" in code:
                self.sure = False
                break
            parts.append(f"{line[at : found.start()]}\0{len(self.aside)}\0")
            self.aside.append(code)
            at = found.end()
        return "".join((*parts, line[at:]))

    def _open(self, line: str, fence: re.Match[str]) -> None:
        self._flush()
        self.fence, self.indent = fence[2] or fence[3], len(fence[1])
        self.doubtful = self.indent >= INDENTED
        if self.doubtful:
            self.sure = False
            self.chunk.append(line)
        elif info := _INFO.match(line):
            self.inline.note(info[2])
            self.pieces.append((True, info[1].rstrip()))

    def _in_fence(self, line: str, plain: str) -> None:
        """Take a line of code; one further left, or right, may be beyond the list item that the fence stands in."""
        text = plain.lstrip()
        indent = len(plain) - len(text)
        ends = len(text) >= len(self.fence) and set(text) == {self.fence[0]}
        furthest = self.indent if self.doubtful else INDENTED - 1
        closes = ends and self.indent <= indent <= furthest
        if text and not closes and (indent < self.indent or (ends and indent < self.indent + INDENTED)):
            self.fence, self.doubtful, self.lost, self.sure = "", False, True, False
            self._text(line, plain)
            return
        self._code(line)
        if closes:
            self.fence, self.doubtful = "", False

    def _code(self, line: str) -> None:
        if not self.doubtful:
            self.pieces.append((True, line))
        elif line.strip():
            self.sure = False
            self.chunk.append(line)
        else:
            self._flush()
            self.pieces.append((False, ""))

    def _begin_comment(self, line: str, comment: re.Match[str]) -> None:
        """Take a line that begins with a comment; what follows the comment's end on its line is HTML too."""
        self.top = len(comment[1]) < INDENTED and not comment[1].strip(" ")
        if self.top:
            self._flush()
        self.comment = "-->" not in line[comment.end() - 2 :]
        if self.comment:
            self.inline.note(line[comment.end() :])
            return
        self._plain(line)
        if self.top:
            self._flush()

    def _in_comment(self, line: str) -> None:
        hidden, end, rest = line.partition("-->")
        self.inline.note(hidden)
        if end:
            self.comment = False
            self.raw, self.sure = True, False
            self.chunk.append(rest)
            if self.top:
                self._flush()
