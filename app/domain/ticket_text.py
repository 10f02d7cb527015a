"""What a ticket becomes: the text and labels of its issue, and the hidden mark by which the issue is found again."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from app.domain.text import one_line
from app.domain.tickets import Ticket

MARK = re.compile(r"<!-- orch:ticket ([0-9a-f]{32}) -->")


def mark_of(ticket: Ticket, salt: str = "") -> str:
    """Return what tells a ticket from any other: its whole content, and `salt`."""
    content = [
        *(salt, ticket.key, ticket.title, ticket.body, ticket.priority),
        *(list(ticket.labels), list(ticket.locks), list(ticket.depends_on)),
    ]
    return sha256(json.dumps(content).encode()).hexdigest()[:32]


def marks_of(tickets: Sequence[Ticket], salt: str = "") -> list[str]:
    """Return a mark for each; tickets that say the same are told apart by their order."""
    marks: list[str] = []
    for ticket in tickets:
        plain, count = mark_of(ticket, salt), 1
        while (mark := plain if count == 1 else mark_of(ticket, f"{salt}/{count}")) in marks:
            count += 1
        marks.append(mark)
    return marks


def find_mark(body: str | None) -> str | None:
    """Return the mark in an issue's text, which is its first line."""
    found = MARK.match(body or "")
    return found[1] if found else None


def issue_labels(ticket: Ticket) -> list[str]:
    """List the labels of the issue."""
    return [*ticket.labels, *([f"priority:{ticket.priority}"] if ticket.priority else [])]


def issue_text(ticket: Ticket, mark: str, numbers: Mapping[str, int]) -> str:
    """Write the issue's text; `numbers` has the issues of the tickets that this one names.

    What is recorded stands first: a body may end inside a code block.
    """
    recorded = " ".join(_recorded(ticket, numbers))
    head = [f"<!-- orch:ticket {mark} -->"]
    if recorded:
        head.append(f"> {recorded} These are recorded only: this version of Orch does not act on them.")
    return "\n\n".join([*head, ticket.body]).rstrip() + "\n"


def _recorded(ticket: Ticket, numbers: Mapping[str, int]) -> Iterator[str]:
    if ticket.priority:
        yield f"Priority: {ticket.priority}."
    if ticket.locks:
        yield f"Locks: {', '.join(f'`{one_line(path)}`' for path in ticket.locks)}."
    if ticket.depends_on:
        issues = [name if isinstance(name, int) else numbers[name] for name in ticket.depends_on]
        yield f"Depends on: {', '.join(f'#{number}' for number in issues)}."
