"""Fixtures of the end-to-end tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.forked import Forked, new_forked_world, new_zygote
from tests.e2e.harness import Harness
from tests.e2e.world import World, new_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with new_world(tmp_path) as made:
        yield made


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    """A zygote, and the state of a hub that was set up once for all."""
    async with new_zygote() as zygote:
        async with new_forked_world(tmp_path / "template", zygote) as world:
            await world.call("GET", "/_hub/idle")
            assert isinstance(world.hub, Forked)
            await world.hub.stop()
        yield Harness(zygote, tmp_path / "worlds", tmp_path / "template" / "hub")
