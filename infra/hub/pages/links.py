"""What an issue's page shows of the issues that hang together with it."""

from dataclasses import dataclass

from infra.hub.links import blocked_by, blockers_of, parent_of, sub_issues_of
from infra.hub.records import Issue, Repository
from infra.hub.state import State


@dataclass(frozen=True, slots=True)
class Group:
    """Issues of one kind of link, each with its repository; `closed` of them are closed."""

    title: str
    issues: list[tuple[Issue, Repository]]

    @property
    def closed(self) -> int:
        return sum(issue.state == "closed" for issue, _ in self.issues)


def links_to_show(state: State, issue: Issue) -> list[Group]:
    """Group the issues at the other ends of an issue's links; kinds without any are left out."""
    above = parent_of(state, issue)
    groups = (
        ("Parent issue", [above] if above else []),
        ("Sub-issues", sub_issues_of(state, issue)),
        ("Blocked by", blockers_of(state, issue)),
        ("Blocking", blocked_by(state, issue)),
    )
    return [Group(title, [(one, _home(state, one)) for one in found]) for title, found in groups if found]


def _home(state: State, issue: Issue) -> Repository:
    return state.load(Repository, issue.repository_id)
