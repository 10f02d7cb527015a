"""Which issues hang together: parents and sub-issues, blockers and what they block."""

from infra.hub.link_records import BlockedBy, Blocking, SubIssue
from infra.hub.records import Issue
from infra.hub.state import State
from infra.hub.wire import JSON


def parent_of(state: State, issue: Issue) -> Issue | None:
    link = state.get(SubIssue, issue.id)
    return None if link is None else state.load(Issue, link.parent_id)


def links_under(state: State, parent: Issue) -> list[SubIssue]:
    """List the links to an issue's sub-issues, in the order that people gave these."""
    return sorted(state.rows(SubIssue, parent.id), key=lambda link: link.position)


def sub_issues_of(state: State, parent: Issue) -> list[Issue]:
    return [state.load(Issue, link.id) for link in links_under(state, parent)]


def blockers_of(state: State, issue: Issue) -> list[Issue]:
    """List the issues that block this one, closed ones too."""
    return [state.load(Issue, link.blocker_id) for link in state.rows(BlockedBy, issue.id)]


def blocked_by(state: State, issue: Issue) -> list[Issue]:
    """List the issues that this one blocks, closed ones too."""
    return [state.load(Issue, link.blocked_id) for link in state.rows(Blocking, issue.id)]


def ancestors_of(state: State, issue: Issue) -> list[Issue]:
    """List the parent, its parent, and so on."""
    found: list[Issue] = []
    above = parent_of(state, issue)
    while above is not None:
        found.append(above)
        above = parent_of(state, above)
    return found


def height_of(state: State, issue: Issue) -> int:
    """Count the levels from an issue down to its deepest sub-issue; 1 where it has none."""
    return 1 + max((height_of(state, child) for child in sub_issues_of(state, issue)), default=0)


def sub_issues_summary(state: State, issue: Issue) -> JSON:
    children = sub_issues_of(state, issue)
    done = sum(child.state == "closed" for child in children)
    percent = 100 * done // len(children) if children else 0
    return {"total": len(children), "completed": done, "percent_completed": percent}


def dependencies_summary(state: State, issue: Issue) -> JSON:
    """Count the open issues at the other ends, and all of them."""
    before, after = blockers_of(state, issue), blocked_by(state, issue)
    return {
        "blocked_by": _open(before),
        "total_blocked_by": len(before),
        "blocking": _open(after),
        "total_blocking": len(after),
    }


def _open(issues: list[Issue]) -> int:
    return sum(issue.state == "open" for issue in issues)
