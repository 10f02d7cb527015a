"""Ticket files become issues: once each, or not at all."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.ticket_text import issue_text, mark_of
from app.entry.enqueue import read_tickets
from tests.e2e.local_stage import Desk, new_desk

BATCH = """\
title: Paint the roof
depends_on: [mend, '#1']
priority: low
labels: [orch]
body: |
  ```bash
  echo painted > paint.txt
  ```
---
key: mend
title: Mend the roof
labels: [orch]
locks: [roof/]
body: |
  ```bash
  echo mended > roof.txt
  ```
"""
SWEEP = "title: Sweep the roof\nlabels: [orch]\nlocks: [roof/gutter.txt]\n"
BAD = "title: Good\n---\ntitel: Bad\npriority: hihg\n"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Somebody whose repository is served, with one issue."""
    async with new_desk(tmp_path) as made:
        await made.local()
        await made.here("issue", "new", "Build the roof")
        yield made


async def issues(desk: Desk) -> dict[int, Any]:
    found = await desk.call("GET", "/issues?state=all&per_page=100&direction=asc")
    return {issue["number"]: issue for issue in found if "pull_request" not in issue}


async def labels(desk: Desk, number: int) -> set[str]:
    return {label["name"] for label in (await desk.call("GET", f"/issues/{number}"))["labels"]}


async def titles(desk: Desk) -> dict[int, str]:
    return {number: issue["title"] for number, issue in (await issues(desk)).items()}


async def test_tickets_wait_for_what_they_depend_on_and_for_paths_that_others_lock(desk: Desk) -> None:
    (desk.home / "batch.yml").write_text(BATCH)
    first = await desk.here("enqueue", "batch.yml")
    assert [line.rpartition(" ")[0] for line in first] == ["#2 Mend the roof", "#3 Paint the roof"]
    await desk.until_told(3, "It waits until #2, #1 are closed as completed.")
    await desk.until_told(2, "| Works on | `roof`, `roof.txt` |")
    assert [event["event"] for event in await desk.call("GET", "/issues/3/events")][:4] == [
        *["blocked_by_added"] * 2,
        *["labeled"] * 2,
    ]

    (desk.home / "sweep.yml").write_text(SWEEP)
    assert [line.split()[0] for line in await desk.here("enqueue", "sweep.yml")] == ["#5"]
    await desk.until_told(5, "It waits for #2, which works on `roof` too")
    await desk.merge(2)
    await desk.until_told(5, "**Orch: needs review.**")
    await desk.until_told(3, "It waits until #1 is closed as completed.")
    await desk.call("PATCH", "/issues/1", {"state": "closed"})
    await desk.until_told(3, "**Orch: in review.**")
    assert await desk.here("enqueue", "batch.yml") == [f"{line} (was there already)" for line in first]


async def test_what_a_crash_left_undone_is_done_and_what_people_undid_is_not(desk: Desk) -> None:
    (desk.home / "one.yml").write_text("title: Paint\ndepends_on: [1]\nlabels: [bug, later]\n")
    [ticket] = read_tickets([desk.home / "one.yml"])
    await desk.call("POST", "/issues", {"title": "Paint", "body": issue_text(ticket, mark_of(ticket)), "labels": []})
    assert (await desk.here("enqueue", "one.yml"))[0].endswith(" (was there already)")
    [blocker] = await desk.call("GET", "/issues/2/dependencies/blocked_by")
    assert (blocker["number"], await labels(desk, 2)) == (1, {"bug", "later"})

    await desk.call("DELETE", "/issues/2/labels/later")
    await desk.call("DELETE", f"/issues/2/dependencies/blocked_by/{blocker['id']}")
    await desk.here("enqueue", "one.yml")
    assert await desk.call("GET", "/issues/2/dependencies/blocked_by") == []
    assert await labels(desk, 2) == {"bug"}
    assert [line.split()[0] for line in await desk.here("enqueue", "--again", "one.yml")] == ["#3"]


async def test_a_bad_batch_makes_no_issue(desk: Desk) -> None:
    (desk.home / "bad.yml").write_text(BAD)
    (desk.home / "good.yml").write_text("title: Fine\n")
    where = ("--repo", str(desk.repository), "--state", str(desk.state))
    assert await desk.run("enqueue", "good.yml", "bad.yml", *where) == (
        2,
        [
            "bad.yml:3: titel: is not a field of a ticket; did you mean `title`?",
            "bad.yml:3: title: is missing: say in one line what is to be done",
            "bad.yml:4: priority: must be high, normal or low, and is hihg; did you mean `high`?",
            "orch: 3 problems in these tickets; nothing was made",
        ],
    )
    assert await desk.run("enqueue", "nothing.yml", *where) == (
        2,
        ["orch: nothing.yml: cannot be read: No such file or directory; nothing was made"],
    )
    assert await titles(desk) == {1: "Build the roof"}


async def test_a_watched_folder_takes_good_files_and_leaves_bad_ones(desk: Desk) -> None:
    box = desk.home / "box"
    box.mkdir()
    watch = await desk.start("watch", "box", "--repo", str(desk.repository), "--state", str(desk.state))
    await watch.until_said("watching box")
    (box / "bad.yml").write_text(BAD)
    (box / "good.yml").write_text("title: Good\n")
    await watch.until_said("good.yml: #2 Good")
    await watch.until_said("refused: box/bad.yml:4: priority")
    await desk.until_there("box/done/good.yml")
    assert sorted(path.name for path in box.iterdir()) == ["bad.yml", "done"]

    (box / "bad.yml").write_text("title: Better\n")
    (box / "good.yml").write_text("title: Good\n")
    await desk.until_there("box/done/bad.yml")
    await desk.until_there("box/done/good-2.yml")
    watch.signal(signal.SIGINT)
    assert await watch.ended() == 0
    assert await titles(desk) == {1: "Build the roof", 2: "Good", 3: "Better", 4: "Good"}


async def test_a_file_whose_issue_was_made_and_that_was_not_put_away_makes_no_second_one(desk: Desk) -> None:
    box = desk.home / "box"
    box.mkdir()
    (box / "done").write_text("a file is in the way of the folder\n")
    (box / "good.yml").write_text("title: Good\n")
    where = ("--repo", str(desk.repository), "--state", str(desk.state))
    first = await desk.start("watch", "box", *where)
    await first.until_said("good.yml: #2 Good")
    await first.until_said("good.yml waits: ")
    await first.kill()

    (box / "done").unlink()
    second = await desk.start("watch", "box", *where)
    await second.until_said("(was there already)")
    await desk.until_there("box/done/good.yml")
    assert await titles(desk) == {1: "Build the roof", 2: "Good"}


async def test_a_watched_folder_waits_for_the_hub(desk: Desk) -> None:
    desk.commands[0].signal(signal.SIGTERM)
    assert await desk.commands[0].ended() == 0
    box = desk.home / "box"
    box.mkdir()
    (box / "good.yml").write_text("title: Good\n")
    watch = await desk.start("watch", "box", "--repo", str(desk.repository), "--state", str(desk.state))
    await watch.until_said("good.yml waits: no `orch local` runs for")
    await asyncio.gather(desk.local(), watch.until_said("good.yml: #2 Good"))
