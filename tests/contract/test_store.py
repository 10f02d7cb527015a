"""What every store does."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from app.ports import Conflict, Document
from tests.contract.conftest import Rig

HOME = "repository:1"

each_kind_of_value = pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "naïve 🦑 \ud83d \x00 'quoted' \"twice\""},
        {"numbers": [0, -1, 2**60, 1.5, 1e300], "nothing": None, "flags": [True, False]},
        {"deep": {"list": [{"a": [[]]}, {}], "": "empty key"}},
        {"long": "x" * 100_000},
    ],
    ids=["empty", "text", "numbers", "deep", "long"],
)


async def put(rig: Rig, *keys: str, partition: str = HOME) -> None:
    await rig.store.commit(partition, {key: {"is": key} for key in keys})


async def keys_of(rig: Rig, prefix: str = "") -> list[str]:
    return [document.key for document in await rig.store.query(HOME, prefix)]


@each_kind_of_value
async def test_a_body_comes_back_as_it_was(rig: Rig, body: Mapping[str, Any]) -> None:
    await rig.store.commit(HOME, {"a": body})
    assert await rig.store.get(HOME, "a") == Document("a", 1, body)


async def test_what_is_not_there_is_none(rig: Rig) -> None:
    assert await rig.store.get(HOME, "a") is None


async def test_a_version_grows_by_one_with_each_write(rig: Rig) -> None:
    for number in range(3):
        await rig.store.commit(HOME, {"a": {"n": number}})
    assert await rig.store.get(HOME, "a") == Document("a", 3, {"n": 2})


async def test_partitions_are_apart(rig: Rig) -> None:
    await put(rig, "a", partition="repository:2")
    assert (await rig.store.get(HOME, "a"), await keys_of(rig)) == (None, [])


async def test_a_deleted_document_is_gone_and_begins_anew(rig: Rig) -> None:
    await put(rig, "a")
    await put(rig, "a")
    await rig.store.commit(HOME, deletes=["a"])
    assert await rig.store.get(HOME, "a") is None
    await put(rig, "a")
    assert await rig.store.get(HOME, "a") == Document("a", 1, {"is": "a"})


async def test_deleting_what_is_not_there_changes_nothing(rig: Rig) -> None:
    await rig.store.commit(HOME, deletes=["a"])
    assert await keys_of(rig) == []


async def test_a_commit_of_nothing_changes_nothing(rig: Rig) -> None:
    await rig.store.commit(HOME)
    assert await keys_of(rig) == []


async def test_several_keys_and_a_prefix_are_found_at_once(rig: Rig) -> None:
    await put(rig, "out/2", "record", "out/1", "mark", "other")
    await put(rig, "record")
    await put(rig, "out/3", partition="repository:2")
    found = await rig.store.find(HOME, ["record", "mark", "out/1", "missing"], "out/")
    assert [(one.key, one.version) for one in found] == [("mark", 1), ("out/1", 1), ("out/2", 1), ("record", 2)]


# Partitions


async def test_partitions_are_listed_by_prefix_in_order(rig: Rig) -> None:
    for name in ("repository:10", "repository:2", "installation:1", "repositorx"):
        await put(rig, "a", "b", partition=name)
    assert await rig.store.partitions("repository:") == ["repository:10", "repository:2"]
    assert len(await rig.store.partitions()) == 4


async def test_a_partition_that_holds_nothing_is_not_listed(rig: Rig) -> None:
    await put(rig, "a", partition="deleted")
    await rig.store.commit("deleted", deletes=["a"])
    await expiring(rig, "a", 10)
    await rig.pass_time(11)
    assert await rig.store.partitions() == []


# Query


async def test_a_query_is_ordered_by_key(rig: Rig) -> None:
    await put(rig, "task#10", "task#2", "Task", "task", "ü", "🦑")
    assert await keys_of(rig) == ["Task", "task", "task#10", "task#2", "ü", "🦑"]


async def test_a_query_by_prefix_returns_what_starts_with_it(rig: Rig) -> None:
    await put(rig, "outbox", "outbox#1", "outbox#2", "outbox🦑", "outbos", "outboy", "Outbox#3")
    assert await keys_of(rig, "outbox") == ["outbox", "outbox#1", "outbox#2", "outbox🦑"]
    assert await keys_of(rig, "outbox#") == ["outbox#1", "outbox#2"]


async def test_a_query_takes_wildcards_literally(rig: Rig) -> None:
    await put(rig, "100%", "100", "a_b", "axb", "[a]*", "a")
    assert (await keys_of(rig, "100%"), await keys_of(rig, "a_"), await keys_of(rig, "[a]")) == (
        ["100%"],
        ["a_b"],
        ["[a]*"],
    )


async def test_a_query_returns_whole_documents(rig: Rig) -> None:
    await put(rig, "a")
    await put(rig, "a", "b")
    assert await rig.store.query(HOME) == [Document("a", 2, {"is": "a"}), Document("b", 1, {"is": "b"})]


# Expected versions


async def test_the_expected_version_lets_a_write_through(rig: Rig) -> None:
    await rig.store.commit(HOME, {"a": {}}, expected={"a": 0})
    await rig.store.commit(HOME, {"a": {"n": 1}}, expected={"a": 1})
    assert await rig.store.get(HOME, "a") == Document("a", 2, {"n": 1})


@pytest.mark.parametrize("version", [0, 1, 3])
async def test_any_other_version_is_a_conflict_that_writes_nothing(rig: Rig, version: int) -> None:
    await put(rig, "a", "b")
    await put(rig, "a")
    with pytest.raises(Conflict):
        await rig.store.commit(HOME, {"a": {}, "c": {}}, deletes=["b"], expected={"a": version})
    assert await rig.store.query(HOME) == [Document("a", 2, {"is": "a"}), Document("b", 1, {"is": "b"})]


async def test_a_version_of_what_is_not_there_is_a_conflict(rig: Rig) -> None:
    with pytest.raises(Conflict):
        await rig.store.commit(HOME, {"a": {}}, expected={"a": 1})
    assert await keys_of(rig) == []


async def test_a_delete_may_expect_a_version(rig: Rig) -> None:
    await put(rig, "a")
    with pytest.raises(Conflict):
        await rig.store.commit(HOME, deletes=["a"], expected={"a": 2})
    await rig.store.commit(HOME, deletes=["a"], expected={"a": 1})
    assert await keys_of(rig) == []


async def test_a_version_may_be_expected_of_a_key_that_is_not_written(rig: Rig) -> None:
    await put(rig, "a")
    await rig.store.commit(HOME, {"b": {}}, expected={"a": 1, "none": 0})
    with pytest.raises(Conflict):
        await rig.store.commit(HOME, {"c": {}}, expected={"a": 2})
    assert await keys_of(rig) == ["a", "b"]


async def test_of_many_who_expect_the_same_version_one_writes(rig: Rig) -> None:
    commits = [rig.store.commit(HOME, {"a": {"n": n}}, expected={"a": 0}) for n in range(10)]
    errors = [type(error) for error in await asyncio.gather(*commits, return_exceptions=True) if error]
    assert errors == [Conflict] * 9
    document = await rig.store.get(HOME, "a")
    assert document is not None
    assert document.version == 1


async def test_no_update_is_lost_when_all_expect_what_they_read(rig: Rig) -> None:
    await rig.store.commit(HOME, {"a": {"n": 0}})

    async def increment() -> bool:
        document = await rig.store.get(HOME, "a")
        assert document is not None
        try:
            await rig.store.commit(HOME, {"a": {"n": document.body["n"] + 1}}, expected={"a": document.version})
        except Conflict:
            return False
        return True

    done = sum(await asyncio.gather(*(increment() for _ in range(20))))
    assert await rig.store.get(HOME, "a") == Document("a", 1 + done, {"n": done})


# Limits


async def test_a_hundred_keys_are_written_at_once(rig: Rig) -> None:
    keys = [f"{number:03}" for number in range(100)]
    await rig.store.commit(HOME, {key: {} for key in keys}, expected=dict.fromkeys(keys, 0))
    assert await keys_of(rig) == keys


async def test_more_than_a_hundred_keys_are_refused(rig: Rig) -> None:
    with pytest.raises(ValueError, match="100"):
        await rig.store.commit(HOME, {str(number): {} for number in range(100)}, deletes=["another"])
    assert await keys_of(rig) == []


async def test_a_key_both_put_and_deleted_is_refused(rig: Rig) -> None:
    with pytest.raises(ValueError, match="a"):
        await rig.store.commit(HOME, {"a": {}}, deletes=["a"])


async def test_what_is_not_json_is_refused_and_nothing_is_written(rig: Rig) -> None:
    with pytest.raises(ValueError, match="JSON"):
        await rig.store.commit(HOME, {"a": {}, "b": {"cost": float("nan")}})
    assert await keys_of(rig) == []


# Expiry


async def expiring(rig: Rig, key: str, seconds: float) -> None:
    await rig.store.commit(HOME, {key: {"is": key}}, expires={key: rig.now() + timedelta(seconds=seconds)})


async def test_a_document_is_there_until_it_expires(rig: Rig) -> None:
    await expiring(rig, "a", 5)
    await rig.pass_time(4)
    assert await rig.store.get(HOME, "a") == Document("a", 1, {"is": "a"})


async def test_an_expired_document_is_not_returned(rig: Rig) -> None:
    await expiring(rig, "a", 5)
    await put(rig, "b")
    await rig.pass_time(5)
    assert (await rig.store.get(HOME, "a"), await keys_of(rig)) == (None, ["b"])


async def test_an_expired_document_does_not_exist_for_those_who_expect_it(rig: Rig) -> None:
    await expiring(rig, "a", 5)
    await rig.pass_time(5)
    with pytest.raises(Conflict):
        await rig.store.commit(HOME, {"a": {}}, expected={"a": 1})
    await rig.store.commit(HOME, {"a": {"n": 1}}, expected={"a": 0})
    assert await rig.store.get(HOME, "a") == Document("a", 1, {"n": 1})


async def test_an_expired_document_begins_anew_when_put(rig: Rig) -> None:
    await expiring(rig, "a", 5)
    await rig.pass_time(5)
    await put(rig, "a")
    assert await rig.store.get(HOME, "a") == Document("a", 1, {"is": "a"})


async def test_a_put_without_expiry_makes_a_document_stay(rig: Rig) -> None:
    await expiring(rig, "a", 5)
    await put(rig, "a")
    await rig.pass_time(5)
    assert await rig.store.get(HOME, "a") == Document("a", 2, {"is": "a"})


async def test_many_expired_documents_hide_no_other(rig: Rig) -> None:
    for number in range(50):
        await expiring(rig, f"a{number}", 5)
    await rig.pass_time(5)
    await put(rig, "b")
    assert await keys_of(rig) == ["b"]


async def test_an_expiry_without_a_put_is_refused(rig: Rig) -> None:
    with pytest.raises(ValueError, match="a"):
        await rig.store.commit(HOME, expires={"a": rig.now()})
