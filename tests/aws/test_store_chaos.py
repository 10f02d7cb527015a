"""The store while AWS throttles, fails, and does what nobody hears of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from app.domain.errors import Retryable
from app.ports import Conflict, Document
from infra.aws.store import DynamoStore
from tests.aws.faulty import (
    Fault,
    Forward,
    Proxy,
    Ways,
    cut,
    cutting,
    do_and_fail,
    fail,
    lose,
    losing,
    refusal,
    throttle,
    two_ways,
)
from tests.aws.stack import Stack, StackClock, make_table

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOME = "repository:1"
TWO = 2
MANY = 12

each_loss = pytest.mark.parametrize("loss", [lose, do_and_fail], ids=["cut", "500"])


@dataclass(frozen=True, slots=True)
class Stage:
    """A store behind a proxy, and `direct` past it as others see it."""

    proxy: Proxy
    store: DynamoStore
    direct: DynamoStore

    async def documents(self) -> list[Document]:
        return list(await self.direct.query(HOME))

    def other(self, *puts: dict[str, Any], **expected: int) -> Callable[[], Awaitable[None]]:
        """Somebody else, who commits each of these."""

        async def commit() -> None:
            for put in puts:
                await self.direct.commit(HOME, put, expected=expected)

        return commit


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways(stack: Stack) -> AsyncIterator[Ways]:
    async with two_ways(stack) as ways:
        yield ways


@pytest_asyncio.fixture(loop_scope="module")
async def stage(stack: Stack, ways: Ways) -> Stage:
    ways.proxy.heal()
    table = await make_table(ways.direct)
    clock = StackClock(stack)
    return Stage(ways.proxy, DynamoStore(ways.clients, table, clock), DynamoStore(ways.direct, table, clock))


# Answers that are lost


@each_loss
async def test_a_write_whose_answer_is_lost_is_no_conflict(stage: Stage, loss: Fault) -> None:
    await stage.direct.commit(HOME, {"a": {"n": 1}})
    stage.proxy.next(loss, of="UpdateItem")
    await stage.store.commit(HOME, {"a": {"n": 2}}, expected={"a": 1})
    assert (await stage.documents(), stage.proxy.befell) == ([Document("a", 2, {"n": 2})], {"UpdateItem": 1})


async def test_a_write_that_expects_nothing_counts_once(stage: Stage) -> None:
    await stage.direct.commit(HOME, {"a": {"n": 1}})
    stage.proxy.next(lose, of="UpdateItem")
    await stage.store.commit(HOME, {"a": {"n": 2}})
    assert await stage.documents() == [Document("a", 2, {"n": 2})]


@each_loss
async def test_several_writes_are_done_once(stage: Stage, loss: Fault) -> None:
    stage.proxy.next(loss, of="TransactWriteItems")
    await stage.store.commit(HOME, {"a": {"n": 1}, "b": {}}, expected={"a": 0})
    assert await stage.documents() == [Document("a", 1, {"n": 1}), Document("b", 1, {})]


async def test_a_deletion_that_expects_a_version_is_no_conflict(stage: Stage) -> None:
    await stage.store.commit(HOME, {"a": {}})
    stage.proxy.next(lose, of="TransactWriteItems")
    await stage.store.commit(HOME, deletes=["a"], expected={"a": 1})
    assert await stage.documents() == []


@pytest.mark.parametrize("expected", [{}, {"a": 0}], ids=["any", "none"])
async def test_who_wrote_over_it_meanwhile_is_not_overwritten(stage: Stage, expected: dict[str, int]) -> None:
    stage.proxy.next(losing(stage.other({"a": {"is": "theirs"}}, a=1)), of="UpdateItem")
    await stage.store.commit(HOME, {"a": {"is": "ours"}}, expected=expected)
    assert await stage.documents() == [Document("a", 2, {"is": "theirs"})]


async def test_who_came_first_is_a_conflict_though_our_first_try_was_cut(stage: Stage) -> None:
    stage.proxy.next(cutting(stage.other({"a": {"is": "theirs"}})), of="UpdateItem")
    with pytest.raises(Conflict):
        await stage.store.commit(HOME, {"a": {"is": "ours"}}, expected={"a": 0})
    assert await stage.documents() == [Document("a", 1, {"is": "theirs"})]


async def test_who_sees_that_an_event_was_handled_sees_what_is_still_to_be_done_of_it(stage: Stage) -> None:
    """Somebody's write of both comes to pass while we read: it was cut off from who then left the rest to us."""
    listed = asyncio.Event()

    async def interleave(request: web.Request, forward: Forward) -> web.StreamResponse:
        if not request.headers["X-Amz-Target"].endswith("BatchGetItem"):
            answer = await forward()
            listed.set()
            return answer
        with suppress(TimeoutError):
            await asyncio.wait_for(listed.wait(), 0.3)
        await stage.direct.commit(HOME, {"mark/1": {}, "out/1": {}})
        return await forward()

    stage.proxy.every(1, interleave)
    assert [one.key for one in await stage.store.find(HOME, ["mark/1"], "out/")] == ["mark/1", "out/1"]


# What passes


@pytest.mark.parametrize("fault", [throttle, fail, cut])
async def test_what_fails_once_is_done(stage: Stage, fault: Fault) -> None:
    stage.proxy.every(2, fault)
    await stage.store.commit(HOME, {"a": {}})
    await stage.store.commit(HOME, {"a": {}, "b": {}})
    assert [(one.key, one.version) for one in await stage.documents()] == [("a", 2), ("b", 1)]
    assert stage.proxy.befell == {"TransactWriteItems": 1}


async def test_what_keeps_failing_is_tried_again_later(stage: Stage) -> None:
    stage.proxy.every(1, throttle)
    with pytest.raises(Retryable):
        await stage.store.get(HOME, "a")


async def test_another_transaction_on_the_same_documents_is_waited_for(stage: Stage) -> None:
    stage.proxy.next(cancelled("TransactionConflict", "None"), of="TransactWriteItems")
    await stage.store.commit(HOME, {"a": {}, "b": {}})
    stage.proxy.next(conflicting, of="UpdateItem")
    await stage.store.commit(HOME, {"a": {}})
    assert [one.version for one in await stage.documents()] == [2, 1]
    assert stage.proxy.befell.total() == TWO


async def test_a_transaction_that_never_gets_through_is_tried_again_later(stage: Stage) -> None:
    stage.proxy.every(1, cancelled("TransactionConflict", "ThrottlingError"))
    with pytest.raises(Retryable, match="in a row"):
        await stage.store.commit(HOME, {"a": {}, "b": {}})


async def test_an_expected_version_counts_before_another_transaction(stage: Stage) -> None:
    stage.proxy.next(cancelled("TransactionConflict", "ConditionalCheckFailed"), of="TransactWriteItems")
    with pytest.raises(Conflict, match="b"):
        await stage.store.commit(HOME, {"a": {}, "b": {}}, expected={"a": 0, "b": 0})


async def test_keys_that_were_left_unread_are_asked_for_again(stage: Stage) -> None:
    await stage.store.commit(HOME, {"a": {}, "b": {}})
    stage.proxy.next(unprocessed, of="BatchGetItem")
    assert [one.key for one in await stage.store.find(HOME, ["a", "b", "c"], "none/")] == ["a", "b"]


async def test_in_a_storm_all_is_done_once(stage: Stage) -> None:
    stage.proxy.every(7, throttle, fail, cut, lose, do_and_fail)

    async def count(name: str) -> None:
        while True:
            try:
                found = {one.key: one for one in await stage.store.find(HOME, ["n", f"mark/{name}"], "out/")}
                if f"mark/{name}" in found:
                    return
                n, version = (found["n"].body["n"], found["n"].version) if "n" in found else (0, 0)
                puts = {"n": {"n": n + 1}, f"mark/{name}": {}, f"out/{name}": {}}
                await stage.store.commit(HOME, puts, expected={"n": version, f"mark/{name}": 0})
            except (Conflict, Retryable):
                await asyncio.sleep(0)

    await asyncio.gather(*(count(str(number)) for number in range(MANY)))
    stage.proxy.heal()
    assert await stage.direct.get(HOME, "n") == Document("n", MANY, {"n": MANY})
    assert len(await stage.direct.query(HOME, "out/")) == MANY


def cancelled(*codes: str) -> Fault:
    async def fault(_request: web.Request, _forward: Forward) -> web.StreamResponse:
        return refusal(400, "TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])

    return fault


async def conflicting(_request: web.Request, _forward: Forward) -> web.StreamResponse:
    return refusal(400, "TransactionConflictException")


async def unprocessed(request: web.Request, _forward: Forward) -> web.StreamResponse:
    """Read nothing this time."""
    asked = (await request.json())["RequestItems"]
    return web.json_response({"Responses": {}, "UnprocessedKeys": asked}, content_type="application/x-amz-json-1.0")
