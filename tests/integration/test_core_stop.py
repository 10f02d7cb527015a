"""A task that is over stops the run that still works on it, with everything the run started and made."""

import asyncio
import os
from pathlib import Path
from typing import Any

from tests.e2e.world import World

SLOW = "```bash\necho started > {flag}\nsleep 300\n```\n"


async def git(folder: Path, *argv: str) -> str:
    """Run git as a person does, in a home of its own."""
    identity = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "writer"), ("EMAIL", "writer@localhost.invalid"))
    }
    process = await asyncio.create_subprocess_exec(
        "git",
        *argv,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_TERMINAL_PROMPT": "0", **identity},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def push_by_hand(world: World, branch: str) -> None:
    """Be a person who pushes the task's branch before the agent is done."""
    work = world.folder / "person"
    scheme, _, rest = str(world.about["web_url"]).partition("://")
    url = f"{scheme}://writer:{world.about['writer_token']}@{rest}/{world.repository}.git"
    await git(world.folder, "clone", "--quiet", url, str(work))
    (work / "by-hand.txt").write_text("done by hand\n")
    await git(work, "add", "--all")
    await git(work, "commit", "--quiet", "--message", "By hand")
    await git(work, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")


def processes_in(folder: Path) -> list[str]:
    """List the processes whose working directory is a workspace in the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            place = str((entry / "cwd").readlink())
        except OSError:
            continue
        if place.startswith(f"{folder}/orch/repositories/"):
            found.append(place)
    return found


async def test_i3_a_merged_task_stops_its_run_and_leaves_nothing(world: World, tmp_path: Path) -> None:
    await world.start_orch()
    flag = tmp_path / "started"
    number = await world.open_issue(title="By hand", body=SLOW.format(flag=flag))

    async def started() -> bool:
        return flag.exists() and "status:in_progress" in await world.labels(number)

    await world.until("an agent at work", started)
    assert processes_in(tmp_path) != []

    branch = f"orch/{number}-by-hand"
    await push_by_hand(world, branch)
    wanted: dict[str, Any] = {"title": "By hand", "head": branch, "base": "main", "body": ""}
    pull = await world.call("POST", f"/repos/{world.repository}/pulls", wanted)
    await world.merge(pull["number"])
    await world.until_status(number, "done")
    await world.until_idle()

    assert (processes_in(tmp_path), world.workspaces()) == ([], [])
    assert await world.refs() == ["refs/heads/main"]
    assert [each["number"] for each in await world.pulls()] == [pull["number"]]


async def test_sigterm_stops_the_agent_and_the_next_start_goes_on_at_once(world: World, tmp_path: Path) -> None:
    first = await world.start_orch(JOB_LEASE=600, RUN_LEASE=600)
    flag = tmp_path / "started"
    body = f"```bash\ntest -e {flag} || {{ echo started > {flag}; sleep 300; }}\necho hello > hello.txt\n```\n"
    number = await world.open_issue(body=body)

    async def started() -> bool:
        return flag.exists()

    await world.until("an agent at work", started)
    assert await first.stop() == 0
    assert processes_in(tmp_path) == []

    await world.start_orch(JOB_LEASE=600, RUN_LEASE=600)
    await world.until_status(number, "in_review")  # which no lease that ends is the cause of
    [comment] = await world.comments(number)
    assert "infrastructure_failed" not in comment
