"""What the store in DynamoDB does besides what every store does."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random

import pytest

from app.domain.errors import Permanent
from app.ports import Document
from infra.aws.clients import Clients
from infra.aws.items import LARGEST, item_key, pack_body
from infra.aws.store import DynamoStore
from tests.aws.stack import Stack, StackClock, make_table

HOME = "repository:1"


@pytest.fixture(scope="module")
def clients(stack: Stack) -> Iterator[Clients]:
    with stack.clients() as clients:
        yield clients


@pytest.fixture
async def table(clients: Clients) -> str:
    return await make_table(clients)


@pytest.fixture
def store(clients: Clients, table: str, stack: Stack) -> DynamoStore:
    return DynamoStore(clients, table, StackClock(stack))


def noise(size: int) -> str:
    """Text that takes three quarters of its size when compressed, more or less."""
    return Random(0).randbytes(size // 2).hex()


async def test_what_is_longer_than_a_page_is_read_whole(store: DynamoStore) -> None:
    bodies = {str(number): {"text": noise(600_000)} for number in range(5)}
    for key, body in bodies.items():
        await store.commit(HOME, {key: body})
    assert {one.key: one.body for one in await store.query(HOME)} == bodies
    assert len(await store.find(HOME, ["4", "0"], "")) == len(bodies)
    assert await store.partitions() == [HOME]


async def test_more_keys_are_found_than_one_question_takes(store: DynamoStore) -> None:
    keys = [f"{number:03}" for number in range(150)]
    await store.commit(HOME, {key: {} for key in keys[:100]})
    await store.commit(HOME, {key: {} for key in keys[100:]})
    assert [one.key for one in await store.find(HOME, [*keys, "149", "none"], "x")] == keys


async def test_a_document_that_is_too_large_is_named_and_nothing_is_written(store: DynamoStore) -> None:
    with pytest.raises(Permanent, match=f"{HOME} b has .* bytes"):
        await store.commit(HOME, {"a": {}, "b": {"text": noise(1_000_000)}})
    assert await store.query(HOME) == []


async def test_a_document_just_under_the_limit_is_taken(stack: Stack, store: DynamoStore) -> None:
    rate = 700_000 / len(pack_body(HOME, "a", {"text": noise(700_000)}))
    body = {"text": noise(int(rate * (LARGEST - 1000)))}
    assert len(pack_body(HOME, "a", body)) > LARGEST - 2000
    await store.commit(HOME, {"a": body}, expires={"a": stack.now() + timedelta(days=1)})
    assert await store.query(HOME) == [Document("a", 1, body)]


async def test_dynamodb_may_delete_what_is_over_not_before(
    stack: Stack, clients: Clients, table: str, store: DynamoStore
) -> None:
    over = stack.now() + timedelta(seconds=5.5)
    await store.commit(HOME, {"a": {}}, expires={"a": over})
    item = (await clients.call("dynamodb", "get_item", TableName=table, Key=item_key(HOME, "a")))["Item"]
    assert 0 <= int(item["expires"]["N"]) - over.timestamp() < 1


async def test_what_is_over_changes_while_it_is_written_among_others(stack: Stack, store: DynamoStore) -> None:
    await store.commit(HOME, {"a": {}, "b": {}}, expires={"a": stack.now() + timedelta(seconds=5)})
    stack.pass_time(5)
    await store.commit(HOME, {"a": {}, "b": {}, "c": {}})
    assert [(one.key, one.version) for one in await store.query(HOME)] == [("a", 1), ("b", 2), ("c", 1)]
