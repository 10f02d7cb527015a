"""Sub-issues and dependencies as GitHub keeps them; each link is told of at both of its ends."""

from app.domain.errors import Missing, Permanent
from tests.simulation import payloads
from tests.simulation.issues import REPOSITORY, Issues
from tests.simulation.payloads import Json
from tests.simulation.rows import IssueRow, Person

MOST_CHILDREN = 100
MOST_LEVELS = 8
MOST_BLOCKERS = 50


class Links(Issues):
    """Issues with their links. Circles of dependencies are taken, as GitHub promises nowhere to refuse them."""

    def issue_of(self, issue_id: int) -> IssueRow:
        for row in self.issues.values():
            if row.id == issue_id:
                return row
        raise Missing(f"there is no issue with the id {issue_id}")

    def blocked_of(self, number: int) -> list[IssueRow]:
        """List the issues that one blocks."""
        return [row for row in self.issues.values() if number in row.blocked_by]

    def add_sub_issue(self, parent: int, child: int, by: Person) -> None:
        above, below = self.the_issue(parent), self.the_issue(child)
        if below.parent is not None or parent == child:
            raise Permanent("Issue may not contain duplicate sub-issues and Sub issue may only have one parent")
        self._require_room(above, below)
        below.parent = parent
        above.children.append(child)
        self._tell_parent("added", above, below, by)

    def _require_room(self, above: IssueRow, below: IssueRow) -> None:
        ancestors = self._ancestors(above)
        if below.number in ancestors:
            raise Permanent("Sub issue cannot be an ancestor of its parent")
        if len(above.children) >= MOST_CHILDREN:
            raise Permanent(f"Parent cannot have more than {MOST_CHILDREN} sub-issues")
        if len(ancestors) + self._height(below) > MOST_LEVELS:
            raise Permanent(f"Sub-issues cannot be nested more than {MOST_LEVELS} levels deep")

    def remove_sub_issue(self, parent: int, child: int, by: Person) -> None:
        above, below = self.the_issue(parent), self.the_issue(child)
        if below.parent == parent:
            below.parent = None
            above.children.remove(child)
            self._tell_parent("removed", above, below, by)

    def create_sub_issue(self, parent: int, title: str, body: str, by: Person) -> IssueRow:
        """Open an issue under another; where that is refused there is no issue either."""
        above = self.the_issue(parent)
        if len(above.children) >= MOST_CHILDREN:
            raise Permanent(f"Parent cannot have more than {MOST_CHILDREN} sub-issues")
        if len(self._ancestors(above)) >= MOST_LEVELS:
            raise Permanent(f"Sub-issues cannot be nested more than {MOST_LEVELS} levels deep")
        row = self.open_issue(title, body, by)
        self.add_sub_issue(parent, row.number, by)
        return row

    def add_blocked_by(self, number: int, blocker: int, by: Person) -> None:
        """Let an issue be blocked by another; a link that is there stays, and nothing is told."""
        blocked, blocking = self.the_issue(number), self.the_issue(blocker)
        if number == blocker:
            raise Permanent("An issue cannot block itself")
        if blocker in blocked.blocked_by:
            return
        if len(blocked.blocked_by) >= MOST_BLOCKERS or len(self.blocked_of(blocker)) >= MOST_BLOCKERS:
            raise Permanent(f"An issue cannot have more than {MOST_BLOCKERS} dependencies")
        blocked.blocked_by.append(blocker)
        self._tell_dependency("added", blocked, blocking, by)

    def remove_blocked_by(self, number: int, blocker: int, by: Person) -> None:
        blocked, blocking = self.the_issue(number), self.the_issue(blocker)
        if blocker in blocked.blocked_by:
            blocked.blocked_by.remove(blocker)
            self._tell_dependency("removed", blocked, blocking, by)

    def _tell_parent(self, how: str, above: IssueRow, below: IssueRow, by: Person) -> None:
        ends = self._ends("parent_issue", above) | self._ends("sub_issue", below)
        home = payloads.show_repository(REPOSITORY)
        self.send("sub_issues", f"parent_issue_{how}", by, **ends, parent_issue_repo=home)
        self.send("sub_issues", f"sub_issue_{how}", by, **ends, sub_issue_repo=home)

    def _tell_dependency(self, how: str, blocked: IssueRow, blocking: IssueRow, by: Person) -> None:
        ends = self._ends("blocked_issue", blocked) | self._ends("blocking_issue", blocking)
        home = payloads.show_repository(REPOSITORY)
        self.send("issue_dependencies", f"blocked_by_{how}", by, **ends, blocking_issue_repo=home)
        self.send("issue_dependencies", f"blocking_{how}", by, **ends, blocked_issue_repo=home)

    def _ends(self, name: str, row: IssueRow) -> Json:
        return {f"{name}_id": row.id, name: self.show(row)}

    def _ancestors(self, row: IssueRow) -> list[int]:
        """List the issue, its parent, and so on."""
        found = [row.number]
        while row.parent is not None:
            row = self.issues[row.parent]
            found.append(row.number)
        return found

    def _height(self, row: IssueRow) -> int:
        return 1 + max((self._height(self.issues[child]) for child in row.children), default=0)
