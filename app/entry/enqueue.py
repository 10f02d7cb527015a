"""From ticket files to issues: all of a batch is looked at before any of it is made, and nothing is made twice."""

import fcntl
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.config_yaml import parse_documents
from app.domain.config import Problem
from app.domain.errors import UserError
from app.domain.ticket_text import find_mark, issue_labels, issue_text, marks_of
from app.domain.tickets import BadTickets, Ticket, order_tickets, problem_at, take_ticket
from app.entry.local_person import Person, open_person
from app.entry.local_place import Place, Tell

EXAMPLE = "title: Mend the roof"


@dataclass(frozen=True, slots=True)
class Made:
    """The issue of a ticket; `is_new` is False if it was there already."""

    title: str
    number: int
    url: str
    is_new: bool

    @property
    def line(self) -> str:
        """Say what was made, and where it is."""
        return f"#{self.number} {self.title} {self.url}{'' if self.is_new else ' (was there already)'}"


def read_tickets(paths: Sequence[Path]) -> list[Ticket]:
    """Read the tickets of some files as one batch, in the order to make them. Raises BadTickets with all problems."""
    tickets: list[Ticket] = []
    problems: list[str] = []
    for path in paths:
        for found in _read(path):
            if isinstance(found, Ticket):
                tickets.append(found)
            else:
                problems += found.problems
    if problems:
        raise BadTickets(problems)
    return order_tickets(tickets)


def _read(path: Path) -> Iterator[Ticket | BadTickets]:
    try:
        trees = parse_documents(path.read_bytes(), EXAMPLE)
    except OSError as error:
        yield BadTickets([problem_at(str(path), None, "", f"cannot be read: {error.strerror}")])
        return
    if isinstance(trees, Problem):
        yield BadTickets([problem_at(str(path), trees.line, "", trees.text)])
        return
    if not trees:
        yield BadTickets([problem_at(str(path), None, "", f"holds no ticket; one is at least `{EXAMPLE}`")])
    for tree in trees:
        try:
            yield take_ticket(str(path), tree)
        except BadTickets as error:
            yield error


@contextmanager
def alone(place: Place) -> Iterator[None]:
    """Be the only one who makes issues of tickets here, for as long as the context lasts."""
    try:
        file = (place.state / "tickets.lock").open("ab")
    except OSError as error:
        raise UserError(f"{place.state} cannot be written: {error.strerror}") from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def enqueue_files(place: Place, paths: Sequence[Path], tell: Tell, complain: Tell, *, again: bool) -> None:
    """Make the issues of some files' tickets; with `again`, whether or not they have some. Raises UserError."""
    try:
        tickets = read_tickets(paths)
        async with open_person(place.about()) as person:
            with alone(place):
                async for made in make_issues(person, tickets, secrets.token_hex(8) if again else ""):
                    tell(made.line)
    except BadTickets as error:
        if len(error.problems) == 1:
            raise UserError(f"{error}; nothing was made") from None
        for problem in error.problems:
            complain(problem)
        raise UserError(f"{len(error.problems)} problems in these tickets; nothing was made") from None


async def make_issues(person: Person, tickets: Sequence[Ticket], salt: str = "") -> AsyncIterator[Made]:
    """Make an issue of each ticket that has none yet. Raises BadTickets if they name issues that are not there."""
    await _check_numbers(person, tickets)
    there = {mark: issue for issue in await person.every("/issues", state="all") if (mark := find_mark(issue["body"]))}
    numbers: dict[str, int] = {}
    for ticket, mark in zip(tickets, marks_of(tickets, salt), strict=True):
        issue = there.get(mark) or await person.write_issue(
            ticket.title, issue_text(ticket, mark, numbers), issue_labels(ticket)
        )
        numbers |= dict.fromkeys((ticket.key, ticket.title), issue["number"])
        yield Made(issue["title"], issue["number"], issue["html_url"], mark not in there)


async def _check_numbers(person: Person, tickets: Sequence[Ticket]) -> None:
    problems = []
    for ticket in tickets:
        for number in (each for each in ticket.depends_on if isinstance(each, int)):
            if await person.get(f"/issues/{number}") is None:
                problems.append(ticket.problem("depends_on", f"there is no issue #{number}"))
    if problems:
        raise BadTickets(problems)
