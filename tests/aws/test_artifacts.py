"""What the keeper of artifacts in S3 does besides what every one does."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.domain.errors import Retryable
from infra.aws import artifacts as parts
from infra.aws.artifacts import S3Artifacts
from infra.aws.clients import Clients
from infra.aws.objects import Objects
from tests.aws.faulty import Fault, Proxy, Ways, do_and_fail, late, lose, throttle, two_ways
from tests.aws.stack import Stack, make_bucket

pytestmark = pytest.mark.asyncio(loop_scope="module")

LARGE = b"x" * (parts.PART - 5)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways(stack: Stack) -> AsyncIterator[Ways]:
    async with two_ways(stack) as ways:
        yield ways


@pytest.fixture
def proxy(ways: Ways) -> Proxy:
    ways.proxy.heal()
    return ways.proxy


@pytest.fixture
def clients(ways: Ways) -> Clients:
    return ways.clients


@pytest_asyncio.fixture(loop_scope="module")
async def bucket(ways: Ways) -> str:
    return await make_bucket(ways.direct)


@pytest.fixture
def artifacts(clients: Clients, bucket: str) -> S3Artifacts:
    return S3Artifacts(clients, bucket)


async def keys_of(clients: Clients, bucket: str) -> list[str]:
    return await Objects(clients, bucket).keys("")


async def test_appends_of_one_process_keep_their_order(artifacts: S3Artifacts) -> None:
    pieces = [b"%d," % number for number in range(8)]
    await asyncio.gather(*(artifacts.append("log", piece) for piece in pieces))
    assert await artifacts.read("log") == b"".join(pieces)


async def test_small_appends_share_a_part(clients: Clients, bucket: str, artifacts: S3Artifacts) -> None:
    for piece in (b"one", LARGE, b"two", b"three", LARGE):
        await artifacts.append("log", piece)
    assert await artifacts.read("log") == b"one" + LARGE + b"twothree" + LARGE
    assert len(await keys_of(clients, bucket)) == 3


async def test_what_another_process_appended_is_kept_and_comes_before(
    clients: Clients, bucket: str, artifacts: S3Artifacts
) -> None:
    await artifacts.append("log", b"one,")
    await S3Artifacts(clients, bucket).append("log", b"two,")
    await S3Artifacts(clients, bucket).append("log", b"three")
    assert await artifacts.read("log") == b"one,two,three"


async def test_two_who_append_at_once_overwrite_nothing(clients: Clients, bucket: str) -> None:
    several = [S3Artifacts(clients, bucket) for _ in range(4)]
    await asyncio.gather(*(one.append("log", b"%d" % number) for number, one in enumerate(several)))
    assert sorted(await several[0].read("log") or b"") == sorted(b"0123")


async def test_a_write_replaces_what_was_appended_and_leaves_nothing_behind(
    clients: Clients, bucket: str, artifacts: S3Artifacts
) -> None:
    await artifacts.append("log", b"old")
    await artifacts.write("log", b"new")
    await artifacts.append("log", b"er")
    await artifacts.write("log", b"newest")
    assert (await artifacts.read("log"), await keys_of(clients, bucket)) == (b"newest", ["log"])


async def test_a_reader_sees_no_old_part_while_a_write_deletes_them(
    clients: Clients, bucket: str, artifacts: S3Artifacts, proxy: Proxy
) -> None:
    await artifacts.write("log", b"old")
    await artifacts.append("log", b"part")
    seen = list[bytes | None]()

    async def read() -> None:
        seen.append(await S3Artifacts(clients, bucket).read("log"))

    proxy.next(late(read), of="PUT")
    await artifacts.write("log", b"new")
    assert seen == [b"new"]


async def test_parts_that_a_crash_left_behind_are_not_read(
    clients: Clients, bucket: str, artifacts: S3Artifacts
) -> None:
    await artifacts.append("log", b"old")
    (left,) = await keys_of(clients, bucket)
    await artifacts.write("log", b"new")
    await Objects(clients, bucket).put(left, b"old")
    assert await artifacts.read("log") == b"new"


async def test_a_blob_that_was_only_begun_by_others_is_another(artifacts: S3Artifacts) -> None:
    await artifacts.append("log.1", b"one")
    await artifacts.append("log/1", b"two")
    assert await artifacts.read("log") is None


@pytest.mark.parametrize("loss", [lose, do_and_fail], ids=["cut", "500"])
async def test_what_was_appended_without_an_answer_is_there_once(
    artifacts: S3Artifacts, proxy: Proxy, loss: Fault
) -> None:
    proxy.next(loss, of="PUT")
    await artifacts.append("log", b"one,")
    proxy.next(loss, of="PUT")
    await artifacts.append("log", b"two")
    assert await artifacts.read("log") == b"one,two"


async def test_what_follows_a_failed_append_is_kept(artifacts: S3Artifacts, proxy: Proxy) -> None:
    await artifacts.append("log", b"one,")
    proxy.every(1, throttle, of="PUT")
    with pytest.raises(Retryable):
        await artifacts.append("log", b"two,")
    proxy.heal()
    await artifacts.append("log", b"three")
    assert await artifacts.read("log") == b"one,three"


async def test_a_cancelled_append_harms_none_that_follows(artifacts: S3Artifacts, proxy: Proxy) -> None:
    await artifacts.append("log", b"one,")
    arrived, leave = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        arrived.set()
        await leave.wait()

    proxy.next(late(wait), of="PUT")
    cancelled = asyncio.create_task(artifacts.append("log", b"two,"))
    await arrived.wait()
    cancelled.cancel()
    await asyncio.wait({cancelled})
    await artifacts.append("log", b"three")
    leave.set()
    assert await artifacts.read("log") == b"one,two,three"


async def test_a_prefix_is_before_every_key(clients: Clients, bucket: str) -> None:
    await S3Artifacts(clients, bucket, "runs/").append("log", b"one")
    assert await S3Artifacts(clients, bucket).read("runs/log") == b"one"
    assert all(key.startswith("runs/log") for key in await keys_of(clients, bucket))
