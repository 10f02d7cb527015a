"""SIGTERM while an agent works: what can end in time does, and the rest is given back."""

import asyncio
import re
import shutil
import signal
import time
from typing import Any

import pytest

from tests.e2e.forked import END_SECONDS
from tests.e2e.world import Process, World
from tests.integration.test_core_stop import processes_in

LEASE: dict[str, Any] = {"JOB_LEASE": 600, "RUN_LEASE": 600, "EVENT_LEASE": 600}
"""Seconds: longer than any test waits, so that what goes on does not go on because a lease ended."""
GATED = """```bash
echo begun >> {folder}/begun
while test ! -e {folder}/gate; do sleep 0.05; done
echo hello > hello.txt
```
"""


async def at_work(world: World, **settings: Any) -> tuple[Process, int]:
    """Start Orch, and an agent that works until the gate is opened."""
    child = await world.start_orch(**LEASE, **settings)
    number = await world.open_issue(body=GATED.format(folder=world.folder))
    await until_begun(world, 1)
    return child, number


async def until_begun(world: World, times: int) -> None:
    async def probe() -> bool:
        return begun(world) == times

    await world.until(f"an agent that began {times} times", probe)


def begun(world: World) -> int:
    path = world.folder / "begun"
    return len(path.read_text().splitlines()) if path.exists() else 0


def open_gate(world: World) -> None:
    (world.folder / "gate").touch()


async def until_logged(world: World, text: str) -> None:
    async def probe() -> bool:
        return text in world.log.read_text()

    await world.until(f"{text!r} in the log", probe)


async def ended(child: Process) -> int:
    return await asyncio.wait_for(child.wait(), END_SECONDS)


async def test_a_run_that_ends_in_time_is_not_repeated(world: World) -> None:
    child, number = await at_work(world, DRAIN_SECONDS=600)
    child.send_signal(signal.SIGTERM)
    await until_logged(world, "stopping")
    open_gate(world)
    assert await ended(child) == 0
    assert "given back" not in world.log.read_text()

    await world.start_orch(**LEASE)
    await world.until_status(number, "in_review")
    assert begun(world) == 1


async def test_a_run_that_takes_longer_is_given_back_and_done_once_after_the_restart(world: World) -> None:
    child, number = await at_work(world, DRAIN_SECONDS=0.5)
    child.send_signal(signal.SIGTERM)
    assert await ended(child) == 0
    assert (processes_in(world.folder), world.queued().get("jobs")) == ([], 1)

    open_gate(world)
    await world.start_orch(**LEASE)
    await world.until_status(number, "in_review")
    await world.until_idle()
    [comment] = await world.comments(number)
    assert (begun(world), len(await world.pulls()), "infrastructure_failed" in comment) == (2, 1, False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_waits_for_nothing(world: World, number: signal.Signals) -> None:
    child, issue = await at_work(world, DRAIN_SECONDS=600)
    child.send_signal(number)
    await until_logged(world, "stopping")
    child.send_signal(number)
    assert await ended(child) == 0
    assert processes_in(world.folder) == []

    open_gate(world)
    await world.start_orch(**LEASE)
    await world.until_status(issue, "in_review")


async def test_another_runner_goes_on_from_what_the_first_did(world: World) -> None:
    await world.start_orch("serve", "--no-runner", **LEASE)
    first = await world.start_orch("runner", wait=False, DRAIN_SECONDS=0.5, **LEASE)
    number = await world.open_issue(body=f"```bash\necho half >> half.txt\n```\n{GATED.format(folder=world.folder)}")
    await until_begun(world, 1)
    assert await first.stop() == 0
    assert processes_in(world.folder) == []
    await world.until_only("jobs")
    [_, kept] = await world.refs()
    assert kept.startswith("refs/orch/runs/")

    shutil.rmtree(world.folder / "orch" / "repositories")  # the next one may be on another machine
    open_gate(world)
    await world.start_orch("runner", wait=False, **LEASE)
    await world.until_status(number, "in_review")
    await world.until_idle()
    [pull] = await world.pulls()
    assert {file["filename"]: file["additions"] for file in await world.read(f"/pulls/{pull['number']}/files")} == {
        "half.txt": 2,
        "hello.txt": 1,
    }
    assert await world.refs() == sorted(["refs/heads/main", f"refs/heads/{pull['head']['ref']}"])


async def test_a_task_that_is_over_keeps_nothing_of_what_a_runner_gave_back(world: World) -> None:
    child = await world.start_orch(**LEASE, DRAIN_SECONDS=0.5)
    number = await world.open_issue(body=f"```bash\necho half > half.txt\n```\n{GATED.format(folder=world.folder)}")
    await until_begun(world, 1)
    assert await child.stop() == 0
    await world.say(number, "/cancel")
    await world.start_orch("serve", "--no-runner", **LEASE)
    await world.until_status(number, "cancelled")
    await world.start_orch("runner", wait=False, **LEASE)
    await world.until_idle()
    assert (begun(world), await world.refs()) == (1, ["refs/heads/main"])


async def test_i1_deliveries_are_taken_until_the_work_has_ended(world: World) -> None:
    child, first = await at_work(world, DRAIN_SECONDS=600, LOG_LEVEL="debug")
    child.send_signal(signal.SIGTERM)
    await until_logged(world, "stopping")
    second = await world.open_issue(title="Another")
    await world.call("GET", "/_hub/idle")
    open_gate(world)
    assert await ended(child) == 0

    taken = re.findall(rf"delivery taken .*group=repository:\d+/{second} ", world.log.read_text())
    assert taken != []
    await world.start_orch(**LEASE)
    for number in (first, second):
        await world.until_status(number, "in_review")


async def test_the_time_to_drain_is_kept(world: World) -> None:
    child, _ = await at_work(world, DRAIN_SECONDS=1)
    before = time.monotonic()
    child.send_signal(signal.SIGTERM)
    assert await ended(child) == 0
    assert time.monotonic() - before >= 1
