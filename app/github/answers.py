"""GitHub's JSON answers as facts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.domain.facts import (
    Actor,
    Comment,
    Delivery,
    Issue,
    LabelGiven,
    Pull,
    Review,
    ReviewState,
    Thread,
    ThreadComment,
)
from app.domain.names import Repository

Json = Mapping[str, Any]

GHOST = Actor(id=0, login="ghost", is_bot=False)


def read_actor(user: Json) -> Actor:
    """Return an account; a bot is one by its type or by its login."""
    login = user["login"]
    return Actor(id=user["id"], login=login, is_bot=user.get("type") == "Bot" or login.endswith("[bot]"))


def read_repository(data: Json, installation_id: int) -> Repository:
    return Repository(
        id=data["id"],
        installation_id=installation_id,
        owner=data["owner"]["login"],
        name=data["name"],
        default_branch=data["default_branch"],
    )


def read_issue(data: Json) -> Issue:
    return Issue(
        number=data["number"],
        title=data["title"],
        body=data["body"] or "",
        is_open=data["state"] == "open",
        state_reason=data.get("state_reason"),
        labels=frozenset(label["name"] for label in data["labels"]),
        comments=data["comments"],
        updated_at=_time(data["updated_at"]),
        blocked_by=(data.get("issue_dependencies_summary") or {}).get("total_blocked_by"),
    )


def read_comment(data: Json) -> Comment:
    """Return a comment; one whose author's account is gone is GitHub's ghost's."""
    return Comment(
        id=data["id"],
        author=read_author(data["user"]),
        body=data["body"] or "",
        created_at=_time(data["created_at"]),
        edited_at=_time(data["updated_at"]),
    )


def read_author(user: Json | None) -> Actor:
    """Return who wrote something; an account that is gone is a ghost, who may do nothing."""
    return read_actor(user) if user else GHOST


def read_pull(data: Json) -> Pull:
    """Return a pull request, from its own answer or from a list."""
    # `merged` is only in the answer for a single pull request, `merged_at` also in lists.
    head = data["head"]
    return Pull(
        number=data["number"],
        head_sha=head["sha"],
        is_open=data["state"] == "open",
        merged=data["merged_at"] is not None,
        head_branch=head["ref"],
        head_repository_id=head["repo"]["id"] if head["repo"] else None,
        base_branch=data["base"]["ref"],
        is_draft=bool(data.get("draft")),
        mergeable=data.get("mergeable"),
        conflicts=data.get("mergeable") is False and data.get("mergeable_state") == "dirty",
        labels=frozenset(label["name"] for label in data.get("labels", [])),
    )


def read_review(data: Json) -> Review:
    """Return a review that was submitted."""
    return Review(
        id=data["id"],
        author=read_author(data["user"]),
        state=ReviewState(data["state"].lower()),
        body=data["body"] or "",
        commit=data["commit_id"] or "",
        submitted_at=_time(data["submitted_at"]),
    )


def read_thread(node: Json) -> Thread:
    """Return a review thread from a GraphQL node."""
    comments = node["comments"]["nodes"]
    return Thread(
        id=node["id"],
        path=node["path"],
        line=node["line"],
        hunk=comments[0]["diffHunk"] if comments else "",
        is_resolved=node["isResolved"],
        is_outdated=node["isOutdated"],
        comments=tuple(_read_thread_comment(comment) for comment in comments),
    )


def _read_thread_comment(node: Json) -> ThreadComment:
    return ThreadComment(
        id=int(node["fullDatabaseId"]),
        author=_read_graphql_actor(node["author"]),
        body=node["body"],
        created_at=_time(node["createdAt"]),
    )


def _read_graphql_actor(node: Json | None) -> Actor:
    """Return an account as REST would name it: GraphQL says a bot's login without `[bot]`."""
    if node is None:
        return GHOST
    is_bot = node["__typename"] == "Bot"
    login = node["login"].removesuffix("[bot]") + "[bot]" * is_bot
    return Actor(id=node.get("databaseId") or GHOST.id, login=login, is_bot=is_bot)


def last_given(events: Iterable[Json], label: str) -> LabelGiven | None:
    """Find the `labeled` event of `label` that no later `unlabeled` undid; events come oldest first."""
    given = None
    for event in events:
        if event["event"] in ("labeled", "unlabeled") and event["label"]["name"].casefold() == label.casefold():
            given = event if event["event"] == "labeled" else None
    if given is None or given["actor"] is None:
        return None
    return LabelGiven(actor=read_actor(given["actor"]), created_at=_time(given["created_at"]))


def never_delivered(attempts: Iterable[Json]) -> Sequence[Delivery]:
    """Return the newest attempt of each GUID that no attempt succeeded for; attempts come newest first."""
    newest: dict[str, Json] = {}
    succeeded = set()
    for attempt in attempts:
        newest.setdefault(attempt["guid"], attempt)
        if 200 <= attempt["status_code"] < 400:
            succeeded.add(attempt["guid"])
    return [
        Delivery(
            id=attempt["id"], guid=guid, delivered_at=_time(attempt["delivered_at"]), event=attempt.get("event", "")
        )
        for guid, attempt in newest.items()
        if guid not in succeeded
    ]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
