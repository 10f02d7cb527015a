"""Commands in comments, one test each: what a person says, and what he sees then."""

import pytest

from tests.e2e.world import World

SLEEP = "```bash\nsleep 3000\necho late > late.txt\n```"
BROKEN = "```bash\nexit 3\n```"
HELLO = "```bash\necho hello > hello.txt\n```"
TWO_STEPS = "```bash\necho first >> first.txt\n[ $(wc -l < first.txt) -gt 1 ] || sleep 3000\n```"
MORE = "Also this:\n\n```bash\necho more > more.txt\n```"


async def in_review(world: World, body: str = HELLO) -> int:
    """Let a task come to the review of its pull request."""
    number = await world.open_issue(body=body)
    await world.until_status(number, "in_review")
    await world.until_idle()
    return number


async def at_work(world: World, body: str = SLEEP) -> int:
    """Let an agent be at work, as people are told, that goes on until it is stopped."""
    number = await world.open_issue(body=body)
    await world.until_text(number, "works on attempt 1")
    return number


async def parked(world: World, body: str = BROKEN) -> int:
    number = await world.open_issue(body=body)
    await world.until_status(number, "needs_review")
    await world.until_idle()
    return number


async def files(world: World) -> list[str]:
    """List what the only pull request changes."""
    [pull] = await world.pulls()
    return sorted(file["filename"] for file in await world.read(f"/pulls/{pull['number']}/files"))


async def test_orch_lists_what_may_be_said_now(world: World) -> None:
    await world.start_orch()
    number = await in_review(world)
    comment = await world.say(number, "/orch")
    reply = await world.until_reply(number)
    assert reply.startswith("`writer`, the task is `in_review`.")
    assert "| `/merge` |" in reply
    assert "| `/resume` |" not in reply
    await world.until_reactions(comment, ["eyes", "rocket"])


async def test_why_tells_the_reason_and_who_acts(world: World) -> None:
    await world.start_orch()
    number = await parked(world)
    await world.say(number, "/why")
    reply = await world.until_reply(number, after=2)
    assert "the task is `needs_review`. Attempt 3, the last, ended as `agent_failed`" in reply
    assert "Who acts next: a person with write access." in reply
    assert "What was decided last" in reply


async def test_stop_ends_the_agent_and_keeps_its_work_for_resume(world: World) -> None:
    await world.start_orch()
    number = await at_work(world, TWO_STEPS)
    await world.until_made("first.txt")
    await world.say(number, "/stop")
    await world.until_status(number, "paused")
    await world.until_text(number, "What the agent did so far is kept")
    await world.say(number, "/resume")
    await world.until_status(number, "in_review")
    assert await files(world) == ["first.txt"]


async def test_pause_and_resume(world: World) -> None:
    await world.start_orch()
    number = await in_review(world)
    await world.say(number, "/pause")
    await world.until_status(number, "paused")
    await world.say(number, "/resume")
    await world.until_status(number, "in_review")
    await world.until_idle()
    assert "Runs: 1" in (await world.comments(number))[0]  # the review goes on, and no agent began


async def test_cancel_ends_the_task_and_retry_takes_it_up_again(world: World) -> None:
    await world.start_orch()
    number = await at_work(world)
    await world.say(number, "/cancel")
    await world.until_status(number, "cancelled")
    await world.until_no_label(number, "orch")
    await world.call("PATCH", f"/repos/{world.repository}/issues/{number}", {"body": HELLO})
    await world.say(number, "/retry")
    await world.until_status(number, "in_review")
    assert "orch" in await world.labels(number)


async def test_retry_follows_the_text_of_now(world: World) -> None:
    await world.start_orch()
    number = await parked(world)
    await world.call("PATCH", f"/repos/{world.repository}/issues/{number}", {"body": HELLO})
    await world.say(number, "/retry please")
    await world.until_status(number, "in_review")
    assert await files(world) == ["hello.txt"]


async def test_agent_chooses_for_the_next_attempt(world: World) -> None:
    await world.start_orch(AGENTS='["script", "other"]', AGENT_OPTIONS='{"other": {"adapter": "script"}}')
    number = await parked(world)
    await world.say(number, "/agent other")
    await world.until_text(number, "chose the agent `other`")
    await world.say(number, "/retry")
    await world.until_text(number, "| Agent | `other` |")


async def test_ok_to_run_blesses_a_strangers_issue(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue(body=HELLO, label=None, token="triager")
    await world.say(number, "/ok-to-run")
    await world.until_status(number, "in_review")
    assert "orch" in await world.labels(number)


async def test_log_shows_the_end_of_the_run(world: World) -> None:
    await world.start_orch()
    number = await parked(world, "```bash\necho this is what went wrong >&2\nexit 3\n```")
    await world.say(number, "/log")
    assert "this is what went wrong" in await world.until_reply(number, after=2)


async def test_merge_merges_closes_and_cleans_up(world: World) -> None:
    await world.start_orch()
    number = await in_review(world)
    [pull] = await world.pulls()
    await world.say(pull["number"], "/merge")
    await world.until_status(number, "done")
    await world.until_idle()
    assert (await world.read(f"/issues/{number}"))["state"] == "closed"
    assert await world.refs() == ["refs/heads/main"]
    assert world.workspaces() == []


async def test_retry_with_a_text_is_another_round_on_the_pull_request(world: World) -> None:
    await world.start_orch()
    number = await in_review(world)
    await world.say(number, f"/retry {MORE}")
    await world.until_files(["hello.txt", "more.txt"])
    await world.until_status(number, "in_review")


async def test_rebase_brings_the_base_branch_in(world: World) -> None:
    await world.start_orch()
    number = await in_review(world)
    await world.commit("main", "other.txt", "other")
    await world.say(number, "/rebase")

    async def updated() -> bool:
        [pull] = await world.pulls()
        return len(await world.read(f"/pulls/{pull['number']}/commits")) > 1

    await world.until("the base branch in the pull request", updated)
    await world.until_idle()
    await world.until_status(number, "in_review")


async def test_review_by_the_agent(world: World) -> None:
    await world.start_orch()
    number = await in_review(world)
    [pull] = await world.pulls()
    await world.say(number, "/review")

    async def reviewed() -> list[dict[str, str]]:
        return list(await world.read(f"/pulls/{pull['number']}/reviews"))

    [review] = await world.until("a review", reviewed)
    assert review["body"].startswith("A review by the agent `script`")
    await world.until_status(number, "in_review")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/retyr", "/retry"),
        ("/approve budget", "/approve budget"),
        ("/agent scirpt", "script"),
    ],
)
async def test_a_mistake_is_pointed_out(world: World, said: str, told: str) -> None:
    await world.start_orch()
    number = await in_review(world)
    comment = await world.say(number, said)
    reply = await world.until_reply(number)
    assert "^" in reply
    assert told in reply
    await world.until_reactions(comment, ["eyes", "confused"])


async def test_a_ticked_box_is_a_command_and_other_edits_are_undone(world: World) -> None:
    await world.start_orch()
    number = await parked(world)
    living = (await world.read(f"/issues/{number}/comments"))[0]
    path = f"/repos/{world.repository}/issues/comments/{living['id']}"
    await world.call("PATCH", path, {"body": "Mine now."}, "maintainer")
    await world.until_text(number, "`maintainer` edited this comment; it was put back")
    await world.call("PATCH", f"/repos/{world.repository}/issues/{number}", {"body": HELLO})
    await world.until_idle()
    body = (await world.read(f"/issues/{number}/comments"))[0]["body"]
    assert "- [ ] `/retry`" in body
    await world.call("PATCH", path, {"body": body.replace("- [ ] `/retry`", "- [x] `/retry`")}, "maintainer")
    await world.until_status(number, "in_review")
