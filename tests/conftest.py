"""Fixtures of the tests that start hub and Orch as processes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.aws.stack import CREDENTIALS, Stack, started
from tests.e2e.forked import Zygote, new_zygote
from tests.e2e.world import World, new_world

# What a property test does not say itself: the same examples at each run, and no limit that a machine at work passes.
settings.register_profile(
    "patient", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """What all hubs and Orchs of this process's tests are forked from."""
    with new_zygote() as made:
        yield made


@pytest.fixture(scope="session")
def template(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a hub that was set up once for all."""
    folder = tmp_path_factory.mktemp("template")

    async def set_up() -> None:
        # It tells nobody: what it could not deliver would be delivered in each world again.
        async with new_world(folder, zygote.launch, webhooks=False) as world:
            await world.call("GET", "/_hub/idle")
            assert world.hub
            await world.hub.stop()

    asyncio.run(set_up())
    return folder / "hub"


@pytest.fixture
async def world(tmp_path: Path, zygote: Zygote, template: Path) -> AsyncIterator[World]:
    async with new_world(tmp_path, zygote.launch, template) as made:
        yield made


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """AWS for all tests of this process, each with queues, tables and buckets of its own."""
    with started(tmp_path_factory.mktemp("aws")) as stack, pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        yield stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("kill") is None)
