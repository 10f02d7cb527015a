"""Front matter: what the first lines of an issue's text declare, between two lines `---`.

It is read as far as Orch needs it: `locks`, a list of paths, and `priority`. Other keys are other tools'.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile

from app.domain.base import Value
from app.domain.jobs import PRIORITIES, Priority
from app.domain.locks import take_paths, widen
from app.domain.text import one_line

MARK = re.compile(r"<!-- orch:ticket ([0-9a-f]{32}) -->")
"""What `orch enqueue` writes into the first line of an issue's text."""
MOST_REMARKS = 5
LONGEST_LINE = 4000
EXAMPLE = "`locks: [src/parser.py, docs/]`"
_FENCE = re.compile(r"---[ \t]*")
_KEY = re.compile(r"(locks|priority)[ \t]*:(.*)")
_ITEM = re.compile(r"[ \t]*-(?:[ \t]+(.*))?")
_COMMENT = re.compile(r"(?:^|(?<!\s)\s+)#[^'\"\]]*$")
_IN_BRACKETS = re.compile(r"\s*('(?:[^']|'')*'|\"[^\"\\]*\"|[^\s'\",\[\]{}][^,\[\]{}]*)\s*(?:,|$)")
_PLAIN = re.compile(r"[\w.*][\w./*@+-]*")


class FrontMatter(Value):
    """What is declared; `remarks` say what does not count, and why."""

    locks: tuple[str, ...] = ()
    priority: Priority | None = None
    remarks: tuple[str, ...] = ()


class _Wrong(Exception):
    """Something in a line does not count."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.remark = f"Line {line} of the issue's text: {text}"


Line = tuple[int, str]
"""A line without what is behind it, and its number in the whole text."""


def read_front_matter(text: str) -> FrontMatter:
    """Read the front matter of a text, which may stand behind blank lines and the mark of a ticket.

    What is wrong in Orch's own keys does not count, and is remarked on with its line.
    """
    lines = [(number, line.rstrip()) for number, line in enumerate(text.split("\n"), 1)]
    body = [line for at, line in enumerate(lines) if line[1] and not (at == 0 and MARK.fullmatch(line[1]))]
    if not body or not _FENCE.fullmatch(body[0][1]):
        return FrontMatter()
    inside = lines[body[0][0] :]
    block = list(takewhile(lambda line: not _FENCE.fullmatch(line[1]), inside))
    if len(block) == len(inside):
        return _unclosed(body[0][0], block)
    return _read(block)


def write_front_matter(locks: Sequence[str]) -> str:
    """Write front matter that declares locks; a reader of the page sees them as a list."""
    return "\n".join(["---", "locks:", *(f"  - {_quoted(path)}" for path in locks), "", "---"])


def _quoted(path: str) -> str:
    return path if _PLAIN.fullmatch(path) else "'" + path.replace("'", "''") + "'"


def _unclosed(number: int, lines: Sequence[Line]) -> FrontMatter:
    """Remark on front matter without an end; a text may as well begin with a line that is drawn across the page."""
    is_meant = any(_KEY.fullmatch(line) for _, line in takewhile(lambda line: line[1], lines))
    remark = f"Line {number} of the issue's text begins front matter that no line `---` ends, so it does not count."
    return FrontMatter(remarks=(remark,) if is_meant else ())


def _read(block: Sequence[Line]) -> FrontMatter:
    taken: dict[str, object] = {}
    remarks: list[str] = []
    for at, (number, line) in enumerate(block):
        found = _KEY.fullmatch(line)
        if found and found[1] in taken:
            remarks.append(_Wrong(number, f"`{found[1]}` is there already, so this one does not count.").remark)
        elif found:
            taken[found[1]] = _take(found[1], (number, found[2]), block[at + 1 :], remarks)
    shown = (*remarks[:MOST_REMARKS], *_more(len(remarks) - MOST_REMARKS))
    return FrontMatter.model_validate({**{key: each for key, each in taken.items() if each}, "remarks": shown})


def _take(key: str, said: Line, rest: Sequence[Line], remarks: list[str]) -> object:
    """Return what a key says; None, and a remark more, if that is wrong."""
    try:
        return _TAKERS[key]((said[0], _value(*said)), rest, remarks)
    except _Wrong as wrong:
        remarks.append(wrong.remark)
        return None


def _more(count: int) -> tuple[str, ...]:
    return (f"There are {count} more mistakes in the front matter of the issue's text.",) if count > 0 else ()


def _value(number: int, text: str) -> str:
    if len(text) > LONGEST_LINE:
        raise _Wrong(number, f"it has more than {LONGEST_LINE} characters, so it does not count.")
    return _COMMENT.sub("", text.strip()).strip()


def _locks(value: Line, rest: Sequence[Line], remarks: list[str]) -> tuple[str, ...]:
    number, text = value
    items = _in_brackets(number, text) if text else list(_below(rest))
    if not items and not text:
        raise _Wrong(number, f"`locks` names no path: write a list, as in {EXAMPLE}.")
    paths: list[str] = []
    for at, item in items:
        try:
            paths += take_paths([item])
        except ValueError as error:
            remarks.append(_Wrong(at, f"{one_line(str(error), 300)}; that path is not locked.").remark)
    return widen((), paths)


def _in_brackets(number: int, text: str) -> list[Line]:
    inside, items, at = text[1:-1].strip(), list[Line](), 0
    wrong = _Wrong(number, f"`locks` must be a list, as in {EXAMPLE}, so it does not count.")
    if not (text.startswith("[") and text.endswith("]")):
        raise wrong
    while at < len(inside):
        found = _IN_BRACKETS.match(inside, at)
        if found is None:
            raise wrong
        items.append((number, _unquoted(found[1])))
        at = found.end()
    return items


def _below(rest: Sequence[Line]) -> Iterator[Line]:
    """Yield the items of a list with a line each, until another key begins."""
    for number, line in rest:
        found = _ITEM.fullmatch(line)
        if found:
            yield number, _unquoted(_value(number, found[1] or ""))
        elif line and not line.lstrip().startswith("#"):
            return


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]
    return text


def _priority(value: Line, rest: Sequence[Line], remarks: list[str]) -> str:
    number, text = value
    priority = _unquoted(text).lower()
    if priority not in PRIORITIES:
        raise _Wrong(number, "`priority` must be high, normal or low, so it does not count.")
    return priority


_TAKERS: Mapping[str, Callable[[Line, Sequence[Line], list[str]], object]] = {"locks": _locks, "priority": _priority}
