"""The part of the GitHub port that is about links between issues, over a repository in memory."""

from collections.abc import Sequence

from app.domain.facts import LinkedIssue, SubIssue
from app.domain.names import Repository
from tests.simulation.code import Code
from tests.simulation.issues import BOT, REPOSITORY
from tests.simulation.rows import IssueRow


class MemoryLinks:
    """Implement it for one repository."""

    def __init__(self, place: Code) -> None:
        self._place = place

    async def sub_issues(self, repository: Repository, number: int, *, bodies: bool = False) -> Sequence[SubIssue]:
        return [self._sub_issue(child, bodies=bodies) for child in self._place.the_issue(number).children]

    async def blocked_by(self, repository: Repository, number: int) -> Sequence[LinkedIssue]:
        return [self._linked(blocker) for blocker in self._place.the_issue(number).blocked_by]

    async def blocking(self, repository: Repository, number: int) -> Sequence[LinkedIssue]:
        self._place.the_issue(number)
        return [_linked(row) for row in self._place.blocked_of(number)]

    async def create_sub_issue(self, repository: Repository, parent: int, title: str, body: str) -> LinkedIssue:
        return _linked(self._place.create_sub_issue(parent, title, body, BOT))

    async def add_blocked_by(self, repository: Repository, number: int, blocker_id: int) -> None:
        self._place.add_blocked_by(number, self._place.issue_of(blocker_id).number, BOT)

    def _linked(self, number: int) -> LinkedIssue:
        return _linked(self._place.the_issue(number))

    def _sub_issue(self, number: int, *, bodies: bool) -> SubIssue:
        row = self._place.the_issue(number)
        return SubIssue(
            **dict(_linked(row)),
            blocked_by=tuple(self._linked(blocker) for blocker in row.blocked_by),
            author_id=row.author.id,
            body=row.body if bodies else "",
        )


def _linked(row: IssueRow) -> LinkedIssue:
    return LinkedIssue(
        id=row.id,
        number=row.number,
        repository=REPOSITORY,
        title=row.title,
        is_open=row.is_open,
        state_reason=row.state_reason,
    )
