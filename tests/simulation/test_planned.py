"""One planned issue on its way to done, with the process killed at each step of it.

There are about a thousand steps. By default every 60th is tried, from `PLANNED_FROM` on; `PLANNED_EVERY=1` tries all.
"""

import os

import pytest

from tests.simulation.planned import go_through, require_done
from tests.simulation.world import open_world

EVERY = int(os.environ.get("PLANNED_EVERY", "60"))
FROM = int(os.environ.get("PLANNED_FROM", "17"))
LEAST = 800
"""Steps that the way has at the least: with fewer of them, the test would not reach its end."""


async def kill_at(step: int, autonomy: str) -> bool:
    """Go the whole way with a kill before that step, and say whether there was such a step."""
    async with open_world(autonomy=autonomy) as world:
        world.place.echoes = False
        world.crash_at(step)
        await go_through(world, approved=autonomy == "checkpoint")
        await require_done(world)
        return world.crashes > 0


@pytest.mark.parametrize("autonomy", ["checkpoint", "full"])
async def test_a_planned_issue_is_created_linked_run_merged_and_done_once(autonomy: str) -> None:
    async with open_world(autonomy=autonomy) as world:
        await go_through(world, approved=autonomy == "checkpoint")
        await require_done(world)


# To be killed after a step is to be killed before the next one: between the two nothing is kept.
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("autonomy", ["checkpoint", "full"])
async def test_i2_a_kill_before_any_step_of_a_plan_leaves_everything_done_once(autonomy: str) -> None:
    step = FROM
    while await kill_at(step, autonomy):
        print(f"killed before step {step}, and all was well")  # the one after the last of these went wrong
        step += EVERY
    assert step > LEAST
