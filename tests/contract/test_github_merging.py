"""What every implementation of the GitHub port promises about checks and merges, seen on the local GitHub."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from app.domain.errors import HeadMoved, Missing, NotMergeable, Permanent, Retryable
from app.domain.facts import BranchRules, Check, CheckState, MergeView
from infra.hub.server import start_hub
from infra.hub.settings import HubSettings
from tests.contract.test_github_port import Stage, connected

ABSENT = "0123456789abcdef0123456789abcdef01234567"
METHODS = ("squash", "merge", "rebase")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    hub = await start_hub(HubSettings())
    try:
        async with connected(hub) as github, aiohttp.ClientSession() as session:
            (repository,) = await github.repositories()
            yield Stage(hub, github, repository, session)
    finally:
        await hub.stop()


async def play(stage: Stage, name: str = "ci", **what: Any) -> Any:
    """Play CI on the branch `orch/1`, or on the `branch` or `sha` given."""
    if "sha" not in what:
        what.setdefault("branch", "orch/1")
    return await stage.manage("POST", f"/repositories/{stage.repository.full_name}/checks", {"name": name, **what})


async def rules(stage: Stage, branch: str = "main", **asked: Any) -> None:
    await stage.manage("PUT", f"/repositories/{stage.repository.full_name}/rules/{branch}", asked)


async def open_pull(stage: Stage, branch: str = "orch/1") -> tuple[int, str]:
    head = await stage.branch(branch)
    pull = await stage.github.create_pull(stage.repository, branch, "main", "Add a lid", "Closes #1")
    return pull.number, head


# Checks


async def test_checks_are_the_latest_runs_of_others_and_the_statuses(stage: Stage) -> None:
    sha = await stage.branch("orch/1")
    first = await play(stage, "test", conclusion="failure", title="1 failed", summary="test_lid")
    path = f"/repositories/{stage.repository.full_name}/checks/{first['id']}"
    again = await stage.manage("POST", f"{path}/rerun", {"status": "in_progress"})
    for number, conclusion in enumerate(("neutral", "skipped", "cancelled", "timed_out", "action_required")):
        await play(stage, f"other {number}", app="circleci", conclusion=conclusion, summary=conclusion)
    for context, state in (("docs", "pending"), ("lint", "error")):
        await stage.act("writer", "POST", f"/statuses/{sha}", {"state": state, "context": context, "description": "So"})
    own = await stage.github.mint(stage.repository, {"checks": "write"})
    url = f"{stage.hub.base_url}/repos/{stage.repository.full_name}/check-runs"
    await stage.call("POST", url, {"name": "orch", "head_sha": sha}, {"authorization": f"Bearer {own.value}"})
    found = {check.name: check for check in await stage.github.checks(stage.repository, sha)}
    assert found["test"] == Check(
        name="test", state=CheckState.WAITING, url=again["html_url"], summary="", job=again["id"]
    )
    assert {name: (check.state, check.summary, check.job) for name, check in found.items() if name != "test"} == {
        "other 0": (CheckState.PASSED, "neutral", None),
        "other 1": (CheckState.PASSED, "skipped", None),
        "other 2": (CheckState.FAILED, "cancelled", None),
        "other 3": (CheckState.FAILED, "timed_out", None),
        "other 4": (CheckState.FAILED, "action_required", None),
        "docs": (CheckState.WAITING, "So", None),
        "lint": (CheckState.FAILED, "So", None),
    }


async def test_a_commit_without_checks_has_none_and_an_absent_one_is_permanent(stage: Stage) -> None:
    assert list(await stage.github.checks(stage.repository, await stage.main())) == []
    with pytest.raises(Permanent, match="No commit found"):
        await stage.github.checks(stage.repository, ABSENT)


async def test_the_end_of_a_log_is_read_from_another_host_without_our_credential(stage: Stage) -> None:
    # The hub leads to `localhost` and refuses there whoever brings a credential.
    lines = "".join(f"line {number}\n" for number in range(20_000))
    job = await play(
        stage, branch="main", conclusion="failure", log=lines + "\x1b[31;1mAssertionError\x1b[0m: no lid\n"
    )
    whole = await stage.github.job_log(stage.repository, job["id"], 10_000_000)
    assert (whole.count("\n"), whole[:14]) == (20_001, "line 0\nline 1\n")
    assert whole.endswith("line 19999\nAssertionError: no lid\n")
    assert await stage.github.job_log(stage.repository, job["id"], 20) == "ertionError: no lid\n"


async def test_a_log_that_is_gone_is_empty(stage: Stage) -> None:
    job = await play(stage, branch="main", conclusion="failure")
    assert await stage.github.job_log(stage.repository, job["id"], 100) == ""
    assert await stage.github.job_log(stage.repository, 99, 100) == ""


# Merging


async def test_the_view_of_a_merge_says_what_stands_in_its_way(stage: Stage) -> None:
    number, head = await open_pull(stage)
    clean = await stage.github.merge_view(stage.repository, number)
    shown = await stage.act("writer", "GET", f"/pulls/{number}")
    assert clean == MergeView(
        node_id=shown["node_id"],
        head_sha=head,
        is_draft=False,
        decision=None,
        state="clean",
        has_queue=False,
        queued=False,
        methods=METHODS,
    )
    await rules(stage, approvals=1, queue=True)
    blocked = await stage.github.merge_view(stage.repository, number)
    assert blocked == clean.model_copy(update={"decision": "review_required", "state": "blocked", "has_queue": True})
    review = {"event": "APPROVE", "body": "Fine."}
    await stage.act("maintainer", "POST", f"/pulls/{number}/reviews", review)
    approved = await stage.github.merge_view(stage.repository, number)
    assert approved == clean.model_copy(update={"decision": "approved", "has_queue": True})
    with pytest.raises(Missing):
        await stage.github.merge_view(stage.repository, 99)


async def test_a_pull_request_is_merged_at_the_head_that_was_looked_at(stage: Stage) -> None:
    number, head = await open_pull(stage)
    moved = await stage.commit("orch/1", "sneaked.txt")
    with pytest.raises(HeadMoved):
        await stage.github.merge_pull(stage.repository, number, head, "squash")
    for _ in range(2):
        await stage.github.merge_pull(stage.repository, number, moved, "squash")
    assert (await stage.github.pull(stage.repository, number)).merged
    with pytest.raises(HeadMoved):
        await stage.github.merge_pull(stage.repository, number, head, "squash")


async def test_a_merge_whose_answer_was_lost_has_happened(stage: Stage) -> None:
    number, head = await open_pull(stage)
    await stage.manage("PUT", "/faults", {"write_then_502": "once"})
    await stage.github.merge_pull(stage.repository, number, head, "merge")
    answers = [status for method, path, status in await stage.requests() if (method, path[-6:]) == ("PUT", "/merge")]
    assert answers == [502, 405]


async def test_what_github_does_not_merge_says_why(stage: Stage) -> None:
    number, head = await open_pull(stage)
    await rules(stage, checks=["ci"])
    with pytest.raises(NotMergeable, match=r'^Required status check "ci" is expected\.$'):
        await stage.github.merge_pull(stage.repository, number, head, "squash")
    await stage.act("writer", "PATCH", f"/pulls/{number}", {"state": "closed"})
    with pytest.raises(NotMergeable, match="not mergeable"):
        await stage.github.merge_pull(stage.repository, number, head, "squash")
    with pytest.raises(Missing):
        await stage.github.merge_pull(stage.repository, 99, head, "squash")


async def test_a_merge_without_the_permission_for_it_is_permanent(stage: Stage) -> None:
    number, head = await open_pull(stage)
    await rules(stage, queue=True)
    node = (await stage.github.merge_view(stage.repository, number)).node_id
    installation = stage.hub.describe()["installation_id"]
    few = {"metadata": "read", "pull_requests": "read"}
    await stage.manage("PATCH", f"/installations/{installation}", {"permissions": few})
    async with connected(stage.hub) as github:
        for asked in (
            github.merge_pull(stage.repository, number, head, "squash"),
            github.enqueue_pull(stage.repository, node, head),
            github.update_branch(stage.repository, number, head),
        ):
            with pytest.raises(Permanent, match="not accessible") as raised:
                await asked
            assert not isinstance(raised.value, NotMergeable | HeadMoved | Missing)


async def test_a_pull_request_is_queued_once_at_the_head_that_was_looked_at(stage: Stage) -> None:
    number, head = await open_pull(stage)
    node = (await stage.github.merge_view(stage.repository, number)).node_id
    with pytest.raises(NotMergeable, match="not enabled"):
        await stage.github.enqueue_pull(stage.repository, node, head)
    await rules(stage, queue=True, checks=["ci"])
    await play(stage, conclusion="success")
    with pytest.raises(HeadMoved):
        await stage.github.enqueue_pull(stage.repository, node, ABSENT)
    for _ in range(2):
        await stage.github.enqueue_pull(stage.repository, node, head)
    assert (await stage.github.merge_view(stage.repository, number)).queued
    with pytest.raises(NotMergeable, match="merge queue"):
        await stage.github.merge_pull(stage.repository, number, head, "squash")


async def test_a_branch_is_brought_up_to_date_unless_it_conflicts_or_has_moved(stage: Stage) -> None:
    number, head = await open_pull(stage)
    assert await stage.github.update_branch(stage.repository, number, head)
    assert (await stage.github.pull(stage.repository, number)).head_sha == head
    await stage.commit("main", "other.txt")
    with pytest.raises(HeadMoved):
        await stage.github.update_branch(stage.repository, number, ABSENT)
    assert await stage.github.update_branch(stage.repository, number, head)
    updated = (await stage.github.pull(stage.repository, number)).head_sha
    assert (await stage.github.commit(stage.repository, updated)).parents == (head, await stage.main())
    await stage.commit("main", text="b3RoZXIK")
    assert not await stage.github.update_branch(stage.repository, number, updated)
    assert (await stage.github.pull(stage.repository, number)).head_sha == updated


# Commits and files


async def test_a_commit_is_made_anew_as_the_app_and_signed(stage: Stage) -> None:
    head = await stage.branch("orch/1")
    unsigned = await stage.github.commit(stage.repository, head)
    assert (unsigned.sha, unsigned.parents, unsigned.message) == (head, (await stage.main(),), "Add a lid")
    signed = await stage.github.sign_commit(stage.repository, unsigned)
    assert await stage.github.commit(stage.repository, signed) == unsigned.model_copy(update={"sha": signed})
    shown = await stage.act("writer", "GET", f"/commits/{signed}")
    assert (shown["commit"]["verification"]["verified"], shown["author"]["login"]) == (True, "orch[bot]")
    with pytest.raises(Missing):
        await stage.github.commit(stage.repository, ABSENT)


async def test_rules_are_those_of_rulesets_and_of_the_branchs_protection(stage: Stage) -> None:
    async def asked(branch: str) -> BranchRules:
        return await stage.github.rules(stage.repository, branch)

    assert [await asked("main"), await asked("orch/1")] == [BranchRules(), BranchRules()]
    await rules(stage, "orch/*", signatures=True)
    await stage.act("maintainer", "PUT", "/branches/main/protection", {})
    before = await asked("main")
    await stage.act("maintainer", "POST", "/branches/main/protection/required_signatures")
    assert [before, await asked("main"), await asked("orch/1")] == [
        BranchRules(),
        BranchRules(signatures=True),
        BranchRules(signatures=True),
    ]


async def test_where_signatures_are_asked_for_only_a_signed_commit_gets_onto_a_branch(stage: Stage) -> None:
    head = await stage.branch("work")
    await stage.github.delete_ref(stage.repository, "refs/heads/work")
    await rules(stage, "orch/*", signatures=True)
    with pytest.raises(Permanent, match="Commits must have verified signatures"):
        await stage.github.create_branch(stage.repository, "orch/1", head)
    signed = await stage.github.sign_commit(stage.repository, await stage.github.commit(stage.repository, head))
    assert await stage.github.create_branch(stage.repository, "orch/1", signed)


async def test_a_file_is_created_changed_and_left_alone_when_it_says_that_already(stage: Stage) -> None:
    write, path = stage.github.write_file, "docs/a lid.yml"
    await stage.manage("PUT", "/faults", {"write_then_502": "once"})
    for content in (b"one\n", b"two\n", b"two\n"):
        await write(stage.repository, "main", path, content, "Say it")
        assert await stage.github.file(stage.repository, path) == content
    commits = [status for method, _, status in await stage.requests() if method == "PUT"]
    assert commits == [502, 422, 502, 409]
    with pytest.raises(Missing):
        await write(stage.repository, "no-branch", path, b"one\n", "Say it")


async def test_a_server_that_fails_is_retryable(stage: Stage) -> None:
    number, head = await open_pull(stage)
    job = await play(stage, conclusion="failure", log="no lid\n")
    await stage.manage("PUT", "/faults", {"fail_rate": 1.0})
    for asked in (
        stage.github.checks(stage.repository, head),
        stage.github.job_log(stage.repository, job["id"], 100),
        stage.github.merge_view(stage.repository, number),
        stage.github.merge_pull(stage.repository, number, head, "squash"),
        stage.github.rules(stage.repository, "main"),
    ):
        with pytest.raises(Retryable):
            await asked
