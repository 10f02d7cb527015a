"""Tickets: issues as a file describes them. Each mistake is told with file, line and field."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain

from app.domain.config_check import Tree
from app.domain.front_matter import FrontMatter, read_front_matter
from app.domain.labels import STATUS_PREFIX
from app.domain.locks import take_paths
from app.domain.text import one_line

PRIORITIES = ("high", "normal", "low")
LONGEST_TITLE = 256
LONGEST_BODY = 60_000
LONGEST_NAME = 50
MOST_BLOCKERS = 50
_ISSUE = re.compile(r"#?([1-9][0-9]{0,9})")


@dataclass(frozen=True, slots=True)
class Ticket:
    """An issue to be. `depends_on` holds numbers of issues, and keys or titles of tickets that come with it."""

    file: str
    lines: Mapping[str, int]
    title: str
    key: str = ""
    body: str = ""
    labels: tuple[str, ...] = ()
    priority: str | None = None
    locks: tuple[str, ...] = ()
    depends_on: tuple[int | str, ...] = ()

    def problem(self, field: str, text: str) -> str:
        """Say what is wrong with a field, and where."""
        return problem_at(self.file, self.lines.get(field), field, text)


class BadTickets(Exception):
    """What keeps tickets from being taken, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class _Wrong(Exception):
    """A value that its field cannot have."""


def problem_at(file: str, line: int | None, field: str, text: str) -> str:
    """Write a problem as compilers do: `file:line: field: text`."""
    place = f"{file}:{line}" if line else file
    return f"{place}: {field}: {text}" if field else f"{place}: {text}"


def take_ticket(file: str, tree: Tree) -> Ticket:
    """Take one document of a file as a ticket. Raises BadTickets with all that is wrong with it."""
    taken: dict[str, object] = {}
    wrong: dict[str, str] = {key: _unknown(key) for key in tree.values if key not in _FIELDS}
    if "title" not in tree.values:
        wrong["title"] = "is missing: say in one line what is to be done"
    for key, take in _FIELDS.items():
        try:
            if key in tree.values:
                taken[key] = take(tree.values[key])
        except _Wrong as error:
            wrong[key] = str(error)
    if taken.get("locks") and read_front_matter(str(taken.get("body", ""))) != FrontMatter():
        wrong["locks"] = "are told here, and `body` has front matter of its own: leave one of the two out"
    if wrong:
        first = min(tree.lines.values(), default=1)
        at = {key: tree.lines.get(key, first) for key in wrong}
        raise BadTickets([problem_at(file, at[key], key, wrong[key]) for key in sorted(wrong, key=at.__getitem__)])
    return Ticket(file, tree.lines, **taken)  # type: ignore[arg-type]  # each field has its own taker


def order_tickets(tickets: Sequence[Ticket]) -> list[Ticket]:
    """Put each ticket after those it depends on. Raises BadTickets for names that are unknown, double or in a ring."""
    names = names_of(tickets)
    problems = [*_double_keys(tickets), *chain.from_iterable(_bad_names(each, names) for each in tickets)]
    if problems:
        raise BadTickets(problems)
    ordered: list[Ticket] = []
    waiting = list(tickets)
    while waiting:
        ready = next((one for one in waiting if all(each in ordered for each in before(one, names))), None)
        if ready is None:
            ring = ", ".join(f"`{one_line(each.title, 60)}`" for each in waiting)
            raise BadTickets(
                [waiting[0].problem("depends_on", f"these wait for each other: {ring}; take one name out")]
            )
        ordered.append(ready)
        waiting.remove(ready)
    return ordered


Names = Mapping[str, Sequence[Ticket]]


def names_of(tickets: Sequence[Ticket]) -> Names:
    """Map keys and titles to the tickets that have them."""
    names: dict[str, list[Ticket]] = {}
    for ticket in tickets:
        for name in {ticket.key, ticket.title} - {""}:
            names.setdefault(name, []).append(ticket)
    return names


def before(ticket: Ticket, names: Names) -> list[Ticket]:
    """List the tickets that a ticket names as those it depends on."""
    return [names[name][0] for name in ticket.depends_on if isinstance(name, str)]


def _double_keys(tickets: Sequence[Ticket]) -> list[str]:
    keys = [ticket.key for ticket in tickets]
    doubles = [ticket for at, ticket in enumerate(tickets) if ticket.key and ticket.key in keys[:at]]
    return [
        each.problem("key", f"`{each.key}` is another ticket's key already: choose another one") for each in doubles
    ]


def _bad_names(ticket: Ticket, names: Names) -> list[str]:
    named = [name for name in ticket.depends_on if isinstance(name, str)]
    return [ticket.problem("depends_on", text) for name in named if (text := _bad_name(name, names))]


def _bad_name(name: str, names: Names) -> str | None:
    match len(names.get(name, ())):
        case 0:
            hint = _suggest(name, list(names)) or "name a key or title of a ticket of this batch, or an issue as '#3'"
            return f"there is no ticket `{one_line(name, 60)}` here; {hint}"
        case 1:
            return None
        case count:
            return f"{count} tickets are called `{one_line(name, 60)}`: give the one you mean a `key` and name that"


def _unknown(key: str) -> str:
    return f"is not a field of a ticket; {_suggest(key.lower(), list(_FIELDS)) or 'fields: ' + ', '.join(_FIELDS)}"


def _suggest(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, 1)
    return f"did you mean `{one_line(close[0], 60)}`?" if close else ""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"must be text, and is {_kind(value)}: put it in quotes")
    return value


def _kind(value: object) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return f"the truth value {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case list():
            return "a list"
        case _:
            return "keys and values"


def _title(value: object) -> str:
    title = _text(value).strip()
    if not title or "\n" in title or len(title) > LONGEST_TITLE:
        raise _Wrong(f"must be one line of at most {LONGEST_TITLE} characters")
    return title


def _body(value: object) -> str:
    body = _text(value)
    if len(body) > LONGEST_BODY:
        raise _Wrong(f"has {len(body)} characters, and may have {LONGEST_BODY}")
    if remarks := read_front_matter(body).remarks:
        raise _Wrong(remarks[0])
    return body


def _key(value: object) -> str:
    key = _text(value).strip()
    if not key or len(key) > LONGEST_NAME or _ISSUE.fullmatch(key):
        raise _Wrong(f"must be a word of at most {LONGEST_NAME} characters that is no issue's number")
    return key


def _priority(value: object) -> str:
    if value not in PRIORITIES:
        said = one_line(value, 60) if isinstance(value, str) else _kind(value)
        raise _Wrong(
            f"must be high, normal or low, and is {said}; {_suggest(said.lower(), PRIORITIES) or 'choose one'}"
        )
    return str(value)


def _list(value: object, example: str) -> list[object]:
    if not isinstance(value, list):
        raise _Wrong(f"must be a list, such as {example}")
    return value


def _labels(value: object) -> tuple[str, ...]:
    labels = [_text(item).strip() for item in _list(value, "[orch, bug]")]
    for label in labels:
        if not label or len(label) > LONGEST_NAME or "," in label:
            raise _Wrong(f"each must be a name of at most {LONGEST_NAME} characters without a comma")
        if label.lower().startswith((STATUS_PREFIX, "priority:")):
            raise _Wrong(f"`{one_line(label, 60)}` is not for you to set here; leave it out, or use `priority`")
    return tuple(dict.fromkeys(labels))


def _locks(value: object) -> tuple[str, ...]:
    """Take paths as they are written, which is what marks are made of."""
    paths = [_text(item).strip() for item in _list(value, "[src/parser.py, docs/]")]
    try:
        take_paths(paths)
    except ValueError as error:
        raise _Wrong(str(error)) from error
    return tuple(dict.fromkeys(paths))


def _depends_on(value: object) -> tuple[int | str, ...]:
    names = tuple(dict.fromkeys(_dependency(item) for item in _list(value, "['#3', the title of another ticket]")))
    if len(names) > MOST_BLOCKERS:
        raise _Wrong(f"names {len(names)} issues, and GitHub lets {MOST_BLOCKERS} block another one")
    return names


def _dependency(item: object) -> int | str:
    if isinstance(item, int) and not isinstance(item, bool) and item > 0:
        return item
    name = _text(item).strip()
    number = _ISSUE.fullmatch(name)
    return int(number[1]) if number else name


_FIELDS: Mapping[str, Callable[[object], object]] = {
    "key": _key,
    "title": _title,
    "body": _body,
    "labels": _labels,
    "priority": _priority,
    "locks": _locks,
    "depends_on": _depends_on,
}
