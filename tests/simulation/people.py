"""What people do on GitHub, and what they see there; Orch hears of it when it is let to work."""

from dataclasses import dataclass
from datetime import datetime
from random import Random

from tests.simulation.clock import SimulatedClock
from tests.simulation.code import Code
from tests.simulation.issues import REPOSITORY
from tests.simulation.rows import CommentRow, IssueRow

PAUSE = 1.0
"""Seconds between two things that people do."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happened: a run or an issue began or ended, a pull request was opened or merged."""

    at: datetime
    what: str
    number: int


class People:
    """One repository and those who use it; each is named by a login, and may do what `place.people` says."""

    def __init__(self, clock: SimulatedClock, chance: Random) -> None:
        self.clock = clock
        self.log: list[Line] = []
        self.place = Code(clock, chance, self._say)

    async def open_issue(self, title: str, body: str = "", labels: tuple[str, ...] = (), by: str = "writer") -> int:
        """Open an issue, and put labels on it one by one, as GitHub tells of them; return its number."""
        self.clock.advance(PAUSE)
        number = self.place.open_issue(title, body, self.place.people[by]).number
        for label in labels:
            self.place.add_label(number, label, self.place.people[by])
        return number

    async def label(self, number: int, label: str, by: str = "writer") -> None:
        self.clock.advance(PAUSE)
        self.place.add_label(number, label, self.place.people[by])

    async def unlabel(self, number: int, label: str, by: str = "writer") -> None:
        self.clock.advance(PAUSE)
        self.place.remove_label(number, label, self.place.people[by])

    async def comment(self, number: int, text: str, by: str = "writer") -> int:
        self.clock.advance(PAUSE)
        return self.place.write_comment(number, text, self.place.people[by]).id

    async def edit(self, number: int, body: str, by: str = "writer") -> None:
        self.clock.advance(PAUSE)
        self.place.edit_issue(number, self.place.people[by], body=body)

    async def close(self, number: int, reason: str = "completed", by: str = "writer") -> None:
        self.clock.advance(PAUSE)
        self.place.close_issue(number, self.place.people[by], reason)

    async def reopen(self, number: int, by: str = "writer") -> None:
        self.clock.advance(PAUSE)
        self.place.reopen_issue(number, self.place.people[by])

    async def merge(self, pull: int, by: str = "writer") -> None:
        self.clock.advance(PAUSE)
        self.place.merge(pull, self.place.people[by])

    async def add_sub_issue(self, parent: int, child: int, by: str = "writer") -> None:
        self.clock.advance(PAUSE)
        self.place.add_sub_issue(parent, child, self.place.people[by])

    async def remove_sub_issue(self, parent: int, child: int, by: str = "writer") -> None:
        self.clock.advance(PAUSE)
        self.place.remove_sub_issue(parent, child, self.place.people[by])

    async def add_blocked_by(self, number: int, blocker: int, by: str = "writer") -> None:
        self.clock.advance(PAUSE)
        self.place.add_blocked_by(number, blocker, self.place.people[by])

    async def remove_blocked_by(self, number: int, blocker: int, by: str = "writer") -> None:
        self.clock.advance(PAUSE)
        self.place.remove_blocked_by(number, blocker, self.place.people[by])

    async def push_to_base(self, *files: str, by: str = "writer") -> None:
        """Push a commit that changes those files to the default branch."""
        self.clock.advance(PAUSE)
        person, branch = self.place.people[by], REPOSITORY.default_branch
        self.place.set_branch(branch, self.place.new_commit(self.place.head(branch), person), person, files=files)

    def drop(self, fraction: float) -> None:
        """Lose that share of all webhooks from now on, for good."""
        self.place.lost = fraction

    def double(self, fraction: float) -> None:
        """Send that share of all webhooks twice from now on."""
        self.place.doubled = fraction

    def issue(self, number: int) -> IssueRow:
        return self.place.the_issue(number)

    def pulls_of(self, number: int) -> list[int]:
        """List the pull requests from branches of a task, the oldest first."""
        return [row.number for row in self.place.pulls.values() if row.branch.startswith(f"orch/{number}-")]

    def comments_of_orch(self, number: int) -> list[CommentRow]:
        return [row for row in self.place.comments_on(number) if row.author.is_bot]

    def happened(self, what: str) -> list[int]:
        """List the numbers of issues or pull requests that something happened to, in order."""
        return [line.number for line in self.log if line.what == what]

    def _say(self, what: str, number: int) -> None:
        self.log.append(Line(self.clock.now(), what, number))
