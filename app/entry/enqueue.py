"""From ticket files to issues: all of a batch is looked at before any of it is made, and nothing is made twice."""

import fcntl
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.config_yaml import parse_documents
from app.domain.config import Problem
from app.domain.errors import UserError
from app.domain.ticket_text import find_mark, issue_labels, issue_text, marks_of
from app.domain.tickets import BadTickets, Ticket, order_tickets, problem_at, take_ticket
from app.entry.local_person import Person, open_person
from app.entry.local_place import Place, Tell

EXAMPLE = "title: Mend the roof"
LINKED = "blocked_by_added"

Json = dict[str, Any]


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
    """Make an issue of each ticket that has none yet. Raises BadTickets if they name issues that are not there.

    What depends on others gets its labels only after its links, so that work on it does not begin too early. Whoever
    was stopped between the two finds the issue again and goes on.
    """
    named = await _named(person, tickets)
    there = {mark: issue for issue in await person.every("/issues", state="all") if (mark := find_mark(issue["body"]))}
    for ticket, mark in zip(tickets, marks_of(tickets, salt), strict=True):
        labels = [] if ticket.depends_on else issue_labels(ticket)
        issue = there.get(mark) or await person.write_issue(ticket.title, issue_text(ticket, mark), labels)
        if ticket.depends_on and issue["state"] == "open":
            await _link(person, issue, [named[name] for name in ticket.depends_on], issue_labels(ticket))
        named |= dict.fromkeys((ticket.key, ticket.title), issue)
        yield Made(issue["title"], issue["number"], issue["html_url"], mark not in there)


async def _link(person: Person, issue: Json, blockers: Sequence[Json], labels: Sequence[str]) -> None:
    """Link and label an issue; what was done once is not done again, for people may have undone it since."""
    path = f"/issues/{issue['number']}"
    events = await person.every(f"{path}/events")
    linked = {each["blocked_by"]["number"] for each in events if each["event"] == LINKED and each["blocked_by"]}
    given = {each["label"]["name"].casefold() for each in events if each["event"] == "labeled"}
    for blocker in blockers:
        if blocker["number"] not in linked:
            await person.call("POST", f"{path}/dependencies/blocked_by", {"issue_id": blocker["id"]})
    if wanted := [label for label in labels if label.casefold() not in given]:
        await person.call("POST", f"{path}/labels", {"labels": wanted})


async def _named(person: Person, tickets: Sequence[Ticket]) -> dict[int | str, Json]:
    """Return the issues that tickets name by their numbers."""
    found: dict[int | str, Json] = {}
    problems = []
    for ticket in tickets:
        for number in (each for each in ticket.depends_on if isinstance(each, int)):
            found[number] = found.get(number) or await person.get(f"/issues/{number}")
            if not found[number]:
                problems.append(ticket.problem("depends_on", f"there is no issue #{number}"))
            elif "pull_request" in found[number]:
                problems.append(ticket.problem("depends_on", f"#{number} is a pull request: name an issue"))
    if problems:
        raise BadTickets(problems)
    return found
