"""Making and undoing links between issues, each told to both ends; all inside a transaction of the caller."""

from dataclasses import replace

from infra.hub.act import Act
from infra.hub.link_records import BlockedBy, Blocking, SubIssue
from infra.hub.link_rules import check_blocker, check_sub_issue
from infra.hub.links import links_under, parent_of
from infra.hub.records import Issue, Repository
from infra.hub.shapes.issues import show_issue
from infra.hub.shapes.repositories import show_repository
from infra.hub.wire import JSON


def add_sub_issue(act: Act, parent: Issue, child: Issue, *, replace_parent: bool = False) -> None:
    """Put an issue under a parent, as the last of its sub-issues. Raises ApiError 422 where GitHub refuses that."""
    state = act.world.state
    check_sub_issue(state, parent, child, replace_parent=replace_parent)
    former = parent_of(state, child)
    if former is not None:
        remove_sub_issue(act, former, child)
    below = links_under(state, parent)
    position = below[-1].position + 1 if below else 0
    state.put(SubIssue(child.id, parent.id, position, act.world.now()))
    _tell_family(act, parent, child, "added")


def remove_sub_issue(act: Act, parent: Issue, child: Issue) -> None:
    """Take an issue from under its parent, which must be this one."""
    act.world.state.delete(act.world.state.load(SubIssue, child.id))
    _tell_family(act, parent, child, "removed")


def move_sub_issue(act: Act, parent: Issue, child: Issue, place: int) -> None:
    """Move a sub-issue to a place among the others, counted without it."""
    order = [link for link in links_under(act.world.state, parent) if link.id != child.id]
    order.insert(place, act.world.state.load(SubIssue, child.id))
    for position, link in enumerate(order):
        act.world.state.put(replace(link, position=position))


def add_blocker(act: Act, issue: Issue, blocker: Issue) -> None:
    """Note that an issue is blocked by another. Raises ApiError 422 where GitHub refuses that."""
    state, now = act.world.state, act.world.now()
    check_blocker(state, issue, blocker)
    link = state.put(BlockedBy(state.new_id(), issue.id, blocker.id, now))
    state.put(Blocking(link.id, blocker.id, issue.id, now))
    _tell_dependency(act, issue, blocker, "added")


def remove_blocker(act: Act, issue: Issue, blocker: Issue) -> None:
    """Undo a dependency; where there is none, nothing happens."""
    link = act.world.state.find(BlockedBy, str(blocker.id), issue.id)
    if link is None:
        return
    act.world.state.delete(link)
    act.world.state.delete(act.world.state.load(Blocking, link.id))
    _tell_dependency(act, issue, blocker, "removed")


def drop_links(act: Act, issue: Issue) -> None:
    """Forget the links of an issue that leaves, without a word to the other ends."""
    state = act.world.state
    own = state.get(SubIssue, issue.id)
    for link in [*([own] if own else []), *state.rows(SubIssue, issue.id)]:
        state.delete(link)
    for one in [*state.rows(BlockedBy, issue.id), *state.rows(Blocking, issue.id)]:
        state.delete(state.load(BlockedBy, one.id))
        state.delete(state.load(Blocking, one.id))


def carry_links(act: Act, issue: Issue, arrived: Issue) -> None:
    """Give the links of an issue to what became of it elsewhere."""
    state = act.world.state
    own = state.get(SubIssue, issue.id)
    if own is not None:
        state.delete(own)
        state.put(replace(own, id=arrived.id))
    for child in state.rows(SubIssue, issue.id):
        state.put(replace(child, parent_id=arrived.id))
    for before in state.rows(BlockedBy, issue.id):
        state.put(replace(before, issue_id=arrived.id))
        state.put(replace(state.load(Blocking, before.id), blocked_id=arrived.id))
    for after in state.rows(Blocking, issue.id):
        state.put(replace(after, issue_id=arrived.id))
        state.put(replace(state.load(BlockedBy, after.id), blocker_id=arrived.id))


def _tell_family(act: Act, parent: Issue, child: Issue, what: str) -> None:
    about = _end(act, "parent_issue", parent) | _end(act, "sub_issue", child)
    above, below = _home(act, parent), _home(act, child)
    _note(above, parent, f"sub_issue_{what}", child)
    _note(below, child, f"parent_issue_{what}", parent)
    sub_issue_repo = show_repository(act.world, below.repository)
    parent_issue_repo = show_repository(act.world, above.repository)
    above.send("sub_issues", {"action": f"sub_issue_{what}", **about, "sub_issue_repo": sub_issue_repo})
    below.send("sub_issues", {"action": f"parent_issue_{what}", **about, "parent_issue_repo": parent_issue_repo})


def _tell_dependency(act: Act, issue: Issue, blocker: Issue, what: str) -> None:
    about = _end(act, "blocked_issue", issue) | _end(act, "blocking_issue", blocker)
    after, before = _home(act, issue), _home(act, blocker)
    _note(after, issue, f"blocked_by_{what}", blocker)
    _note(before, blocker, f"blocking_{what}", issue)
    blocking_repo = show_repository(act.world, before.repository)
    blocked_repo = show_repository(act.world, after.repository)
    after.send("issue_dependencies", {"action": f"blocked_by_{what}", **about, "blocking_issue_repo": blocking_repo})
    before.send("issue_dependencies", {"action": f"blocking_{what}", **about, "blocked_issue_repo": blocked_repo})


def _home(act: Act, issue: Issue) -> Act:
    """Give the same person acting in the repository of an issue, which may be another."""
    return replace(act, repository=act.world.state.load(Repository, issue.repository_id))


def _end(act: Act, name: str, issue: Issue) -> JSON:
    return {f"{name}_id": issue.id, name: show_issue(act.world, _home(act, issue).repository, issue)}


def _note(home: Act, issue: Issue, event: str, other: Issue) -> None:
    home.note(issue, event, **{event.rpartition("_")[0]: other.id})
