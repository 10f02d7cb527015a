"""What comes late, twice, out of order or never, and that the same seed brings the same."""

from app.domain.outcomes import Outcome
from app.domain.task import Status
from tests.simulation.people import Line
from tests.simulation.runner import Ending
from tests.simulation.world import World, open_world

MANY = 8


async def work(world: World) -> None:
    """Have many issues worked on, of which every third fails once, and let people merge what comes of it."""
    world.merges_after = 7.0
    for index in range(MANY):
        number = await world.open_issue(f"Task {index}", "please", ("orch",))
        if index % 3 == 0:
            world.endings[number] = [Ending(Outcome.AGENT_FAILED, seconds=index + 1)]
    await world.survive()


async def statuses(world: World) -> list[Status]:
    records = [await world.record(number) for number in world.happened("issue created")]
    return [record.status for record in records if record]


async def story(seed: int) -> tuple[list[Line], dict[str, int]]:
    async with open_world(seed) as world:
        world.shuffled = True
        world.double(0.2)
        world.drop(0.1)
        await work(world)
        await world.sweep()
        return world.log, dict(world.counts)


async def test_the_same_seed_tells_the_same_story_and_another_one_another() -> None:
    one, again, other = await story(1), await story(1), await story(2)
    assert one == again
    assert one != other


async def test_webhooks_out_of_order_and_twice_change_nothing() -> None:
    async with open_world(3) as world:
        world.shuffled = True
        world.double(0.5)
        await work(world)
        assert await statuses(world) == [Status.DONE] * MANY
        assert len(world.happened("pull opened")) == MANY
        assert sorted(world.happened("issue closed")) == sorted(world.happened("issue created"))
        assert await world.dead_letters() == []


async def test_i2_kills_again_and_again_change_nothing() -> None:
    async with open_world(5) as world:
        world.shuffled = True
        world.crash_often(0.02)
        await work(world)
        assert world.crashes > 10
        assert await statuses(world) == [Status.DONE] * MANY
        assert len(world.happened("pull opened")) == MANY
        assert [len(world.comments_of_orch(number)) for number in world.happened("issue created")] == [1] * MANY


async def test_sweeps_find_what_no_webhook_told() -> None:
    async with open_world(4) as world:
        world.drop(0.5)
        await work(world)
        for _ in range(4):
            world.clock.advance(300)
            await world.sweep()
        assert await statuses(world) == [Status.DONE] * MANY
        assert len(world.happened("pull opened")) == MANY


async def test_what_an_outsider_labels_is_not_worked_on() -> None:
    async with open_world() as world:
        number = await world.open_issue("Add hello", labels=("orch",), by="outsider")
        await world.settle()
        assert await world.record(number) is None
        assert world.issue(number).labels == []


async def test_a_run_that_is_told_to_stop_ends_as_stopped() -> None:
    async with open_world() as world:
        number = await world.open_issue("Add hello", labels=("orch",))
        await world.settle(within=2)
        await world.unlabel(number, "orch")
        await world.settle()
        record = await world.record(number)
        assert record is not None
        assert (record.status, [run.outcome for run in record.runs]) == (Status.PAUSED, [Outcome.CANCELLED])


async def test_a_killed_runner_is_followed_by_another() -> None:
    async with open_world() as world:
        number = await world.open_issue("Add hello", labels=("orch",))
        await world.settle(within=2)
        await world.restart()
        await world.settle()
        assert world.happened("run started") == [number, number]
        assert world.happened("run ended") == [number]
        record = await world.record(number)
        assert record is not None
        assert (record.status, len(record.runs)) == (Status.IN_REVIEW, 1)
