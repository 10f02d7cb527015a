"""The thin path: a label becomes a merged pull request."""

import re
from typing import Any

import pytest

from tests.e2e.world import UNHURRIED, World

RUN_REFS = "refs/orch/runs/"
MOST_REQUESTS = 20
MOST_CREATED = 5
MOST_BEFORE_START = 4
CREATES_CONTENT = re.compile(r"POST /repos/[^/]+/[^/]+/(issues|pulls|issues/\d+/comments|pulls/\d+/reviews)")


async def run_to_done(world: World) -> int:
    """Open and label an issue, and merge what comes of it."""
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    await world.merge((await world.until_pull())["number"])
    await world.until_status(number, "done")
    await world.until_idle()
    return number


async def assert_done(world: World, number: int, *, allow_run_refs: bool = False) -> None:
    """Check everything a person would see of a task that ended well."""
    issue = await world.read(f"/issues/{number}")
    [pull] = await world.pulls()
    [comment] = await world.comments(number)
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
    assert {label["name"] for label in issue["labels"]} == {"orch", "status:done"}
    assert pull["merged_at"] is not None
    assert pull["body"].endswith(f"Closes #{number}")
    assert comment.startswith(f"**Orch: done.** Pull request #{pull['number']} was merged.")
    assert [ref for ref in await world.refs() if not (allow_run_refs and ref.startswith(RUN_REFS))] == [
        "refs/heads/main"
    ]
    assert world.workspaces() == []
    assert [file["filename"] for file in await world.read(f"/pulls/{pull['number']}/files")] == ["hello.txt"]


async def test_one_process_takes_a_label_to_a_merged_pull_request(world: World) -> None:
    await world.start_orch()
    await assert_done(world, await run_to_done(world))


async def test_web_with_worker_and_runner_are_two_processes_over_the_same_files(world: World) -> None:
    await world.start_orch("serve", "--no-runner")
    await world.start_orch("runner", wait=False)
    await assert_done(world, await run_to_done(world))


async def test_the_path_takes_few_requests(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The App's own token is cached for an hour, so a cold one is added to what the hub saw."""
    await world.start_orch(**UNHURRIED)
    await world.until_idle()
    before = len(await world.requests())

    await run_to_done(world)
    requests = [request_line(entry) for entry in (await world.requests())[before:]]

    created = [line for line in requests if CREATES_CONTENT.fullmatch(line)]
    mint = next(index for index, line in enumerate(requests) if line.endswith("/access_tokens"))
    total, chain = len(requests) + 1, mint + 2
    with capsys.disabled():
        print(f"\nGitHub requests: {total} in all, {len(created)} create content, {chain} before the agent's start")
    assert total <= MOST_REQUESTS, requests
    assert len(created) <= MOST_CREATED
    assert chain <= MOST_BEFORE_START


def request_line(entry: dict[str, Any]) -> str:
    return f"{entry['method']} {entry['path']}"
