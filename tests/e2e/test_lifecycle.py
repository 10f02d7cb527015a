"""What people do to issues, pull requests, repositories and installations while a task is under way."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.domain.task import Status
from tests.e2e.world import World

MANY: dict[str, Any] = {"SLOTS": 6, "MAX_PARALLEL": 6}
EDITED = "The issue's text was edited after the label was put on."


@dataclass(frozen=True, slots=True)
class Work:
    """An issue whose agent sleeps until the gate is open, and does its work at once from then on."""

    world: World
    number: int
    marker: str

    @property
    def gate(self) -> Path:
        return self.world.folder / f"gate-{self.marker}"

    @property
    def issue(self) -> str:
        return f"/repos/{self.world.repository}/issues/{self.number}"

    def is_running(self) -> bool:
        return any(line == f"sleep\0{self.marker}\0" for line in command_lines())

    async def until_running(self) -> None:
        await self.world.until(f"the agent of #{self.number}", self._running)

    async def until_stopped(self) -> None:
        await self.world.until(f"no agent of #{self.number}", self._stopped)

    async def open_gate(self) -> None:
        await asyncio.to_thread(self.gate.touch)

    async def change(self, **fields: Any) -> None:
        await self.world.call("PATCH", self.issue, fields)

    async def unlabel(self, label: str = "orch") -> None:
        await self.world.call("DELETE", f"{self.issue}/labels/{label}")

    async def said(self, text: str) -> None:
        """Wait until the living comment says it."""

        async def probe() -> bool:
            return any(text in comment for comment in (await self.world.comments(self.number))[:1])

        await self.world.until(f"{text!r} on #{self.number}", probe)

    async def _running(self) -> bool:
        return self.is_running()

    async def _stopped(self) -> bool:
        return not self.is_running()


def command_lines() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        try:
            yield (entry / "cmdline").read_text()
        except (OSError, UnicodeDecodeError):
            continue


async def begin(world: World, name: str) -> Work:
    """Open an issue, label it, and wait until its agent sleeps and people are told so."""
    marker = f"{world.port}{len(name)}{sum(name.encode())}"
    gate = world.folder / f"gate-{marker}"
    body = f"```bash\n[ -e {gate} ] || sleep {marker}\necho hello > {name}.txt\n```"
    work = Work(world, await world.open_issue(f"Add {name}", body), marker)
    await work.until_running()
    await work.said("works on attempt 1")
    return work


async def reviewed(world: World, name: str) -> tuple[Work, dict[str, Any]]:
    """Take an issue to its open pull request."""
    number = await world.open_issue(f"Add {name}", f"```bash\necho {name} >> {name}.txt\n```")
    await world.until_status(number, "in_review")
    [pull] = [pull for pull in await world.pulls() if pull["head"]["ref"].startswith(f"orch/{number}-")]
    return Work(world, number, ""), pull


def status_of(world: World, number: int) -> Status:
    """Read what Orch itself knows, where nothing may be written on GitHub."""
    with closing(sqlite3.connect(f"file:{world.folder}/orch/store.db?mode=ro", uri=True)) as store:
        query = "SELECT json_extract(body, '$.status') FROM documents WHERE key = ?"
        [(status,)] = store.execute(query, (f"record/{number}",))
    return Status(status)


async def until_known(world: World, number: int, status: Status) -> None:
    async def probe() -> bool:
        return status_of(world, number) is status

    await world.until(f"{status.value} known of #{number}", probe)


async def refused_writes(world: World) -> list[str]:
    return [f"{made['method']} {made['path']}" for made in await world.requests() if made["status"] in (403, 410)]


async def test_the_label_stops_and_starts_the_work_and_an_edited_text_waits_for_it(world: World) -> None:
    await world.start_orch()
    work = await begin(world, "greeting")
    await work.change(title="Add the greeting, quickly")
    await work.said(EDITED)
    await work.unlabel()
    await work.until_stopped()
    await world.until_status(work.number, "paused")
    await work.said("`writer` took the label `orch` off, so Orch stopped.")
    await world.until_idle()
    assert len(await world.comments(work.number)) == 1

    await work.open_gate()
    await world.label(work.number, "orch")
    await world.until_status(work.number, "in_review")
    await world.until_idle()
    [comment] = await world.comments(work.number)
    assert EDITED not in comment
    assert "`cancelled` after" in comment
    assert (await world.until_pull())["title"] == "Add the greeting, quickly"


async def test_closing_or_deleting_an_issue_ends_its_task_and_reopening_it_says_how_to_go_on(world: World) -> None:
    await world.start_orch(**MANY)
    completed, dropped, deleted = [await begin(world, name) for name in ("one", "two", "three")]
    await completed.change(state="closed")
    await dropped.change(state="closed", state_reason="not_planned")
    before = await world.comments(deleted.number)
    await world.call("DELETE", f"/_hub{deleted.issue.replace('/repos/', '/repositories/')}", {"sender": "maintainer"})
    for work in (completed, dropped, deleted):
        await work.until_stopped()
    await world.until_status(completed.number, "done")
    await world.until_status(dropped.number, "cancelled")
    await completed.said("`writer` closed the issue as completed, so the task ends.")
    await dropped.said("`writer` closed the issue as not planned, so the task ends.")
    await until_known(world, deleted.number, Status.CANCELLED)
    await world.until_idle()
    assert (len(before), world.workspaces(), await refused_writes(world)) == (1, [], [])

    await dropped.change(state="open")
    await world.until_status(dropped.number, "needs_review")
    await world.until_idle()
    assert (await world.comments(dropped.number))[-1].startswith(
        "The issue was reopened. To have Orch work on it again"
    )
    await dropped.open_gate()
    await dropped.unlabel()
    await world.label(dropped.number, "orch")
    await world.until_status(dropped.number, "in_review")


async def test_a_merged_issue_that_is_reopened_gets_a_branch_of_its_own(world: World) -> None:
    await world.start_orch()
    work, pull = await reviewed(world, "once")
    await world.merge(pull["number"])
    await world.until_status(work.number, "done")
    await work.change(state="open")
    await world.until_status(work.number, "needs_review")
    await work.unlabel()
    await world.label(work.number, "orch")
    await world.until_status(work.number, "in_review")
    second = next(pull for pull in await world.pulls() if pull["state"] == "open")
    assert [file["patch"].splitlines()[-1] for file in await world.read(f"/pulls/{second['number']}/files")] == [
        "+once"
    ]


async def test_a_pull_request_is_closed_reopened_pushed_to_and_outlives_its_issue(world: World) -> None:
    await world.start_orch()
    work, pull = await reviewed(world, "lid")
    path, branch = f"/repos/{world.repository}/pulls/{pull['number']}", pull["head"]["ref"]
    await world.call("PATCH", path, {"state": "closed"})
    await world.until_status(work.number, "needs_review")
    await world.until_idle()
    assert "was closed without a merge. A person with write access must act" in (await world.comments(work.number))[-1]
    await world.call("PATCH", path, {"state": "open"})
    await world.until_status(work.number, "in_review")

    file = {"message": "Mine", "content": "bWluZQo=", "branch": branch}
    await world.call("PUT", f"/repos/{world.repository}/contents/mine.txt", file)
    await work.said(f"`writer` pushed to the branch `{branch}`. Orch keeps those commits")
    await work.unlabel()
    await world.until_status(work.number, "paused")
    await work.change(body="```bash\nls > seen.txt\n```")
    await world.label(work.number, "orch")
    await world.until_status(work.number, "in_review")
    await world.until_idle()
    files = {file["filename"]: file["patch"] for file in await world.read(f"/pulls/{pull['number']}/files")}
    assert files.keys() == {"lid.txt", "mine.txt", "seen.txt"}
    assert "+mine.txt" in files["seen.txt"]

    await work.change(state="closed", state_reason="not_planned")
    await world.until_status(work.number, "cancelled")
    await work.said(f"Pull request #{pull['number']} stays open: merge or close it yourself.")
    assert (await world.read(f"/pulls/{pull['number']}"))["state"] == "open"


async def test_a_paused_task_with_the_same_text_goes_back_to_review_without_a_run(world: World) -> None:
    await world.start_orch()
    work, pull = await reviewed(world, "cup")
    await work.unlabel()
    await world.until_status(work.number, "paused")
    await work.said(f"Pull request #{pull['number']} stays open.")
    await world.label(work.number, "orch")
    await world.until_status(work.number, "in_review")
    await world.until_idle()
    assert "Runs: 1" in (await world.comments(work.number))[0]


async def test_a_transferred_issue_ends_here_and_gets_a_word_there(world: World) -> None:
    await world.call("POST", "/_hub/repositories", {"owner": "acme", "name": "gears"})
    await world.call("POST", "/_hub/repositories", {"owner": "acme", "name": "elsewhere"})
    await world.call("PATCH", f"/_hub/installations/{world.about['installation_id']}", {"add": ["acme/gears"]})
    await world.start_orch(**MANY)
    known, unknown = await begin(world, "known"), await begin(world, "unknown")
    for work, to in ((known, "acme/gears"), (unknown, "acme/elsewhere")):
        path = f"/_hub/repositories/{world.repository}/issues/{work.number}/transfer"
        await world.call("POST", path, {"to": to, "sender": "maintainer"})
        await work.until_stopped()
        await until_known(world, work.number, Status.CANCELLED)
    await world.until_idle()
    there = [comment["body"] for comment in await world.call("GET", "/repos/acme/gears/issues/1/comments")]
    assert there[-1].startswith(
        f"Orch worked on this issue as acme/widgets#{known.number} and stopped when it was trans"
    )
    assert len(await world.call("GET", "/repos/acme/elsewhere/issues/1/comments")) == 1


async def test_a_repository_that_is_renamed_during_a_run_gets_what_the_run_made(world: World) -> None:
    await world.start_orch()
    number = await world.open_issue(
        body=f"```bash\nuntil [ -e {world.folder}/gate-name ]; do sleep 0.05; done\nls > new.txt\n```"
    )
    await world.until_status(number, "in_progress")
    await world.call("PATCH", f"/repos/{world.repository}", {"name": "gadgets"}, "maintainer")
    world.repository = "acme/gadgets"
    await world.call("GET", "/_hub/idle")
    await Work(world, number, "name").open_gate()
    await world.until_status(number, "in_review")
    await world.merge((await world.until_pull())["number"])
    await world.until_status(number, "done")
    await world.until_idle()
    assert [made["path"] for made in (await world.requests())[-3:] if "/acme/widgets" in made["path"]] == []


async def test_an_archived_repository_is_left_alone_and_worked_on_again_afterwards(world: World) -> None:
    await world.start_orch()
    work = await begin(world, "dust")
    await world.call("PATCH", f"/repos/{world.repository}", {"archived": True}, "maintainer")
    await work.until_stopped()
    await until_known(world, work.number, Status.PAUSED)
    await world.until_idle()
    assert await refused_writes(world) == []
    await work.open_gate()
    await world.call("PATCH", f"/repos/{world.repository}", {"archived": False}, "maintainer")
    await world.until_status(work.number, "in_review")
    await world.call("DELETE", f"/repos/{world.repository}", None, "maintainer")
    await until_known(world, work.number, Status.CANCELLED)


async def test_a_suspended_or_reduced_installation_stops_the_work_and_comes_back(world: World) -> None:
    await world.start_orch()
    work = await begin(world, "lamp")
    installation = f"/_hub/installations/{world.about['installation_id']}"
    await world.call("PATCH", installation, {"suspended": True})
    await work.until_stopped()
    await until_known(world, work.number, Status.PAUSED)
    await world.call("PATCH", installation, {"suspended": False})
    await work.until_running()
    await work.said("Runs: 1")

    await world.call("PATCH", installation, {"remove": [world.repository]})
    await work.until_stopped()
    await until_known(world, work.number, Status.PAUSED)
    await world.call("PATCH", installation, {"add": [world.repository]})
    await world.until_status(work.number, "paused")
    await work.said("Orch was cut off from here (removed) and can write again. To have Orch work on it again")

    await work.unlabel()
    await world.label(work.number, "orch")
    await work.until_running()
    await world.until_seconds_pass()  # a label of the second in which all ended could be a wish to go on
    await world.call("DELETE", installation)
    await work.until_stopped()
    await until_known(world, work.number, Status.PAUSED)
    await world.call("POST", "/_hub/installations", {"repositories": [world.repository]})
    await world.until_status(work.number, "paused")


async def test_what_was_missed_while_stopped_is_found_at_the_start(world: World) -> None:
    await world.start_orch(**MANY)
    closed, _ = await reviewed(world, "closed")
    shut, pull = await reviewed(world, "shut")
    reopened, merged = await reviewed(world, "reopened")
    await world.merge(merged["number"])
    await world.until_status(reopened.number, "done")
    withdrawn = await begin(world, "withdrawn")
    await world.until_only("jobs")
    await world.kill_orch()
    await world.faults(webhook_drop_rate=1)
    await closed.change(state="closed", state_reason="not_planned")
    await world.call("PATCH", f"/repos/{world.repository}/pulls/{pull['number']}", {"state": "closed"})
    await reopened.change(state="open")
    await withdrawn.unlabel()
    await world.call("GET", "/_hub/idle")
    await world.faults()
    await world.start_orch(**MANY)
    await world.until_status(closed.number, "cancelled")
    await world.until_status(shut.number, "needs_review")
    await world.until_status(reopened.number, "needs_review")
    await world.until_status(withdrawn.number, "paused")
    await withdrawn.until_stopped()


async def test_i2_doubled_and_shuffled_webhooks_lead_to_the_same_end(world: World) -> None:
    await world.start_orch()
    await world.faults(webhook_double=True, webhook_shuffle=True, webhook_delay=0.05)
    work, pull = await reviewed(world, "order")
    path = f"/repos/{world.repository}/pulls/{pull['number']}"
    for state in ("closed", "open", "closed"):
        await world.call("PATCH", path, {"state": state})
    await world.until_status(work.number, "needs_review")
    for state in ("closed", "open", "closed"):
        await work.change(state=state)
    await world.until_status(work.number, "done")
    await work.change(state="open")
    await world.until_status(work.number, "needs_review")
    await world.until_idle()
    assert await world.labels(work.number) == {"orch", "status:needs_review"}


async def test_i2_an_installation_suspended_and_back_in_any_order_goes_on(world: World) -> None:
    await world.start_orch()
    work = await begin(world, "blink")
    first = await run_at_work(world, work.number)
    await world.faults(webhook_double=True, webhook_shuffle=True, webhook_delay=0.3)
    installation = f"/_hub/installations/{world.about['installation_id']}"
    for suspended in (True, False):
        await world.call("PATCH", installation, {"suspended": suspended})
    await world.call("GET", "/_hub/idle")
    await world.faults()

    async def another() -> bool:
        return await run_at_work(world, work.number) not in ("", first)

    # The end of the first run counts only if it is told before the next one has its lease.
    await world.until("another run at work", another)
    await work.open_gate()
    await work.unlabel()
    await world.until_status(work.number, "paused")
    await world.label(work.number, "orch")
    await world.until_status(work.number, "in_review")


async def run_at_work(world: World, number: int) -> str:
    """Return the run that the living comment says is at work, empty if none is."""
    found = re.search(r"works on attempt \d+, run `(\w+)`", (await world.comments(number))[0])
    return found[1] if found else ""


async def test_commits_pushed_during_a_run_are_kept_and_the_next_attempt_builds_on_them(world: World) -> None:
    await world.start_orch()
    work, pull = await reviewed(world, "hat")
    gate = world.folder / "gate-hat"
    await work.unlabel()
    await work.change(body=f"```bash\nuntil [ -e {gate} ]; do sleep 0.05; done\nls > seen.txt\n```")
    await world.label(work.number, "orch")
    await world.until_status(work.number, "in_progress")
    file = {"message": "Mine", "content": "bWluZQo=", "branch": pull["head"]["ref"]}
    await world.call("PUT", f"/repos/{world.repository}/contents/mine.txt", file)
    await work.said("`writer` pushed to the branch")
    await asyncio.to_thread(gate.touch)
    await world.until_status(work.number, "needs_review")
    await work.said("is not where the run began, and Orch never force-pushes: take the label")
    await work.unlabel()
    await world.label(work.number, "orch")
    await world.until_status(work.number, "in_review")
    await world.until_idle()
    files = {file["filename"]: file["patch"] for file in await world.read(f"/pulls/{pull['number']}/files")}
    assert "+mine.txt" in files["seen.txt"]


async def test_i12_a_bot_that_fights_over_labels_is_answered_three_times(world: World) -> None:
    await world.start_orch()
    work, _ = await reviewed(world, "peace")
    await world.until_idle()
    robot = await world.call("POST", "/_hub/users", {"login": "robot[bot]", "type": "Bot"})
    await world.call("PUT", f"/_hub/repositories/{world.repository}/collaborators/robot[bot]", {"permission": "write"})
    world.about["tokens"]["robot"] = robot["token"]
    for _ in range(3):
        await world.label(work.number, "status:paused", "robot")
        await world.until_status(work.number, "in_review")
    await world.label(work.number, "status:paused", "robot")
    await work.said("Status labels were moved 3 times within an hour and put back each time.")
    await world.until_idle()
    assert await world.labels(work.number) == {"orch", "status:in_review", "status:paused"}
    await world.merge((await world.until_pull())["number"])
    await world.until_status(work.number, "done")
