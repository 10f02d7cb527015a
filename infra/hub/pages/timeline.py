"""What happened, in order: to one issue, or anywhere."""

from dataclasses import dataclass

from infra.hub.pages.reviews import reviews_to_show
from infra.hub.records import Comment, Issue, IssueEvent, Repository, Review
from infra.hub.state import State

ACTIVITY = 15


@dataclass(frozen=True, slots=True)
class Happening:
    """An issue that was opened, a comment, or an issue event: `what` is one of them."""

    repository: Repository
    issue: Issue
    what: Issue | Comment | IssueEvent

    @property
    def kind(self) -> str:
        return type(self.what).__name__

    @property
    def user_id(self) -> int:
        return self.what.actor_id if isinstance(self.what, IssueEvent) else self.what.author_id


def timeline(state: State, issue: Issue) -> list[Comment | IssueEvent | Review]:
    """List the comments, events and reviews of an issue or pull request, oldest first."""
    found: list[Comment | IssueEvent | Review] = [*state.rows(Comment, issue.id), *state.rows(IssueEvent, issue.id)]
    return sorted([*found, *reviews_to_show(state, issue)], key=lambda one: one.id)


def latest_activity(state: State) -> list[Happening]:
    """List what happened last in any repository, newest first."""
    found: list[Issue | Comment | IssueEvent] = [
        *state.latest(Issue, ACTIVITY),
        *state.latest(Comment, ACTIVITY),
        *state.latest(IssueEvent, ACTIVITY),
    ]
    found.sort(key=lambda one: one.id, reverse=True)
    return [happening for one in found[:ACTIVITY] if (happening := _happening(state, one)) is not None]


def _happening(state: State, what: Issue | Comment | IssueEvent) -> Happening | None:
    issue = what if isinstance(what, Issue) else state.get(Issue, what.issue_id)
    repository = state.get(Repository, issue.repository_id) if issue else None
    return Happening(repository, issue, what) if issue and repository else None
