"""Taking out of a paragraph, or a piece of HTML, what its rendered page does not show."""

import html
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from app.domain.invisible import INVISIBLE
from app.domain.markdown import INDENTED

CONTAINER = r"[ \t]*(?:(?:>|(?:[-+*]|[0-9]{1,9}[.)])(?=[ \t]))[ \t]*)*"
"""What may stand before the text of a line in quotations and lists."""
FEW_WORDS = 5
LONGEST_LABEL = 999
LONGEST_ADDRESS = 500
_SHOWN_AS = """
a abbr b blockquote br center code dd del details div dl dt em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p
picture pre q s samp small source span strong sub summary sup table tbody td tfoot th thead tr tt u ul var video
"""
_TAGS = frozenset(_SHOWN_AS.split())
_GO_ON = r"\n[ \t>]*+"
"""A line's end inside of a tag, with what marks the next line as a quotation."""
_TAG = (
    rf"<(/?)([A-Za-z][A-Za-z0-9-]*+)((?:(?:[ \t/]|{_GO_ON})(?:{_GO_ON}|[^<>\"'\n]|\"[^\"]*\"|'[^']*')*+)?)>"
    rf"|<[!?](?:{_GO_ON}|[^>\n])*+>"
)
_ODD = re.compile(rf"{_TAG}|<[A-Za-z/](?:{_GO_ON}|[^<>\n])*+>")
_RAW = re.compile(rf"{_TAG}|<[A-Za-z/](?:{_GO_ON}|[^>\n])*+>")
_SHORT = re.compile(r"<[A-Za-z/!?][^<>]*+>")
_OPEN = re.compile(r"<[A-Za-z/!?]")
_END = re.compile(rf"{_GO_ON}|>")
_TAME = re.compile(r"<[A-Za-z/][^\"']*")
_PLAIN = re.compile(
    r"</?[a-z][a-z0-9]*>|<(?:https?://|mailto:)[^\s<>]+>|<[\w.+-]+@[\w.-]+>|<(?:a href|img src)=[^\s<>]+>"
)
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+))?")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_MARKUP = frozenset("<>&`~\\|[]()!\x00")
_QUOTED = r"(?:\"(?:\\.|[^\"\\])*+\"|'(?:\\.|[^'\\])*+'|\((?:\\.|[^()\\])*+\))"
_DEFINITION = re.compile(
    rf"^{CONTAINER}\[(?!\^)((?:\\.|[^\[\]\\])++)\]:[ \t]*\n?[ \t>]*(<[^<>\n]*>|[^\s<]\S*)"
    rf"(?:[ \t]*\n?[ \t>]*(?<=[\s>])({_QUOTED}))?[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_TARGET = re.compile(rf"\(\s*((?:\\.|[^\s\\]){{0,{LONGEST_ADDRESS}}})\s+{_QUOTED}\s*\)", re.DOTALL)
_BRACKET = re.compile(r"\\.|!?\[|\]", re.DOTALL)
_REFERENCE = re.compile(r"\[((?:\\.|[^\[\]\\])*+)\]", re.DOTALL)
_FOOTNOTE = re.compile(rf"^{CONTAINER}\[\^([^\]\s]{{1,100}})\]:(?:.*(?:\n(?!{CONTAINER}\[\^).*)*)", re.MULTILINE)
_NOTED = re.compile(r"\[\^([^\]\s]{1,100})\](?!:)")


def label_of(text: str) -> str:
    return " ".join(text.casefold().split()) if len(text) <= LONGEST_LABEL else ""


@dataclass(slots=True)
class Inline:
    """Filters one paragraph after the other; `worth` says that something was hidden that is worth a word."""

    definitions: dict[str, str] = field(default_factory=dict)
    worth: bool = False

    def note(self, hidden: str, few: int = 0) -> None:
        """Take note of hidden text."""
        self.worth = self.worth or (len(hidden.split()) > few and any(char.isalpha() for char in hidden))

    def filter(self, text: str, *, raw: bool, html: bool) -> tuple[str, bool]:
        """Return a paragraph without what is hidden in it; say whether it hides all that follows, as HTML can.

        `raw` is for what may be HTML, `html` for what goes on as such after it.
        """
        text, unclosed = self._without_comments("".join(self._without_definitions(_decode(text), raw)))
        gone = raw and unclosed is not None
        if gone:
            self.note(text[unclosed:])
            text = text[:unclosed]
        end = max((found.end() for found in _END.finditer(text) if found[0] == ">"), default=0)
        closed, rest = text[:end], text[end:]
        closed = (_RAW if raw else _ODD).sub(self._tag, closed)
        if raw and (tag := _OPEN.search(rest)):
            gone = gone or html or not _TAME.fullmatch(rest, tag.start())
            rest = rest[: tag.start()]
        text = _SHORT.sub(self._odd, closed + rest)
        return text, gone

    def _without_comments(self, text: str) -> tuple[str, int | None]:
        """Return the text, and where in it a comment begins that does not end."""
        parts: list[str] = []
        at, close = 0, 0
        while (start := text.find("<!--", at)) >= 0:
            close = text.find("-->", start + 2)
            if close < 0:
                return "".join((*parts, text[at:])), sum(map(len, parts)) + start - at
            parts += [text[at:start], " " if text[max(start - 1, 0) : start].strip() else ""]
            self.note(text[start + 4 : close])
            at = close + 3
        return "".join((*parts, text[at:])), None

    def _tag(self, found: re.Match[str]) -> str:
        """Keep a tag that GitHub knows, without attributes but where a link or a picture points to."""
        if not found[2]:
            return self._odd(found)
        closing, name = found[1], found[2].lower()
        kept = ""
        for attribute in _ATTRIBUTE.finditer(found[3]):
            value = (attribute[2] or "").strip("\"'")
            if (name, attribute[1].lower()) in (("a", "href"), ("img", "src")) and not kept and value:
                kept = "" if re.search(r"\s", value) else f" {attribute[1].lower()}={attribute[2]}"
            else:
                self.note(f"{value}", FEW_WORDS)
        return f"<{closing}{name}{kept if not closing else ''}>" if name in _TAGS else " "

    def _odd(self, found: re.Match[str]) -> str:
        return found[0] if _PLAIN.fullmatch(found[0]) else " "

    def _without_definitions(self, text: str, raw: bool) -> Iterator[str]:
        at = 0
        for found in _DEFINITION.finditer(text):
            if not raw and found[0].lstrip().startswith("[") and _goes_on(text, found.start(), at):
                continue
            yield text[at : found.start()]
            at = found.end()
            self.note(found[3] or "")
            self.note(found[1], FEW_WORDS)
            if len(found[2]) <= LONGEST_ADDRESS:
                self.definitions.setdefault(label_of(found[1]), found[2].strip("<>"))
        yield text[at:]

    def without_footnotes(self, text: str, used: Collection[str]) -> str:
        """Take out footnotes that nothing refers to."""

        def keep(found: re.Match[str]) -> str:
            if found[1] in used:
                return found[0]
            self.note(found[0])
            return ""

        return _FOOTNOTE.sub(keep, text)

    def links(self, text: str) -> str:
        """Write addresses where links and pictures stand, without titles and alternative texts."""
        return "".join(self._links(text, self.definitions))

    def _links(self, text: str, known: Mapping[str, str]) -> Iterator[str]:
        closing = _pairs(text)
        opening = {close: start for start, close in closing.items()}
        at = 0
        for found in _BRACKET.finditer(text):
            start, end = found.span()
            if start < at:
                continue
            if found[0] == "![" and (close := self._end_of_alt(text, closing, end)) > 0:
                alt = text[end:close]
                if text[close + 1 : close + 2] in ("(", "[") or label_of(alt) in known:
                    yield text[at:end]
                    self.note(alt, FEW_WORDS)
                    address, past = self._target(text, close, alt, known)
                    yield f"]{address}"
                    at = past
            elif found[0] == "]":
                inner = text[opening[start] + 1 : start] if start in opening else ""
                address, past = self._target(text, start, inner, known)
                yield f"{text[at:end]}{address}"
                at = past
        yield text[at:]

    def _end_of_alt(self, text: str, closing: Mapping[int, int], start: int) -> int:
        """Return where an alternative text ends, if need be the furthest that it can."""
        return closing.get(start - 1) or text.find("](", start)

    def _target(self, text: str, close: int, inner: str, known: Mapping[str, str]) -> tuple[str, int]:
        """Return what to write after a bracket, and where what stood there ends."""
        after = close + 1
        if target := _TARGET.match(text, after):
            if target[1].count(")") > target[1].count("("):
                return "", after
            self.note(target[0][len(target[1]) + 1 :])
            return f"({target[1]})", target.end()
        if (named := _REFERENCE.match(text, after)) and (address := known.get(label_of(named[1] or inner))):
            return f"({address})", named.end()
        if text[after : after + 1] != "(" and (address := known.get(label_of(inner))):
            return f"({address})", after
        return "", after


def names_of_notes(text: str) -> set[str]:
    """List the footnotes that a text refers to."""
    return set(_NOTED.findall(text))


def _goes_on(text: str, start: int, after: int) -> bool:
    """Say whether a line surely goes on with a paragraph, so that it defines nothing."""
    if start <= after:
        return False
    before = text[text.rfind("\n", 0, start - 1) + 1 : start - 1].expandtabs(INDENTED)
    return before.lstrip()[:1].isalpha() and not before.startswith(" " * INDENTED) and start - 1 > after


def _pairs(text: str) -> dict[int, int]:
    """Pair the brackets of a text."""
    pairs: dict[int, int] = {}
    waiting: list[int] = []
    for found in _BRACKET.finditer(text):
        if found[0] == "]":
            if waiting:
                pairs[waiting.pop()] = found.start()
        elif found[0][-1] == "[" and found[0][0] != "\\":
            waiting.append(found.end() - 1)
    return pairs


def _decode(text: str) -> str:
    """Write entities as what they stand for, but such as would count as markup."""
    return _ENTITY.sub(_decoded, text)


def _decoded(found: re.Match[str]) -> str:
    meant = html.unescape(found[0])
    if meant == found[0] or not _MARKUP.isdisjoint(meant):
        return found[0]
    return INVISIBLE.sub("", re.sub(r"\s", " ", meant))
