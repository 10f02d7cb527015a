"""The whole path on AWS: webhook, web function, SQS, events function, runner, runs function, and back to GitHub."""

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


async def test_a_label_becomes_a_merged_pull_request_without_a_server(world: World, stack: Stack) -> None:
    async with open_cloud(world, stack) as cloud, functions_at_work(cloud):
        number = await take_the_path(cloud)
        await assert_done(world, number)

        sweep = cloud.functions["sweep"]
        assert (await sweep.invoke({})).value is None
        await cloud.until_idle()
        seen = await world.requests()
        assert "/app/hook/deliveries" in {request["path"] for request in seen}
        assert (await sweep.invoke({})).value is None
        assert await world.requests() == seen, "of the sweeps in a span of time only one looks"
        await assert_done(world, number)
