"""The whole path on AWS: webhook, web function, SQS, events function, runner, runs function, and back to GitHub."""

import pytest

from app.entry.queues import list_queues
from app.entry.tasks import list_tasks
from app.settings import StateSettings, demand
from app.sources import gather
from tests.aws.cloud import Cloud, functions_at_work, open_cloud
from tests.aws.stack import Stack
from tests.e2e.test_path import assert_done
from tests.e2e.world import World


async def take_the_path(cloud: Cloud) -> int:
    """Have an issue done by functions, and a runner that is started when there is a job."""
    world = cloud.world
    number = await world.open_issue()
    await cloud.until_job()
    runner = await cloud.start_runner()
    await world.until_status(number, "in_review")
    await world.merge((await world.until_pull())["number"])
    await world.until_status(number, "done")
    await cloud.until_idle()
    assert await runner.stop() == 0
    return number


async def look_as_the_operator(cloud: Cloud) -> tuple[list[tuple[str, int, int]], list[tuple[str, str]]]:
    """Return what commands say of what is on AWS: queues with what waits and is dead, tasks with their status."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
        sources = gather(StateSettings.model_fields, {"ORCH_BACKEND": "aws", **cloud.places}, cloud.world.folder, None)
        settings = demand(StateSettings, sources)
        queues, tasks = await list_queues(settings), await list_tasks(settings, None, None)
    return [(row.queue, row.waiting, row.dead) for row in queues], [(row.task, row.status) for row in tasks]


async def test_a_label_becomes_a_merged_pull_request_without_a_server(world: World, stack: Stack) -> None:
    async with open_cloud(world, stack) as cloud, functions_at_work(cloud):
        number = await take_the_path(cloud)
        await assert_done(world, number)
        seen = ([("events", 0, 0), ("jobs", 0, 0)], [(f"acme/widgets#{number}", "done")])
        assert await look_as_the_operator(cloud) == seen

        sweep = cloud.functions["sweep"]
        assert (await sweep.invoke({})).value is None
        await cloud.until_idle()
        requests = await world.requests()
        assert "/app/hook/deliveries" in {request["path"] for request in requests}
        assert (await sweep.invoke({})).value is None
        assert await world.requests() == requests, "of the sweeps in a span of time only one looks"
        await assert_done(world, number)
