"""What a ticket becomes: the text and labels of its issue, and the hidden mark by which the issue is found again."""

import json
from collections.abc import Sequence
from hashlib import sha256

from app.domain.front_matter import MARK, write_front_matter
from app.domain.locks import take_paths
from app.domain.tickets import Ticket


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


def issue_text(ticket: Ticket, mark: str) -> str:
    """Write the issue's text. Locks stand first: a body may end inside a code block."""
    head = [f"<!-- orch:ticket {mark} -->"]
    if ticket.locks:
        head.append(write_front_matter(take_paths(ticket.locks)))
    return "\n\n".join(["\n".join(head), ticket.body]).rstrip() + "\n"
