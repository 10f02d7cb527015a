"""GitHub is the record: `store.db` may be deleted while Orch is stopped."""

import pytest

from tests.e2e.forked import Forked
from tests.e2e.harness import Harness, finish
from tests.e2e.test_path import run_to_done
from tests.e2e.world import World

STAGES = {
    "the label lies in the queue": "web: after events.send 3",
    "the task was admitted": "issues: after store.commit 1",
    "the slot was given": "slot_wanted: after jobs.send 1",
    "the run was granted": "job: after store.commit 1",
    "the living comment was posted": "run_started: after github.create_comment 1",
    "the agent works": "job: after agent 1",
    "the run's commit was pushed": "job: after git.push 1",
    "the branch was made": "run_finished: after github.create_branch 1",
    "the pull request was opened": "run_finished: after github.create_pull 1",
    "the merge is being handled": "pull_merged: after github.close_issue 1",
}


@pytest.mark.parametrize("point", STAGES.values(), ids=STAGES.keys())
async def test_i9_the_end_is_the_same_though_the_store_was_deleted_when(harness: Harness, point: str) -> None:
    async with harness.world(point) as world:
        first = await harness.start(world, kill_at=point)
        await world.until_idle()
        number = await world.open_issue()
        await merge_when_in_review(world, number, unless_gone=first)
        await first.wait()
        world.delete_store()
        await harness.start(world)
        await finish(world, number, allow_run_refs=True)


async def merge_when_in_review(world: World, number: int, unless_gone: Forked) -> None:
    """Merge the pull request when it waits for review, or do nothing when the process is gone before."""

    async def probe() -> bool:
        return unless_gone.returncode is not None or "status:in_review" in await world.labels(number)

    await world.until("review, or the kill", probe)
    if unless_gone.returncode is None:
        await world.merge((await world.until_pull())["number"])


async def test_i9_a_finished_task_is_not_begun_again_though_the_store_was_deleted(world: World) -> None:
    await world.start_orch()
    number = await run_to_done(world)
    await world.kill_orch()
    world.delete_store()
    await world.start_orch()
    await world.until_idle()
    assert len(await world.pulls()) == 1
    assert "status:done" in await world.labels(number)


async def test_i9_spend_and_attempts_survive_the_store(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue(body="```bash\nexit 3\n```")
    await world.until_status(number, "needs_review")
    await world.until_idle()
    before = (await world.comments(number))[0].split("<!--")[0]
    await world.kill_orch()
    world.delete_store()
    await world.start_orch()
    await world.call("DELETE", f"/repos/{world.repository}/issues/{number}/labels/status:needs_review")
    await world.until_status(number, "needs_review")
    await world.until_idle()
    after = (await world.comments(number))[0].split("<!--")[0]
    assert "Runs: 3" in before
    assert [line for line in after.splitlines() if line.startswith("* ")] == [
        line for line in before.splitlines() if line.startswith("* ")
    ]


async def test_a_forged_marker_is_reported_and_the_person_told_how_to_go_on(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    await world.until_idle()
    await world.kill_orch()
    world.delete_store()
    [comment] = await world.read(f"/issues/{number}/comments")
    forged = comment["body"].replace('"attempt":1', '"attempt":0')
    await world.call("PATCH", f"/repos/{world.repository}/issues/comments/{comment['id']}", {"body": forged})

    await world.start_orch()
    await world.until_idle()

    assert "signature does not match" in world.log.read_text()
    assert "take the label `orch` off and put it on again" in (await world.comments(number))[-1]
    assert await world.labels(number) == {"orch"}


async def test_a_forged_marker_is_rewritten_from_the_store(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    [comment] = await world.read(f"/issues/{number}/comments")
    await world.call("PATCH", f"/repos/{world.repository}/issues/comments/{comment['id']}", {"body": "mine now"})
    await world.merge((await world.until_pull())["number"])
    await world.until_status(number, "done")
    await world.until_idle()
    [after] = await world.comments(number)
    assert after.startswith("**Orch: done.**")
