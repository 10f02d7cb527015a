"""`.orch.yml` as people use it: pushed to the default branch, in force from the next label on, wrong at times."""

import json
from base64 import b64encode
from hashlib import sha1
from pathlib import Path
from typing import Any

from tests.e2e.test_mend import orch
from tests.e2e.world import World

FAILS = "```bash\nexit 3\n```"
GOOD = "trigger: ai\nbranch_prefix: ai/tasks\n"
BAD = "trigger: ai\nbranch_prefx: bot\n"


async def put(world: World, text: str, instead_of: str | None = None, branch: str = "main") -> None:
    """Commit `.orch.yml` as a person would."""
    change = {"message": "Configure Orch", "content": b64encode(text.encode()).decode(), "branch": branch}
    if instead_of is not None:
        blob = b"blob %d\0%s" % (len(instead_of), instead_of.encode())
        change["sha"] = sha1(blob, usedforsecurity=False).hexdigest()
    await world.call("PUT", f"/repos/{world.repository}/contents/.orch.yml", change)


async def open_pull(world: World, label: str) -> tuple[str, str]:
    """Have a task done, and return its pull request's branch and the living comment."""
    count = len(await world.pulls())
    number = await world.open_issue(body=f"```bash\necho hello > hello-{count}.txt\n```", label=label)
    await world.until_status(number, "in_review")
    pull = await world.until_pull()
    assert len(await world.pulls()) == count + 1
    await world.until_idle()
    [comment] = await world.comments(number)
    await world.merge(pull["number"])
    await world.until_status(number, "done")
    await world.until_idle()
    return pull["head"]["ref"], comment


async def test_what_is_pushed_to_the_default_branch_is_in_force_and_a_mistake_in_it_is_told(world: World) -> None:
    await world.start_orch()
    await world.until_idle()
    await put(world, GOOD)
    await world.until_idle()
    assert "ai" in {label["name"] for label in await world.read("/labels?per_page=100")}
    operators = await world.open_issue(label="orch")
    branch, comment = await open_pull(world, "ai")
    assert (branch, ".orch.yml" in comment) == ("ai/tasks/2-add-hello", False)

    await put(world, BAD, instead_of=GOOD)
    await world.until_idle()
    branch, comment = await open_pull(world, "AI")
    assert branch.startswith("ai/tasks/")
    mistake = "`.orch.yml` line 2: `branch_prefx` is not a key of this file; did you mean `branch_prefix`?"
    assert f"{mistake} Until that is mended, what it said before stays in force." in comment

    await put(world, "", instead_of=BAD)
    await world.until_idle()
    branch, comment = await open_pull(world, "orch")
    assert (branch.split("/")[0], ".orch.yml" in comment) == ("orch", False)
    assert await world.labels(operators) == {"orch"}


async def test_i11_limits_are_tightened_and_never_loosened(world: World) -> None:
    await world.start_orch(MAX_ATTEMPTS=2)
    await world.until_idle()
    runs, before = [], None
    for text in ("max_attempts: 9\n", "max_attempts: 1\n"):
        await put(world, text, instead_of=before)
        await world.until_idle()
        before = text
        number = await world.open_issue(body=FAILS)
        await world.until_status(number, "needs_review")
        await world.until_idle()
        comment = (await world.comments(number))[0]
        runs.append(comment.count("`agent_failed` after"))
    assert runs == [2, 1]
    first = (await world.comments(1))[0]
    assert "`.orch.yml` line 1: `max_attempts` is 9, more than the operator allows; 2 is used." in first


async def test_what_is_in_force_is_explained_with_and_without_orch(world: World) -> None:
    async def explained() -> dict[str, Any]:
        status, said = await orch(world, "config", "explain", "--repo", "Acme/widgets", "--json", MAX_ATTEMPTS=2)
        assert status == 0, (world.folder / "said.log").read_text()
        found: dict[str, Any] = json.loads(said)
        return found

    await put(world, GOOD + "max_attempts: 9\n")
    found = await explained()
    rows = {row.pop("key"): row for row in found["values"]}
    assert (found["repository"], found["remarks"]) == ("acme/widgets", [])
    assert rows["trigger"] == {"value": "ai", "origin": "repository", "where": ".orch.yml, line 1", "why": ""}
    assert (rows["max_attempts"]["value"], rows["max_attempts"]["where"]) == ("2", "ORCH_MAX_ATTEMPTS (environment)")
    assert "`max_attempts` is 9, more than the operator allows; 2 is used." in rows["max_attempts"]["why"]

    await world.start_orch()
    await world.until_idle()
    await put(world, BAD, instead_of=GOOD + "max_attempts: 9\n")
    found = await explained()
    assert found["values"][0]["value"] == "ai"
    assert "did you mean `branch_prefix`? Until that is mended, what it said before" in found["remarks"][0]
    assert await orch(world, "config", "explain", "--repo", "acme/gone") == (2, "")
    said = (world.folder / "said.log").read_text()
    assert said == "orch: the App is not installed on acme/gone; it is on: acme/widgets\n"


async def test_what_was_pushed_while_orch_was_stopped_is_read_at_its_start(world: World) -> None:
    await world.faults(webhook_drop_rate=1)
    await put(world, GOOD)
    number = await world.open_issue(label="ai")
    await world.faults()
    await world.start_orch()
    await world.until_status(number, "in_review")


async def test_i9_configuration_is_read_again_when_the_store_is_gone(world: World) -> None:
    await put(world, GOOD)
    await world.start_orch()
    await world.until_idle()
    await world.kill_orch()
    world.delete_store()
    await world.start_orch()
    branch, _ = await open_pull(world, "ai")
    assert branch.startswith("ai/tasks/")


async def test_other_branches_and_strangers_change_nothing_and_are_told_nothing(world: World) -> None:
    await world.start_orch()
    main = await world.read("/git/ref/heads/main")
    made = {"ref": "refs/heads/other", "sha": main["object"]["sha"]}
    await world.call("POST", f"/repos/{world.repository}/git/refs", made)
    await put(world, GOOD, branch="other")
    await put(world, BAD.replace("trigger: ai\n", ""))
    await world.until_idle()
    number = await world.open_issue(label=None)
    await world.label(number, "orch", token="triager")
    await world.until_no_label(number, "orch")
    await world.until_idle()
    [told] = await world.comments(number)
    assert ".orch.yml" not in told
    assert (await open_pull(world, "orch"))[0].startswith("orch/")


async def test_i11_a_repository_has_no_more_runs_at_once_than_it_wants(world: World, tmp_path: Path) -> None:
    await put(world, "max_parallel: 1\n")
    await world.start_orch(SLOTS=2, MAX_PARALLEL=2)
    await world.until_idle()
    go_on = tmp_path / "go-on"
    body = f"```bash\nuntil [ -e {go_on} ]; do sleep 0.05; done\necho x > $(pwd | sha1sum | cut -c1-8)\n```"
    numbers = [await world.open_issue("Wait", body) for _ in range(2)]

    async def one_waits() -> bool:
        labels = [label for number in numbers for label in await world.labels(number)]
        return sorted(label for label in labels if "status:" in label) == ["status:in_progress", "status:routed"]

    await world.until("one at work, one that waits", one_waits)
    go_on.touch()
    for number in numbers:
        await world.until_status(number, "in_review")
    await world.until_idle()
    for number in numbers:
        assert (await world.comments(number))[0].count("attempt 1:") == 1
