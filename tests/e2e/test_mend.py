"""`orch rebuild` and `orch sweep` over a hub: what was lost is read back, what was missed is found."""

import asyncio
import json
from typing import Any

from tests.e2e.forked import END_SECONDS
from tests.e2e.processes import ORCH, start
from tests.e2e.world import World


async def orch(world: World, *argv: str, **more: Any) -> tuple[int, str]:
    """Run a command beside (or without) Orch; its status and what it said."""
    child = await start([str(ORCH), *argv], world.settings(**more), world.folder / "said.log", piped=True)
    assert child.process.stdout is not None
    said = await child.process.stdout.read()
    return await asyncio.wait_for(child.process.wait(), END_SECONDS), said.decode()


async def listed(world: World, *argv: str) -> list[dict[str, Any]]:
    status, said = await orch(world, *argv, "--json")
    assert status == 0, (world.folder / "said.log").read_text()
    rows: list[dict[str, Any]] = json.loads(said)
    return rows


async def test_i9_records_are_read_back_from_github_and_kept_where_they_are(world: World) -> None:
    first = await world.start_orch()
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    await world.until_idle()
    assert await listed(world, "rebuild", "--all") == [
        {"task": f"acme/widgets#{number}", "result": "kept: the store has it"}
    ]
    [before] = await listed(world, "task", "list")
    await first.stop()

    world.delete_store()
    assert await listed(world, "rebuild", f"acme/widgets#{number}") == [
        {"task": f"acme/widgets#{number}", "result": "rebuilt: in_review"}
    ]
    assert await listed(world, "task", "list") == [before]


async def test_what_is_no_task_is_said(world: World) -> None:
    first = await world.start_orch()
    number = await world.open_issue(label=None)
    [row] = await listed(world, "rebuild", f"acme/widgets#{number}")
    assert row["result"] == "nothing: GitHub has no record of it that can be trusted"
    for name in ("acme/widgets#99", "acme/gone#1"):
        assert await orch(world, "rebuild", name) == (2, "")
    said = (world.folder / "said.log").read_text().splitlines()
    assert said == [
        "orch: acme/widgets has no issue #99",
        "orch: the App is not installed on acme/gone; it is on: acme/widgets",
    ]
    await first.stop()


async def test_a_sweep_says_first_what_it_would_do_and_why_and_then_does_it(world: World) -> None:
    first = await world.start_orch()
    await world.until_idle()
    await first.stop()
    number = await world.open_issue()
    await world.call("GET", "/_hub/idle")

    foreseen = await listed(world, "sweep", "--dry-run")
    assert world.queued() == {}
    missed = [row for row in foreseen if row["what"] == "issue_labeled"]
    assert [(row["about"], row["why"]) for row in missed] == [
        (f"acme/widgets#{number}", "writer asked for it with the label orch")
    ]
    assert [(row["found"], row["then"]) for row in missed] == [
        ("`writer` put the label `orch` on", ["make it `routed`", "ask for a runner"])
    ]
    assert ["have GitHub send it again"] in [row["then"] for row in foreseen if row["what"] == "redelivery"]

    done = await listed(world, "sweep")
    assert {row["what"] for row in done} >= {"issue_labeled", "task_checked", "redelivery"}
    assert world.queued()["events"] > 0
    await world.start_orch()
    await world.until_status(number, "in_review")


async def test_a_sweep_finds_nothing_where_nothing_was_missed(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    await world.until_idle()
    assert await listed(world, "sweep", "--dry-run") == []


async def test_without_github_there_is_one_line(world: World) -> None:
    first = await world.start_orch()
    await first.stop()
    assert world.hub is not None
    await world.hub.kill()
    for command in ("sweep", "rebuild --all"):
        assert await orch(world, *command.split()) == (2, "")
    lines = (world.folder / "said.log").read_text().splitlines()
    assert len(lines) == 2, lines
    assert all(line.startswith("orch: ") and line.endswith("try again later") for line in lines), lines
