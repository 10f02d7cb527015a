"""The demo shows the whole way of a task, and says so only if it saw it."""

import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.entry.demo import NAMES
from app.settings import KNOWN_AGENTS
from tests.e2e.local_stage import Desk, new_desk

MOST_MEGABYTES = 350
LINE = re.compile(r" *[\d.]+ s  ([^:]+): .+")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with new_desk(tmp_path) as made:
        yield made


async def test_the_demo_observes_every_step_and_leaves_nothing(desk: Desk) -> None:
    status, said = await desk.run("demo")
    assert status == 0, said

    seen = [found[1] for line in said if (found := LINE.fullmatch(line))]
    assert sorted(seen) == sorted(NAMES)
    assert [seen[0], seen[-1]] == [NAMES[0], NAMES[-1]]
    memory = re.fullmatch(r"all observed on the hub; (\d+) MB of memory at most", said[-1])
    assert memory is not None
    assert 0 < int(memory[1]) < MOST_MEGABYTES
    assert list((desk.home / "tmp").iterdir()) == []


async def test_a_demo_that_is_stopped_says_what_was_not_observed(desk: Desk) -> None:
    demo = await desk.start("demo")
    await demo.until_said(NAMES[0])
    demo.signal(signal.SIGTERM)
    assert await demo.ended() == 1
    [missing] = [line for line in demo.said if line.startswith("not observed: ")]
    assert NAMES[-1] in missing


async def test_a_demo_that_is_kept_serves_its_page_until_it_is_stopped(desk: Desk) -> None:
    demo = await desk.start("demo", "--keep")
    line = await demo.until_said("look at it: ")
    async with desk.session.get(line.split()[3]) as answer:
        page = await answer.text()
    assert (answer.status, "The discount is ignored" in page) == (200, True)
    demo.signal(signal.SIGINT)
    assert await demo.ended() == 0
    assert list((desk.home / "tmp").iterdir()) == []


async def test_an_unknown_agent_is_refused_with_those_that_are_known(desk: Desk) -> None:
    assert await desk.run("demo", "--agent", "nobody") == (
        2,
        [f"orch: there is no agent `nobody` here; there is: {', '.join(sorted(KNOWN_AGENTS))}"],
    )
