"""Labels: created where they are missing, put on issues and taken off them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from cachetools import LRUCache

from app.domain.errors import Missing, Retryable
from app.domain.labels import Label
from app.domain.names import Repository
from app.github.asking import Asking, is_refused
from app.github.auth import AppCredential
from app.github.client import Transport
from app.github.faults import Limited, Rejected

CHANGE_LABELS = """
mutation ChangeLabels($issue: ID!, $on: [ID!]!, $off: [ID!]!) {
  on: addLabelsToLabelable(input: {labelableId: $issue, labelIds: $on}) { clientMutationId }
  off: removeLabelsFromLabelable(input: {labelableId: $issue, labelIds: $off}) { clientMutationId }
}
"""
ISSUES = 1024
LABELS = 4096


class LabelsApi(Asking):
    """The part of `ports.GitHub` that is about labels. It remembers node ids, which GraphQL asks for."""

    def __init__(self, transport: Transport, app: AppCredential) -> None:
        super().__init__(transport, app)
        self._issue_nodes: LRUCache[tuple[int, int], str] = LRUCache(ISSUES)
        self._label_nodes: LRUCache[tuple[int, str], str] = LRUCache(LABELS)

    async def add_labels(self, repository: Repository, number: int, labels: Sequence[str]) -> None:
        if labels:
            path, wanted = "/issues/{number}/labels", {"labels": list(labels)}
            self._learn_labels(repository, await self._ask(repository, "POST", path, wanted, number=number))

    async def remove_label(self, repository: Repository, number: int, label: str) -> None:
        with suppress(Missing):
            await self._ask(repository, "DELETE", "/issues/{number}/labels/{label}", number=number, label=label)

    async def change_labels(
        self, repository: Repository, number: int, add: Sequence[str], remove: Sequence[str]
    ) -> None:
        """Do both in one request where all node ids are known, else one after the other."""
        issue = self._issue_nodes.get((repository.id, number))
        on, off = self._nodes(repository, add), self._nodes(repository, remove)
        if issue and on and off:
            try:
                await self._graphql(repository, CHANGE_LABELS, issue=issue, on=on, off=off)
            except Missing:  # a label was deleted since, or made anew
                self._label_nodes.clear()
            else:
                return
        await self.add_labels(repository, number, add)
        for label in remove:
            await self.remove_label(repository, number, label)

    async def create_missing_labels(self, repository: Repository, labels: Sequence[Label]) -> None:
        """Create labels, the first thing that is done in a new repository: an older token may not be good for it."""
        try:
            await self._create_missing(repository, labels)
        except (Missing, Rejected):
            self._tokens.forget(repository.installation_id)
            await self._create_missing(repository, labels)

    async def _create_missing(self, repository: Repository, labels: Sequence[Label]) -> None:
        found = await self._list(repository, "/labels{?per_page}")
        self._learn_labels(repository, found)
        there = {label["name"].casefold() for label in found}
        failed: Retryable | None = None
        for label in labels:
            if label.name.casefold() not in there:
                failed = await self._try_to_create(repository, label) or failed
        if failed:
            raise failed

    def _learn_issue(self, repository: Repository, issue: Mapping[str, Any]) -> None:
        self._issue_nodes[repository.id, issue["number"]] = issue["node_id"]
        self._learn_labels(repository, issue["labels"])

    def _learn_labels(self, repository: Repository, labels: Iterable[Mapping[str, Any]]) -> None:
        for label in labels:
            self._label_nodes[repository.id, label["name"].casefold()] = label["node_id"]

    def _nodes(self, repository: Repository, names: Sequence[str]) -> list[str]:
        """Return the node ids of labels, nothing unless all are known."""
        found = [self._label_nodes.get((repository.id, name.casefold())) for name in names]
        known = [node for node in found if node is not None]
        return known if len(known) == len(names) else []

    async def _try_to_create(self, repository: Repository, label: Label) -> Retryable | None:
        """Create a label, and return what kept it from being created for now, so that the others are created first."""
        try:
            await self._create_label(repository, label)
        except Limited:
            raise
        except Retryable as error:
            return error
        return None

    async def _create_label(self, repository: Repository, label: Label) -> None:
        try:
            self._learn_labels(repository, [await self._ask(repository, "POST", "/labels", label.model_dump())])
        except Rejected as error:
            if not is_refused(error, "already_exists"):
                raise
