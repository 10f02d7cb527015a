"""What every keeper of artifacts does."""

import asyncio

import pytest

from tests.contract.conftest import Rig

each_bad_key = pytest.mark.parametrize(
    "key",
    ["", "/", "a/", "/a", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", "a\\b", "a b", "a\n", "~a", "ä", "a\0"],
)


async def test_what_was_written_is_read(rig: Rig) -> None:
    data = bytes(range(256)) * 5000
    await rig.artifacts.write("runs/run-1/transcript.jsonl", data)
    assert await rig.artifacts.read("runs/run-1/transcript.jsonl") == data


async def test_what_is_not_there_is_none(rig: Rig) -> None:
    assert await rig.artifacts.read("runs/none") is None


async def test_a_folder_of_keys_is_no_key(rig: Rig) -> None:
    await rig.artifacts.write("runs/a", b"1")
    assert (await rig.artifacts.read("runs"), await rig.artifacts.read("runs/a/b")) == (None, None)


async def test_nothing_is_not_none(rig: Rig) -> None:
    await rig.artifacts.write("a", b"")
    assert await rig.artifacts.read("a") == b""


async def test_a_write_replaces(rig: Rig) -> None:
    await rig.artifacts.write("a", b"long before")
    await rig.artifacts.write("a", b"after")
    assert await rig.artifacts.read("a") == b"after"


async def test_an_append_makes_what_is_missing(rig: Rig) -> None:
    await rig.artifacts.append("runs/log", b"one")
    assert await rig.artifacts.read("runs/log") == b"one"


async def test_an_append_adds_to_the_end(rig: Rig) -> None:
    await rig.artifacts.write("log", b"one,")
    await rig.artifacts.append("log", b"two,")
    await rig.artifacts.append("log", b"three")
    assert await rig.artifacts.read("log") == b"one,two,three"


async def test_keys_are_apart(rig: Rig) -> None:
    await rig.artifacts.write("a.b", b"1")
    await rig.artifacts.write("a-b", b"2")
    await rig.artifacts.write("A.b/c", b"3")
    keys = ["a.b", "a-b", "A.b/c"]
    assert [await rig.artifacts.read(key) for key in keys] == [b"1", b"2", b"3"]


async def test_a_reader_sees_the_old_or_the_new_and_nothing_between(rig: Rig) -> None:
    blobs = [bytes([value]) * 300_000 for value in range(4)]
    await rig.artifacts.write("a", blobs[0])
    writes = [rig.artifacts.write("a", blob) for blob in blobs]
    reads = [rig.artifacts.read("a") for _ in range(8)]
    _, seen = await asyncio.gather(asyncio.gather(*writes), asyncio.gather(*reads))
    assert set(seen) <= set(blobs)


@each_bad_key
async def test_what_is_no_key_is_refused(rig: Rig, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        await rig.artifacts.write(key, b"")
    with pytest.raises(ValueError, match="key"):
        await rig.artifacts.append(key, b"")
    with pytest.raises(ValueError, match="key"):
        await rig.artifacts.read(key)
