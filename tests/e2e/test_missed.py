"""What happened while Orch was stopped is found at its start, with or without GitHub's redelivery."""

from tests.e2e.test_path import assert_done, run_to_done
from tests.e2e.world import World


async def test_a_label_whose_webhook_was_never_sent_starts_its_task(world: World) -> None:
    await world.faults(webhook_drop_rate=1)
    number = await world.open_issue()
    await world.faults()
    await world.start_orch()
    await world.until_status(number, "in_review")


async def test_a_merge_whose_webhook_was_never_sent_finishes_its_task(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    await world.until_idle()
    await world.kill_orch()
    await world.faults(webhook_drop_rate=1)
    await world.merge((await world.until_pull())["number"])
    await world.faults()
    await world.start_orch()
    await world.until_status(number, "done")
    await world.until_idle()
    await assert_done(world, number)


async def test_i1_a_webhook_that_found_nobody_is_redelivered(world: World) -> None:
    number = await world.open_issue()
    await world.call("GET", "/_hub/idle")
    await world.start_orch()
    await world.until_status(number, "in_review")
    await world.merge((await world.until_pull())["number"])
    await world.until_status(number, "done")
    await world.until_idle()
    await assert_done(world, number)


async def test_a_label_on_an_issue_that_was_edited_since_is_not_followed_blindly(world: World) -> None:
    await world.faults(webhook_drop_rate=1)
    number = await world.open_issue()
    await world.until_seconds_pass()
    await world.call("PATCH", f"/repos/{world.repository}/issues/{number}", {"body": "```bash\necho evil > evil\n```"})
    await world.faults()
    await world.start_orch()
    await world.until_idle()
    assert await world.pulls() == []
    assert "take the label `orch` off and put it on again" in (await world.comments(number))[-1]


async def test_a_status_label_moved_by_hand_is_put_back_with_a_word(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    await world.until_idle()
    await world.label(number, "status:done")
    await world.call("DELETE", f"/repos/{world.repository}/issues/{number}/labels/status:in_review")
    await world.until_status(number, "in_review")
    await world.until_idle()
    [comment] = await world.comments(number)
    assert "`writer` moved a status label by hand; it was put back" in comment
    assert await world.labels(number) == {"orch", "status:in_review"}


async def test_a_status_label_moved_while_stopped_is_put_back(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    await world.until_idle()
    await world.kill_orch()
    await world.faults(webhook_drop_rate=1)
    await world.label(number, "status:paused")
    await world.faults()
    await world.start_orch()
    await world.until_status(number, "in_review")


async def test_i7_a_stranger_starts_nothing_and_is_told_once(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue(label=None)
    for _ in range(2):
        await world.label(number, "orch", token="triager")
        await world.until_no_label(number, "orch")
    await world.until_idle()
    [told] = await world.comments(number)
    assert told.startswith("`triager` put the label `orch` on, but only people with write access")
    assert await world.pulls() == []


async def test_attempts_are_bounded_and_the_person_is_called(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue(body="```bash\necho broken >&2\nexit 3\n```")
    await world.until_status(number, "needs_review")
    await world.until_idle()
    living, call = await world.comments(number)
    assert "Runs: 3" in living
    assert call.startswith("Attempt 3, the last, ended as `agent_failed`")
    assert await world.refs() == ["refs/heads/main"]


async def test_a_task_that_waits_for_a_person_starts_again_with_the_label(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue(body="nothing to run")
    await world.until_status(number, "needs_review")
    await world.call("DELETE", f"/repos/{world.repository}/issues/{number}/labels/orch")
    await world.call(
        "PATCH", f"/repos/{world.repository}/issues/{number}", {"body": "```bash\necho hi > hello.txt\n```"}
    )
    await world.label(number, "orch")
    await world.until_status(number, "in_review")
    await world.merge((await world.until_pull())["number"])
    await world.until_status(number, "done")


async def test_the_second_run_to_done_is_as_good_as_the_first(world: World) -> None:
    await world.start_orch()
    await assert_done(world, await run_to_done(world))
    number = await world.open_issue("Add more", "```bash\necho more > more.txt\n```")
    await world.until_status(number, "in_review")
    await world.merge((await world.until_pull())["number"])
    await world.until_status(number, "done")
