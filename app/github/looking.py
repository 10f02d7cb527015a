"""What is asked to find out what no webhook told."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.domain.errors import Missing
from app.domain.facts import Delivery, FoundComment, LabelGiven
from app.domain.names import Repository
from app.github.answers import last_given, never_delivered, read_comment
from app.github.asking import Asking

ISSUE_TEXT = """
query IssueText($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    issue(number: $number) {
      lastEditedAt
      timelineItems(itemTypes: [RENAMED_TITLE_EVENT], last: 1) {
        nodes { ... on RenamedTitleEvent { createdAt } }
      }
    }
  }
}
"""


class LookingApi(Asking):
    """The part of `ports.GitHub` that looks for what was missed."""

    async def label_given(self, repository: Repository, number: int, label: str) -> LabelGiven | None:
        return last_given(await self._list(repository, "/issues/{number}/events{?per_page}", number=number), label)

    async def text_changed(self, repository: Repository, number: int) -> datetime | None:
        asked = {"owner": repository.owner, "name": repository.name, "number": number}
        issue = (await self._graphql(repository, ISSUE_TEXT, **asked))["repository"]["issue"]
        if issue is None:
            raise Missing(f"{repository.full_name}#{number} is no issue")
        renamed = [node["createdAt"] for node in issue["timelineItems"]["nodes"]]
        return max((datetime.fromisoformat(one) for one in [issue["lastEditedAt"], *renamed] if one), default=None)

    async def comments_since(self, repository: Repository, since: datetime) -> Sequence[FoundComment]:
        moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = await self._list(repository, "/issues/comments{?since,per_page}", since=moment)
        return [_read_found(comment) for comment in found]

    async def failed_deliveries(self, since: datetime | None = None) -> Sequence[Delivery]:
        def is_old(attempt: Mapping[str, Any]) -> bool:
            return since is not None and datetime.fromisoformat(attempt["delivered_at"]) < since

        found: Iterable[Any] = await self._app.pages("/app/hook/deliveries{?per_page}", until=is_old)
        return never_delivered(attempt for attempt in found if not is_old(attempt))

    async def redeliver(self, delivery_id: int) -> None:
        await self._app.ask("POST", "/app/hook/deliveries/{id}/attempts", id=delivery_id)


def _read_found(data: Mapping[str, Any]) -> FoundComment:
    return FoundComment(
        number=int(data["issue_url"].rpartition("/")[2]),
        on_pull=f"/pull/{data['issue_url'].rpartition('/')[2]}#" in data["html_url"],
        seen=data.get("reactions", {}).get("eyes", 0) > 0,
        comment=read_comment(data),
    )
