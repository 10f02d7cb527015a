"""One labelled issue on its way to done, with the process killed at each step of it."""

from app.domain.task import Status
from tests.simulation.world import World, open_world


async def go_through(world: World) -> None:
    """Label an issue, and merge what comes of it; whatever is killed meanwhile is started again."""
    number = await world.open_issue("Add hello", "please", ("orch",))
    await world.survive()
    await world.merge(world.pulls_of(number)[0])
    await world.survive()


async def require_done(world: World, number: int = 1) -> None:
    record = await world.record(number)
    assert record is not None
    assert (record.status, len(record.runs)) == (Status.DONE, 1)
    assert len(world.pulls_of(number)) == 1
    assert len(world.comments_of_orch(number)) == 1
    assert world.issue(number).labels == ["orch", "status:done"]
    assert not world.issue(number).is_open
    assert list(world.place.refs) == ["refs/heads/main"]
    assert await world.dead_letters() == []


async def test_a_labelled_issue_is_run_merged_and_done() -> None:
    async with open_world() as world:
        await go_through(world)
        await require_done(world)


# To be killed after a step is to be killed before the next one: between the two nothing is kept.
async def test_i2_a_kill_before_any_step_leaves_one_pull_request_one_comment_and_one_run_counted() -> None:
    steps, crashed = 0, True
    while crashed:
        steps += 1
        async with open_world() as world:
            world.place.echoes = False
            world.crash_at(steps)
            await go_through(world)
            crashed = world.crashes > 0
            await require_done(world)
    assert steps > 50
