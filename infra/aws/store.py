"""The store in DynamoDB."""

import random
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from secrets import token_urlsafe
from typing import Any

from app.domain.errors import Retryable
from app.ports import Clock, Conflict, Document
from infra.aws.clients import Clients, RefusedByAws
from infra.aws.commits import Action, Commit
from infra.aws.expressions import Arguments, spelled
from infra.aws.items import Item, document_of, is_alive, item_key, pack_body, was_written_by
from infra.documents import check_commit

AT_ONCE = 100
"""Keys that one question may name."""
TRIES = 6
PAUSE = 0.05
"""Seconds before the second try, about; each pause is twice the one before."""
REFUSED = "ConditionalCheckFailed"
PASSING = {"ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"}


class DynamoStore:
    """Implement `app.ports.Store` in a table whose keys are `partition` and `key`, whose time to live is `expires`.

    Of what is read at once, each document is as of a moment of its own: of a commit under way some may be seen and
    others not yet. Every method raises Retryable for what passes.
    """

    def __init__(self, clients: Clients, table: str, clock: Clock) -> None:
        self._clients = clients
        self._table = table
        self._clock = clock

    async def get(self, partition: str, key: str) -> Document | None:
        key_of = item_key(partition, key)
        found = await self._call("get_item", TableName=self._table, Key=key_of, ConsistentRead=True)
        documents = self._documents([found["Item"]] if "Item" in found else [])
        return documents[0] if documents else None

    async def query(self, partition: str, prefix: str = "") -> Sequence[Document]:
        return self._documents(await self._query(partition, prefix))

    async def find(self, partition: str, keys: Collection[str], prefix: str) -> Sequence[Document]:
        # One after the other: who sees a document that is named sees all of the prefix that was written with it.
        items = await self._named(partition, [*dict.fromkeys(keys)])
        documents = {one.key: one for one in self._documents([*items, *await self._query(partition, prefix)])}
        return [documents[key] for key in sorted(documents)]

    async def partitions(self, prefix: str = "") -> Sequence[str]:
        condition = {"FilterExpression": "begins_with(#partition, :prefix)"} if prefix else {}
        asked = spelled({":prefix": {"S": prefix}}, ProjectionExpression="#partition, #until", **condition)
        now = self._now()
        items = [item async for item in self._pages("scan", **asked)]
        return sorted({item["partition"]["S"] for item in items if is_alive(item, now)})

    async def commit(
        self,
        partition: str,
        puts: Mapping[str, Mapping[str, Any]] | None = None,
        deletes: Collection[str] = (),
        expected: Mapping[str, int] | None = None,
        expires: Mapping[str, datetime] | None = None,
    ) -> None:
        """Write as the port has it. Raises Permanent for a document that DynamoDB would find too large.

        A write that was done and whose answer was lost is no Conflict when it is repeated, unless two others have
        written that document meanwhile.
        """
        puts, expected, expires = puts or {}, expected or {}, expires or {}
        check_commit(puts, deletes, expected, expires)
        bodies = {key: pack_body(partition, key, body) for key, body in puts.items()}
        commit = Commit(self._table, partition, bodies, deletes, expected, expires)
        for _ in range(TRIES):
            refused = await self._written(commit.actions(self._now(), token_urlsafe(6)))
            if wrong := sorted(refused & expected.keys()):
                raise Conflict(f"{partition}: {', '.join(wrong)}: expected {[expected[key] for key in wrong]}")
            if not refused:
                return
            commit.begins ^= refused  # they were over, or are not any more
        raise Retryable(f"{partition}: {', '.join(refused)} changed {TRIES} times in a row")

    # Writing

    async def _written(self, actions: Mapping[str, Action]) -> set[str]:
        """Do all or nothing; return the keys whose conditions do not hold, for which it was nothing."""
        if len(actions) == 1:
            ((key, action),) = actions.items()
            if action.kind == "Update":
                return set() if await self._updated(action.arguments) else {key}
            if not action.has_condition:
                await self._call("delete_item", **action.arguments)
                return set()
        # A deletion that expects a version is a transaction even when alone: what is gone says not who deleted it.
        return await self._transacted(actions) if actions else set()

    async def _updated(self, arguments: Arguments) -> bool:
        try:
            await self._call("update_item", ReturnValuesOnConditionCheckFailure="ALL_OLD", **arguments)
        except RefusedByAws as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            mine: str = arguments["ExpressionAttributeValues"][":write"]["S"]
            return was_written_by(error.response.get("Item", {}), mine)
        return True

    async def _transacted(self, actions: Mapping[str, Action]) -> set[str]:
        items = [{action.kind: action.arguments} for action in actions.values()]
        try:  # boto3 gives each call a token, and its own repetitions the same: what was done is not done twice
            await self._call("transact_write_items", TransactItems=items)
        except RefusedByAws as error:
            refused = {key for key, why in zip(actions, _reasons(error), strict=False) if why == REFUSED}
            if not refused:
                raise
            return refused
        return set()

    # Reading

    def _documents(self, items: Iterable[Item]) -> list[Document]:
        now = self._now()
        return [document_of(item) for item in items if is_alive(item, now)]

    async def _query(self, partition: str, prefix: str) -> list[Item]:
        condition = "#partition = :partition" + (" AND begins_with(#key, :prefix)" if prefix else "")
        values = {":partition": {"S": partition}, ":prefix": {"S": prefix}}
        return [item async for item in self._pages("query", **spelled(values, KeyConditionExpression=condition))]

    async def _pages(self, operation: str, **arguments: Any) -> AsyncIterator[Item]:
        start = Arguments()
        while True:
            page = await self._call(operation, TableName=self._table, ConsistentRead=True, **arguments, **start)
            for item in page["Items"]:
                yield item
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def _named(self, partition: str, keys: Sequence[str]) -> list[Item]:
        items = list[Item]()
        for start in range(0, len(keys), AT_ONCE):
            some = [item_key(partition, key) for key in keys[start : start + AT_ONCE]]
            items += await self._batch(some)
        return items

    async def _batch(self, keys: Sequence[Arguments]) -> list[Item]:
        items = list[Item]()
        asked: Arguments = {self._table: {"Keys": keys, "ConsistentRead": True}}
        for tries in range(TRIES):
            await self._pause(tries)
            page = await self._call("batch_get_item", RequestItems=asked)
            items += page["Responses"].get(self._table, [])
            asked = page.get("UnprocessedKeys") or {}
            if not asked:
                return items
        raise Retryable(f"DynamoDB left keys unread {TRIES} times in a row")

    # Calling

    async def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call DynamoDB, again for what boto3 does not repeat: another transaction on the same documents."""
        for tries in range(TRIES):
            await self._pause(tries)
            try:
                return await self._clients.call("dynamodb", operation, **arguments)
            except RefusedByAws as error:
                if not _passes(error):
                    raise
                last = error
        raise Retryable(f"{last}, {TRIES} times in a row") from last

    async def _pause(self, tries: int) -> None:
        if tries:
            await self._clock.sleep(PAUSE * 2 ** (tries - 1) * random.uniform(0.5, 1))  # noqa: S311 (jitter)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _passes(error: RefusedByAws) -> bool:
    if error.code == "TransactionConflictException":
        return True
    reasons = _reasons(error)
    return REFUSED not in reasons and bool(PASSING.intersection(reasons))


def _reasons(error: RefusedByAws) -> list[str]:
    """Return why each action of a transaction was cancelled, "None" if not for its sake."""
    return [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])]
