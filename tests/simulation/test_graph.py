"""Random graphs of issues, random ends of runs, random people and random kills: what must hold whatever happens.

Each seed is a story of its own. `GRAPH_SEEDS=200` tells as many of them, from `GRAPH_FROM` on; a story that goes wrong
is printed with its seed.
"""

import os
import re
from random import Random

import pytest
from structlog.testing import capture_logs

from app.domain.blocked import acts_next
from app.domain.record import TaskRecord
from app.domain.task import Status
from tests.simulation.crowd import Crowd
from tests.simulation.forest import Fate
from tests.simulation.watched import AFTER_KILLS, Watched, is_completed
from tests.simulation.world import begun, settings_with

FIRST = int(os.environ.get("GRAPH_FROM", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("GRAPH_SEEDS", "6")))
MOST_ISSUES = 60
LONGEST = 500
NAMES_AN_ACT = re.compile(r"person|`/[a-z]+|label|reopen")


def open_story(seed: int) -> Watched:
    """Make a world by chance: how much is left to people, how many run at once, and what the weather is like."""
    chance = Random(f"world-{seed}")
    world = Watched(
        seed,
        settings_with(
            autonomy=chance.choice(("full", "checkpoint", "checkpoint", "manual")),
            integration=chance.random() < 0.7,
            max_parallel=chance.randint(1, 6),
            max_attempts=2,
        ),
    )
    world.shuffled = chance.random() < 0.7
    world.merges_after = chance.choice((None, 2.0, 10.0, 30.0))
    world.place.echoes = chance.random() < 0.2
    return world


def bad_weather(world: Watched, seed: int) -> None:
    chance = Random(f"weather-{seed}")
    world.double(chance.choice((0.0, 0.0, 0.2)))
    world.drop(chance.choice((0.0, 0.0, 0.1)))
    if chance.random() < 0.4:
        world.crash_often(chance.choice((0.002, 0.01)))
        world.grace = AFTER_KILLS


async def live(world: Watched, seed: int) -> None:
    """Let people do things while Orch works, then let them wait, and then clean up."""
    chance = Random(f"pace-{seed}")
    crowd = Crowd(world, seed, MOST_ISSUES)
    fate = world.script = Fate(seed, chance.choice((5, 10, 20, 30)))
    await crowd.begin()
    for _ in range(chance.randint(20, 70)):
        await crowd.wander()
        await world.survive(chance.choice((0.0, 0.5, 4.0, 15.0)))
    lost = world.place.lost > 0
    await calm_down(world)
    if not lost:  # then nothing needs a look
        await check_standing(world)
    await look_for_missed(world)
    await check_standing(world)
    fate.kind, world.merges_after = True, 1.0
    await crowd.tidy()


async def calm_down(world: Watched) -> None:
    """End the bad weather, and let Orch do what is left to do."""
    world.note("    the weather is fine")
    world.drop(0)
    world.double(0)
    world.crash_often(0)
    await world.survive()


async def look_for_missed(world: Watched) -> None:
    """Let Orch find what no webhook told it of."""
    for _ in range(3):
        world.clock.advance(300)
        await world.sweep()


async def check_standing(world: Watched) -> None:
    """Hold every task against GitHub, after all that could happen by itself has."""
    for number in world.place.issues:
        record = await world.record(number)
        if record is not None and not record.status.is_final:
            wrong = await why_forgotten(world, record)
            if wrong:
                world.fail(f"#{number} is {record.status.value}, {wrong}: {record.why}")


async def why_forgotten(world: Watched, record: TaskRecord) -> str | None:
    """Say what is wrong where a task stands, None if it waits for somebody as it should."""
    number = record.task.number
    match record.status:
        case Status.BLOCKED:
            return await why_wrongly_blocked(world, record)
        case Status.NEEDS_REVIEW | Status.PAUSED:
            return None if NAMES_AN_ACT.search(record.why) else "and does not say what a person must do"
        case Status.IN_REVIEW:
            is_open = any(world.place.pulls[one].is_open for one in world.pulls_of(number))
            return None if is_open else "without an open pull request"
    return "and nothing happens any more"


async def why_wrongly_blocked(world: Watched, record: TaskRecord) -> str | None:
    row = world.issue(record.task.number)
    if record.graph is not None and record.graph.started:
        return None if any(world.issue(one).is_open for one in row.children) else "and all its children are closed"
    if record.lock_holder is not None and record.job_id is not None:
        holder = await world.record(record.lock_holder)
        return None if holder is not None and not holder.status.is_final else "for a lock that nobody holds"
    waits_for = [one for one in row.blocked_by if not is_completed(world.issue(one))]
    if not waits_for:
        return "and nothing blocks it"
    missing = [one for one in waits_for[:5] if f"#{one}" not in record.why]
    return f"and does not name {missing}, for which it waits ({acts_next(record)})" if missing else None


async def check_end(world: Watched) -> None:
    """Hold the end against what must be true of every story."""
    for number in world.place.issues:
        opened = [one for one in world.pulls_of(number) if world.place.pulls[one].is_open]
        if len(opened) > 1:
            world.fail(f"#{number} has the pull requests {opened} open")
        living = [row for row in world.comments_of_orch(number) if "<!-- orch:record" in row.body]
        if len(living) > 1:
            world.fail(f"#{number} has {len(living)} comments that follow the work")
    if letters := await world.dead_letters():
        world.fail(f"dead letters: {[letter[-LONGEST:] for letter in letters]}")


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_nothing_begins_too_early_nor_twice_and_nothing_is_forgotten(seed: int) -> None:
    async with begun(open_story(seed)) as world:
        with capture_logs() as errors:
            bad_weather(world, seed)
            await live(world, seed)
            await check_end(world)
        if errors:
            world.fail(f"{len(errors)} errors in the log: {str(errors)[-LONGEST:]}")
