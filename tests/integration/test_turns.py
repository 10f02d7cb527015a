"""Of several processes over one store, one does what is done every so often."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.turns import Turns
from tests.integration.core_stage import NOW, Stage, open_stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        yield opened


async def test_a_turn_is_taken_once_in_its_time(stage: Stage) -> None:
    turns = Turns(stage.store, stage.clock)
    assert (await turns.last("sweep"), await turns.take("sweep", 300)) == (None, True)
    assert (await turns.last("sweep"), await turns.take("sweep", 300)) == (NOW, False)
    await stage.clock.pass_time(299)  # who comes every 300 s may come a little early
    assert await turns.take("sweep", 300)


async def test_of_those_who_come_at_once_one_gets_the_turn(stage: Stage) -> None:
    turns = Turns(stage.store, stage.clock)
    assert sum(await asyncio.gather(*(turns.take("sweep", 300) for _ in range(8)))) == 1
    assert await turns.take("another", 300)
