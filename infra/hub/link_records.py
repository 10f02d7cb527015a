"""What the hub remembers of links between issues."""

from dataclasses import dataclass

from infra.hub.records import Row


@dataclass(frozen=True, slots=True)
class SubIssue(Row):
    """An issue's place under its parent. The id is the sub-issue's own, for it has one parent at most."""

    parent_id: int
    position: int
    created: float

    @property
    def parent(self) -> int:
        return self.parent_id


@dataclass(frozen=True, slots=True)
class BlockedBy(Row):
    """A dependency, found under the issue that is blocked."""

    issue_id: int
    blocker_id: int
    created: float

    @property
    def parent(self) -> int:
        return self.issue_id

    @property
    def key(self) -> str:
        return str(self.blocker_id)


@dataclass(frozen=True, slots=True)
class Blocking(Row):
    """The same dependency, of the same id, found under the issue that blocks."""

    issue_id: int
    blocked_id: int
    created: float

    @property
    def parent(self) -> int:
        return self.issue_id

    @property
    def key(self) -> str:
        return str(self.blocked_id)
