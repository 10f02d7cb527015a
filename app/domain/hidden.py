"""Taking out of Markdown what its rendered page does not show.

This knows enough of Markdown to leave alone what surely is code, and takes everything else for text in which HTML and
links count. NUL marks what is put aside meanwhile, so the text must hold none.
"""

import re
from dataclasses import dataclass, field

from app.domain.hidden_inline import CONTAINER, Inline, names_of_notes
from app.domain.markdown import FENCE, INDENTED, mask_code

_HTML = re.compile(rf"{CONTAINER}<(?:/?[A-Za-z][A-Za-z0-9-]*+(?=[\s/>]|$)|[!?])")
_COMMENT = re.compile(rf"({CONTAINER})<!--")
_BLOCK = re.compile(rf"{CONTAINER}<(pre|script|style|textarea|\?|!\[|![A-Za-z])", re.IGNORECASE)
_ENDS = {"?": "?>", "![": "]]>"}
_INFO = re.compile(rf"({CONTAINER}(?:`{{3,}}(?=[^`]*$)|~{{3,}})[ \t]*(?:[\w+#.-]{{1,20}}(?!\S))?)(.*)")
_UNSURE = re.compile(r"`+|<(?=[A-Za-z/!?])|\\(?=`)")
_ITEM = re.compile(r"( {0,3}(?:[-+*]|[0-9]{1,9}[.)]) {1,4})(?![0-9]{1,9}[.)] )(?=[A-Za-z0-9_`\[(\"']|\*\*)")
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
    fence may be none. `item` is how far what belongs to a list item stands in, where that is known. `comment` lasts
    until `-->` and began at `place`, `gone` is all that follows.
    """

    pieces: list[tuple[bool, str]] = field(default_factory=list)
    inline: Inline = field(default_factory=Inline)
    chunk: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    fence: str = ""
    indent: int = 0
    item: int = 0
    doubtful: bool = False
    raw: bool = False
    html: bool = False
    lost: bool = False
    sure: bool = True
    comment: bool = False
    place: str = ""
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
            text, gone = self.inline.filter("\n".join(self.chunk), raw=self.raw, html=self.html)
            self.pieces.append((False, text))
            self.gone = self.gone or gone
        self.chunk, self.raw, self.sure = [], self.html, not self.lost

    def _text(self, line: str, plain: str) -> None:
        self._find_item(plain)
        fence = None if self.lost else FENCE.match(plain)
        if fence and (self.raw or fence[1].strip()):
            self.lost, self.sure = True, False
        line = self._without_info(line)
        if fence and not self.lost:
            self._open(line, fence)
            return
        seen = self._put_aside(line) if self.sure else line
        comment = _COMMENT.match(seen)
        if comment and not self.raw:
            self._begin_comment(seen, comment)
            return
        if comment and comment[1].strip() and "-->" not in seen:
            self.gone = True  # whatever it stands in may end before it
        self._plain(seen)

    def _find_item(self, plain: str) -> None:
        """Take note of a list item that begins with this line, or ends before it."""
        item = None if self.raw or self.lost else _ITEM.match(plain)
        if item and (self.item or not self.chunk):
            self.item = len(item[1])
        elif len(plain) - len(plain.lstrip()) < self.item:
            self.item = 0

    def _plain(self, line: str) -> None:
        if _HTML.match(line):
            self.raw, self.sure = True, False
        if (block := _BLOCK.match(line)) and not _ends(block, line):
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
        self.fence, self.indent = fence[2] or fence[3], len(fence[1])
        self.doubtful = self.indent >= self.item + INDENTED
        if self.doubtful:
            self.sure = False
            self.chunk.append(line)
        else:
            self._flush()
            self.pieces.append((True, line))

    def _without_info(self, line: str) -> str:
        """Take out what a fence's first line says besides a language."""
        if (info := _INFO.match(line)) is None:
            return line
        self.inline.note(info[2])
        self.gone = self.gone or (self.raw and "<" in info[2])  # HTML that begins in what may be no fence
        return info[1].rstrip()

    def _in_fence(self, line: str, plain: str) -> None:
        """Take a line of code; one further left, or right, may be beyond the list item that the fence stands in."""
        text = plain.lstrip()
        indent = len(plain) - len(text)
        ends = len(text) >= len(self.fence) and set(text) == {self.fence[0]}
        furthest = self.indent if self.doubtful else self.item + INDENTED - 1
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
        self.place = comment[1].expandtabs(INDENTED)
        if self._is_plain_place():
            self._flush()
        self.comment = "-->" not in line[comment.end() - 2 :]
        if self.comment:
            self.inline.note(line[comment.end() :])
            return
        self._plain(line)
        if self._is_plain_place():
            self._flush()

    def _is_plain_place(self) -> bool:
        return len(self.place) < INDENTED and not self.place.strip()

    def _in_comment(self, line: str) -> None:
        hidden, end, rest = line.partition("-->")
        self.inline.note(hidden)
        self.item = 0
        if not self._is_inside(line.expandtabs(INDENTED)):
            self.gone = (
                True  # what it stood in is over, and what looks like its end from here on is escaped by Markdown
            )
        elif end:
            self.comment = False
            self.raw, self.sure = True, False
            self.chunk.append(rest)
            if self._is_plain_place():
                self._flush()

    def _is_inside(self, line: str) -> bool:
        """Say whether a line of a comment stands in the same quotation or list item as its beginning."""
        quotes = self.place.count(">")
        if quotes:
            inside = line[: len(line) - len(line.lstrip(" >"))]
            return not self.place.strip(" >") and inside.count(">") == quotes
        return not line.strip() or len(line) - len(line.lstrip()) >= len(self.place)


def _ends(block: re.Match[str], line: str) -> bool:
    """Say whether HTML that else goes on past blank lines ends in its first one."""
    kind = block[1].lower()
    end = _ENDS.get(kind, ">" if kind[0] == "!" else f"</{kind}>")
    return end in line[block.end() :].lower()
