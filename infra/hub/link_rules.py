"""What GitHub refuses of links between issues, in its own words where people have published them.

100 sub-issues of one parent, closed ones among them; 8 levels, which are 7 below the topmost issue; 50 dependencies of
each kind. Of rings among blockers it refuses those of two issues and takes longer ones.
"""

from infra.hub.errors import ApiError
from infra.hub.link_records import BlockedBy, Blocking, SubIssue
from infra.hub.links import ancestors_of, height_of, parent_of
from infra.hub.records import Issue, Repository
from infra.hub.state import State

MOST_SUB_ISSUES = 100
MOST_LEVELS = 8
MOST_DEPENDENCIES = 50
CHILD_REFUSED = "An error occurred while adding the sub-issue to the parent issue. "
BLOCKER_REFUSED = "An error occurred while adding the blocking issue to the issue. Validation failed: "
ONE_PARENT = "Sub issue may only have one parent"
TOO_DEEP = (
    f"You can’t add more than {MOST_LEVELS - 1} layers of sub-issues. "  # noqa: RUF001 - GitHub's own apostrophe
    "To add a sub-issue, remove a parent issue at any level."
)


def check_sub_issue(state: State, parent: Issue, child: Issue, *, replace_parent: bool) -> None:
    """Refuse, with ApiError 422, what may not be put under a parent."""
    above, former = ancestors_of(state, parent), parent_of(state, child)
    rules = (
        (parent.is_pull, "Parent may only be an issue"),
        (child.is_pull, "Sub issue may only be an issue"),
        (parent.id == child.id, "Sub issue cannot be the same as the parent issue"),
        (child.id in {one.id for one in above}, "Sub issue may not create a circular dependency"),
        (former is not None and former.id == parent.id, f"Issue may not contain duplicate sub-issues and {ONE_PARENT}"),
        (former is not None and not replace_parent, ONE_PARENT),
        (not _same_owner(state, parent, child), "Sub issue must belong to the repository owner of the parent issue"),
        (
            state.count(SubIssue, parent.id) >= MOST_SUB_ISSUES,
            f"Parent cannot have more than {MOST_SUB_ISSUES} sub-issues",
        ),
        (len(above) + 1 + height_of(state, child) > MOST_LEVELS, TOO_DEEP),
    )
    _refuse(CHILD_REFUSED, rules)


def check_blocker(state: State, issue: Issue, blocker: Issue) -> None:
    """Refuse, with ApiError 422, what may not block an issue."""
    rules = (
        (issue.is_pull, "Source issue may only be an issue"),
        (blocker.is_pull, "Target issue may only be an issue"),
        (issue.id == blocker.id, "Target issue cannot be the same as the source issue"),
        (_blocks(state, blocker, issue), "Target issue has already been taken"),
        (
            _blocks(state, issue, blocker),
            "this dependency would create a cycle where the target is already blocked by the source",
        ),
        (
            not _same_owner(state, issue, blocker),
            "Target issue must belong to the repository owner of the source issue",
        ),
        (
            state.count(BlockedBy, issue.id) >= MOST_DEPENDENCIES,
            f"Source issue cannot be blocked by more than {MOST_DEPENDENCIES} issues",
        ),
        (
            state.count(Blocking, blocker.id) >= MOST_DEPENDENCIES,
            f"Target issue cannot block more than {MOST_DEPENDENCIES} issues",
        ),
    )
    _refuse(BLOCKER_REFUSED, rules)


def _refuse(preface: str, rules: tuple[tuple[bool, str], ...]) -> None:
    for is_broken, words in rules:
        if is_broken:
            raise ApiError(422, preface + words)


def _blocks(state: State, blocker: Issue, issue: Issue) -> bool:
    return state.find(BlockedBy, str(blocker.id), issue.id) is not None


def _same_owner(state: State, one: Issue, other: Issue) -> bool:
    return len({state.load(Repository, issue.repository_id).owner_id for issue in (one, other)}) == 1
