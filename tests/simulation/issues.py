"""Issues, labels and comments as GitHub keeps them, and the webhooks of what is done to them."""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any

from app.domain.errors import Missing
from app.domain.facts import Permission
from app.domain.names import Repository
from tests.simulation import payloads
from tests.simulation.clock import SimulatedClock
from tests.simulation.payloads import Json
from tests.simulation.rows import CommentRow, Hook, IssueRow, LabelRow, Person, PullRow

REPOSITORY = Repository(id=7, installation_id=3, owner="acme", name="widgets")
ECHOES = {("issues", "labeled"), ("issues", "unlabeled"), ("issue_comment", "created"), ("issue_comment", "edited")}
BOT = Person(99, "orch[bot]", Permission.WRITE, is_bot=True)
WRITER = Person(11, "writer", Permission.WRITE)
OUTSIDER = Person(12, "outsider", Permission.READ)


class Issues:
    """One repository's issues. `lines` says what happened and when; `wire` holds the webhooks that are on their way.

    `lost` and `doubled` are the shares of webhooks that are never sent, and sent twice. Without `echoes` Orch hears
    nothing of its own labels and comments, which mean nothing to it and cost time.
    """

    def __init__(self, clock: SimulatedClock, chance: Random, say: Callable[[str, int], None]) -> None:
        self.clock, self.chance, self.say = clock, chance, say
        self.people = {person.login: person for person in (BOT, WRITER, OUTSIDER)}
        self.issues: dict[int, IssueRow] = {}
        self.pulls: dict[int, PullRow] = {}
        self.written: dict[int, CommentRow] = {}
        self._written_on: dict[int, list[CommentRow]] = defaultdict(list)
        self.wire: list[Hook] = []
        self.lost = self.doubled = 0.0
        self.echoes = True
        self._last_id = 1000

    def now(self) -> datetime:
        """Return the time as GitHub counts it, in whole seconds."""
        return self.clock.now().replace(microsecond=0)

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def new_number(self) -> int:
        return len(self.issues) + len(self.pulls) + 1

    def the_issue(self, number: int) -> IssueRow:
        if number not in self.issues:
            raise Missing(f"{REPOSITORY.full_name}#{number} is not there")
        return self.issues[number]

    def send(self, event: str, action: str | None, by: Person, **about: Any) -> None:
        """Put a webhook on the wire."""
        if not self.echoes and by is BOT and (event, action) in ECHOES:
            return
        payload = {
            **({"action": action} if action else {}),
            **about,
            "repository": payloads.show_repository(REPOSITORY),
            "installation": {"id": REPOSITORY.installation_id},
            "sender": payloads.show_person(by),
        }
        hook = Hook(f"delivery-{self.new_id()}", event, json.dumps(payload).encode())
        luck = self.chance.random()
        copies = 0 if luck < self.lost else 2 if luck > 1 - self.doubled else 1
        self.wire.extend([hook] * copies)

    def show(self, row: IssueRow) -> Json:
        """Show an issue as it is now."""
        children = [self.issues[one] for one in row.children]
        blockers = [self.issues[one] for one in row.blocked_by]
        blocked = [one for one in self.issues.values() if row.number in one.blocked_by]
        summaries = payloads.summarise(children, blockers, blocked)
        return payloads.show_issue(REPOSITORY, row, summaries, len(self.comments_on(row.number)))

    def comments_on(self, number: int) -> list[CommentRow]:
        return self._written_on[number]

    def open_issue(self, title: str, body: str, by: Person) -> IssueRow:
        now = self.now()
        row = IssueRow(self.new_id(), self.new_number(), by, title, body, created=now, updated=now)
        self.issues[row.number] = row
        self.say("issue created", row.number)
        self.send("issues", "opened", by, issue=self.show(row))
        return row

    def edit_issue(self, number: int, by: Person, title: str | None = None, body: str | None = None) -> None:
        row = self.the_issue(number)
        row.title, row.body = title or row.title, row.body if body is None else body
        row.changed = row.updated = self.now()
        self.send("issues", "edited", by, issue=self.show(row), changes={})

    def add_label(self, number: int, label: str, by: Person) -> None:
        """Put a label on an issue or pull request; one that is on stays."""
        row = self.pulls[number] if number in self.pulls else self.the_issue(number)
        if label.casefold() not in map(str.casefold, row.labels):
            row.labels.append(label)
            self._tell_label(row, label, by, on=True)

    def remove_label(self, number: int, label: str, by: Person) -> None:
        row = self.pulls[number] if number in self.pulls else self.the_issue(number)
        left = [one for one in row.labels if one.casefold() != label.casefold()]
        if left != row.labels:
            row.labels = left
            self._tell_label(row, label, by, on=False)

    def _tell_label(self, row: IssueRow | PullRow, label: str, by: Person, *, on: bool) -> None:
        action = "labeled" if on else "unlabeled"
        if isinstance(row, PullRow):
            shown = payloads.show_pull(REPOSITORY, row)
            self.send("pull_request", action, by, number=row.number, pull_request=shown, label={"name": label})
            return
        row.given.append(LabelRow(label, on, by, self.now()))
        self.send("issues", action, by, issue=self.show(row), label={"name": label})

    def write_comment(self, number: int, body: str, by: Person) -> CommentRow:
        now = self.now()
        row = CommentRow(self.new_id(), number, by, body, created=now, edited=now)
        if number not in self.pulls:
            self.the_issue(number).updated = now
        self.written[row.id] = row
        self._written_on[number].append(row)
        self.send("issue_comment", "created", by, issue=self._under(row), comment=payloads.show_comment(row))
        return row

    def edit_comment(self, comment: int, body: str, by: Person) -> None:
        if comment not in self.written:
            raise Missing(f"comment {comment} is not there")
        row = self.written[comment]
        before, row.body, row.edited = row.body, body, self.now()
        changes = {"body": {"from": before}}
        shown = payloads.show_comment(row)
        self.send("issue_comment", "edited", by, issue=self._under(row), comment=shown, changes=changes)

    def _under(self, row: CommentRow) -> Json:
        if row.number in self.pulls:
            count = len(self.comments_on(row.number))
            return payloads.show_pull_as_issue(REPOSITORY, self.pulls[row.number], count)
        return self.show(self.the_issue(row.number))

    def close_issue(self, number: int, by: Person, reason: str = "completed") -> None:
        """Close an issue; one that is closed stays as it is, and nothing is told."""
        row = self.the_issue(number)
        if row.is_open:
            row.is_open, row.state_reason, row.updated = False, reason, self.now()
            self.say("issue closed", number)
            self.send("issues", "closed", by, issue=self.show(row))

    def reopen_issue(self, number: int, by: Person) -> None:
        row = self.the_issue(number)
        if not row.is_open:
            row.is_open, row.state_reason, row.updated = True, "reopened", self.now()
            self.say("issue reopened", number)
            self.send("issues", "reopened", by, issue=self.show(row))
