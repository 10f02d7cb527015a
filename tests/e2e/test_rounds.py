"""Rounds on an open pull request: reviews, failing checks, conflicts, mentions, and what is said during a run."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.test_commands import HELLO, MORE, at_work, files, in_review
from tests.e2e.world import UNHURRIED, World

FIX = "Please fix:\n\n```bash\necho fixed >> hello.txt\n```"


async def review(world: World, event: str, body: str = "", **more: Any) -> None:
    [pull] = await world.pulls()
    told = {"event": event, "body": body, **more}
    await world.call("POST", f"/repos/{world.repository}/pulls/{pull['number']}/reviews", told, "maintainer")


async def head(world: World) -> str:
    return str((await world.pulls())[0]["head"]["sha"])


async def held_up(world: World) -> tuple[int, Callable[[], None]]:
    """Let an agent be at work that comes to its end only when it is let: return what lets it."""
    gate = world.folder / "gate"
    number = await at_work(world, f"```bash\nuntil [ -e {gate} ]; do sleep 0.05; done\necho hello > hello.txt\n```")
    return number, gate.touch


async def until_head_moves(world: World, before: str) -> None:
    async def moved() -> bool:
        return await head(world) != before

    await world.until("another head of the pull request", moved)


async def test_changes_requested_are_made_and_threads_answered_and_resolved(world: World) -> None:
    await world.start_orch()
    number = await in_review(world)
    before = await head(world)
    await review(world, "REQUEST_CHANGES", "See the line.", comments=[{"path": "hello.txt", "line": 1, "body": FIX}])
    await until_head_moves(world, before)
    await world.until_status(number, "in_review")
    await world.until_idle()
    [pull] = await world.pulls()
    comments = await world.read(f"/pulls/{pull['number']}/comments")
    assert [one["user"]["login"] for one in comments] == ["maintainer", "orch[bot]"]
    assert "Done in" in comments[1]["body"]
    assert "`maintainer` reviewed pull request" not in (await world.comments(number))[0]  # it is in review again
    assert len(await world.pulls()) == 1


async def test_a_review_by_somebody_without_write_access_starts_nothing(world: World) -> None:
    await world.start_orch()
    await in_review(world)
    [pull] = await world.pulls()
    before = await head(world)
    told = {"event": "COMMENT", "body": FIX}
    await world.call("POST", f"/repos/{world.repository}/pulls/{pull['number']}/reviews", told, "triager")
    await world.until_idle()
    assert await head(world) == before


async def test_a_failing_check_is_mended_with_its_log_and_a_flaky_one_starts_nothing(world: World) -> None:
    await world.start_orch()
    number = await in_review(world)
    sha = await head(world)
    at = f"/_hub/repositories/{world.repository}/checks"
    flaky = await world.call("POST", at, {"name": "flaky", "sha": sha, "status": "in_progress"})
    await world.call("POST", at, {"name": "unit", "sha": sha, "conclusion": "success"})
    await world.until_idle()
    assert await head(world) == sha
    await world.call("PATCH", f"{at}/{flaky['id']}", {"status": "completed", "conclusion": "failure", "log": FIX})
    await world.until_status(number, "needs_review")
    await world.until_idle()
    [call] = await world.replies(number)
    assert "the last, ended as `agent_failed`: nothing_to_run" in call  # `script` mends nothing, a person is called


async def test_a_base_that_conflicts_is_brought_in_by_a_run(world: World) -> None:
    await world.start_orch()
    number = await in_review(world)
    before = await head(world)
    await world.commit("main", "hello.txt", "another hello\n")
    await until_head_moves(world, before)
    await world.until_status(number, "in_review")
    after = await world.read(f"/git/commits/{await head(world)}")
    main = await world.read("/git/ref/heads/main")
    assert [one["sha"] for one in after["parents"]] == [before, main["object"]["sha"]]


async def test_a_mention_in_a_pull_request_is_another_round(world: World) -> None:
    await world.start_orch()
    number = await in_review(world)
    [pull] = await world.pulls()
    await world.say(pull["number"], f"@orch {MORE}")
    await world.until_files(["hello.txt", "more.txt"])
    await world.until_status(number, "in_review")


async def test_a_mention_in_an_issue_makes_it_a_task(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue(body="We need hello.", label=None)
    await world.say(number, f"@orch {HELLO}")
    await world.until_status(number, "in_review")
    assert await files(world) == ["hello.txt"]
    assert "orch" in await world.labels(number)


async def test_a_question_is_answered_without_a_branch(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue(body="Something is odd.", label=None)
    await world.say(number, "@orch Where is the parser?")
    await world.until_status(number, "done")
    await world.until_idle()
    [answer] = await world.replies(number)
    assert answer.startswith("`writer`, the agent `script` (no model) answers; nothing was changed.")
    assert "Where is the parser?" in answer
    assert await world.refs() == ["refs/heads/main"]
    assert "orch" not in await world.labels(number)


async def test_what_a_writer_says_during_a_run_is_delivered(world: World) -> None:
    await world.start_orch()
    number, go_on = await held_up(world)
    await world.say(number, MORE)
    await world.until_text(number, "not delivered yet")
    await world.until_only("jobs")
    go_on()
    await world.until_status(number, "in_review")
    await world.until_idle()
    assert await files(world) == ["hello.txt", "more.txt"]
    living = (await world.comments(number))[0]
    assert ("not delivered" in living, "delivered" in living) == (False, True)


async def test_what_others_say_during_a_run_is_not(world: World) -> None:
    await world.start_orch()
    number, go_on = await held_up(world)
    await world.say(number, MORE, "triager")
    await world.until_only("jobs")
    go_on()
    await world.until_status(number, "in_review")
    await world.until_idle()
    assert await files(world) == ["hello.txt"]


async def test_automerge_waits_for_approval_and_green_checks(world: World) -> None:
    await world.call("PUT", f"/_hub/repositories/{world.repository}/rules/main", {"approvals": 1, "checks": ["ci"]})
    await world.start_orch()
    number = await in_review(world)
    await world.label(number, "automerge")
    await world.until_text(number, "It waits for an approving review.")
    await review(world, "APPROVE")
    await world.until_text(number, "wished for by `writer`. GitHub does not let it be merged yet")
    at = f"/_hub/repositories/{world.repository}/checks"
    await world.call("POST", at, {"name": "ci", "sha": await head(world), "conclusion": "success"})
    await world.until_status(number, "done")
    await world.until_idle()
    assert await world.refs() == ["refs/heads/main"]


async def test_a_merge_queue_is_used_where_there_is_one(world: World) -> None:
    await world.call("PUT", f"/_hub/repositories/{world.repository}/rules/main", {"queue": True})
    await world.start_orch()
    number = await in_review(world)
    await world.say(number, "/merge")
    await world.until_status(number, "done")


MOST_REQUESTS = 35
MOST_CREATED = 8
CREATES_CONTENT = re.compile(r"/(issues|pulls|comments|reviews|replies)$")


async def test_the_path_with_a_review_round_takes_few_requests(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the label over a review with two threads to the merge by `/merge`, with the App's token cached."""
    await world.start_orch(**UNHURRIED)
    await world.until_idle()
    before = len(await world.requests())
    number = await in_review(world)
    sha = await head(world)
    threads = [{"path": "hello.txt", "line": 1, "body": FIX}, {"path": "hello.txt", "line": 1, "body": FIX}]
    await review(world, "REQUEST_CHANGES", "Two things.", comments=threads)
    await until_head_moves(world, sha)
    await world.until_status(number, "in_review")
    await world.until_idle()
    [pull] = await world.pulls()
    await review(world, "APPROVE")
    await world.say(pull["number"], "/merge")
    await world.until_status(number, "done")
    await world.until_idle()
    asked = [one for one in (await world.requests())[before:] if one["principal"] != "maintainer"]
    created = [one["path"] for one in asked if one["method"] == "POST" and CREATES_CONTENT.search(one["path"])]
    listed = "\n".join(f"{one['method']} {one['path']}" for one in asked)
    with capsys.disabled():
        print(f"\nGitHub requests with a review round: {len(asked)} in all, {len(created)} create content")
    assert len(asked) <= MOST_REQUESTS, listed
    assert len(created) <= MOST_CREATED, created
