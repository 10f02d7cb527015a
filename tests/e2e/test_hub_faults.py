"""The path over a GitHub that fails in every way it knows: the same end, and nothing is done twice."""

import asyncio
import re
from typing import Any

import pytest

from tests.e2e.test_path import assert_done, request_line, run_to_done
from tests.e2e.world import World

WEBHOOKS: dict[str, Any] = {"webhook_double": True, "webhook_shuffle": True, "webhook_delay": 0.05}


@pytest.mark.parametrize(
    "switches",
    [
        pytest.param({"write_then_502": "once"}, id="each write succeeds and then answers 502"),
        pytest.param({"write_then_502": "once", "lag_seconds": 0.15}, id="and lists lag"),
        pytest.param({"fail_rate": 0.2, "seed": 1}, id="a fifth of all calls fails"),
        pytest.param({"fail_rate": 0.2, "seed": 2}, id="another fifth of all calls fails"),
        pytest.param({"lag_seconds": 0.15}, id="lists lag"),
        pytest.param(WEBHOOKS, id="webhooks doubled, shuffled and delayed"),
        pytest.param({**WEBHOOKS, "webhook_refuse_rate": 0.3, "seed": 3}, id="and three in ten refused"),
        pytest.param(
            {**WEBHOOKS, "write_then_502": 0.2, "fail_rate": 0.2, "lag_seconds": 0.15, "seed": 4}, id="all at once"
        ),
    ],
)
async def test_the_end_is_the_same(world: World, switches: dict[str, Any]) -> None:
    await world.start_orch()
    await world.faults(**switches)
    number = await run_to_done(world)
    await world.faults()
    await assert_done(world, number)


async def test_a_secondary_limit_is_obeyed_to_the_second(world: World) -> None:
    limit = {"count": 1, "window": 60, "retry_after": 1, "status": 403}
    await world.start_orch()
    await world.until_idle()
    await world.faults(secondary_limit=limit)
    number = await run_to_done(world)
    limited = [entry for entry in await world.requests() if entry["status"] == 403]
    assert (await world.call("GET", "/_hub/faults"))["violations"] == 0
    assert limited
    await world.faults()
    await assert_done(world, number)


async def test_i2_three_labels_at_once_and_every_webhook_twice_make_one_task(world: World) -> None:
    await world.start_orch()
    await world.faults(**WEBHOOKS)
    number = await world.open_issue(label=None)
    await world.call("POST", f"/repos/{world.repository}/issues/{number}/labels", {"labels": ["bug", "orch", "help"]})
    await world.until_status(number, "in_review")
    await world.until_idle()
    requests = [request_line(entry) for entry in await world.requests()]
    assert len([line for line in requests if re.fullmatch(r"POST .*/comments", line)]) == 1
    assert len([line for line in requests if re.fullmatch(r"POST .*/pulls", line)]) == 1


async def test_tasks_side_by_side_end_each_by_itself(world: World) -> None:
    await world.start_orch()
    await world.faults(**WEBHOOKS, fail_rate=0.1, seed=5)
    bodies = [f"```bash\necho {index} > file{index}.txt\n```" for index in range(4)]
    numbers = await asyncio.gather(*(world.open_issue(f"Task {index}", body) for index, body in enumerate(bodies)))
    for number in numbers:
        await world.until_status(number, "in_review")
    pulls = await world.pulls()
    assert sorted(int(pull["head"]["ref"].split("/")[1].split("-")[0]) for pull in pulls) == sorted(numbers)
    for pull in pulls:
        await world.merge(pull["number"])
    for number in numbers:
        await world.until_status(number, "done")
