"""`orch local`: branches flow in, work lands, and nothing that is not committed is touched."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.settings import KNOWN_AGENTS
from tests.e2e.local_stage import SERVED, Desk, new_desk
from tests.integration.test_core_stop import processes_in

SCRIPT = "```bash\necho {text} > {name}\n```\n"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with new_desk(tmp_path) as made:
        yield made


async def make(desk: Desk, name: str, text: str = "made") -> int:
    """Open a labelled issue whose script writes a file."""
    [line] = await desk.here(
        "issue", "new", f"Write {name}", "--label", "orch", "--body", SCRIPT.format(name=name, text=text)
    )
    return int(line.split()[0].removeprefix("#"))


def leftovers(desk: Desk) -> list[str]:
    """List the processes that name the person's home, or work in it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            text = (entry / "cmdline").read_bytes().decode(errors="replace") + str((entry / "cwd").readlink())
        except OSError:
            continue
        if str(desk.home) in text:
            found.append(text)
    return found


def branches(desk: Desk) -> dict[str, str]:
    lines = desk.git("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads").splitlines()
    return dict(line.split() for line in lines)


async def test_a_branch_and_its_merge_land_in_the_repository(desk: Desk) -> None:
    local = await desk.local()
    number = await make(desk, "b.txt")
    await local.until_said(f"orch/{number}-write-b-txt is at")
    assert sorted(branches(desk)) == ["main", f"orch/{number}-write-b-txt"]

    await desk.merge(number)
    await local.until_said("main is at")
    await local.until_said(f"orch/{number}-write-b-txt is gone")
    assert list(branches(desk)) == ["main"]
    assert (desk.repository / "b.txt").read_text() == "made\n"
    assert desk.git("status", "--porcelain") == ""


async def test_what_the_person_commits_is_what_work_starts_from(desk: Desk) -> None:
    await desk.local()
    sha = desk.commit("mine.txt", "mine\n")
    desk.git("branch", "side")

    async def seen() -> bool:
        found = {branch["name"]: branch["commit"]["sha"] for branch in await desk.call("GET", "/branches")}
        return found == {"main": sha, "side": sha}

    await desk.until(seen)
    number = await make(desk, "b.txt")
    await desk.merge(number)

    async def landed() -> bool:
        return (desk.repository / "b.txt").exists()

    await desk.until(landed)
    assert desk.git("merge-base", "main", sha) == sha


async def test_a_merge_waits_for_a_work_tree_with_changes_and_takes_nothing_from_it(desk: Desk) -> None:
    local = await desk.local()
    number = await make(desk, "a.txt", "from the agent")
    await local.until_said(f"orch/{number}-write-a-txt is at")
    (desk.repository / "a.txt").write_text("not committed\n")
    before = branches(desk)["main"]
    await desk.merge(number)

    told = await local.until_said("main is to go to")
    assert "commit or stash them" in told
    assert ((desk.repository / "a.txt").read_text(), branches(desk)["main"]) == ("not committed\n", before)

    desk.git("checkout", "--quiet", "a.txt")
    await local.until_said("main is at")
    assert (desk.repository / "a.txt").read_text() == "from the agent\n"


async def test_a_branch_that_went_two_ways_is_brought_together_by_a_merge(desk: Desk) -> None:
    local = await desk.local()
    number = await make(desk, "b.txt")
    await local.until_said(f"orch/{number}-write-b-txt is at")
    (desk.repository / "a.txt").write_text("not committed\n")
    await desk.merge(number)
    await local.until_said("main is to go to")
    desk.commit("a.txt", "committed meanwhile\n")

    told = await local.until_said("went two ways")
    assert "`git merge refs/orch/hub/main`" in told
    desk.git("merge", "--quiet", "--no-edit", "refs/orch/hub/main")
    sha = branches(desk)["main"]

    async def together() -> bool:
        return bool((await desk.call("GET", "/branches/main"))["commit"]["sha"] == sha)

    await desk.until(together)
    assert sorted(path.name for path in desk.repository.glob("*.txt")) == ["a.txt", "b.txt"]


async def test_the_first_signal_lets_a_run_end_and_its_branch_lands(desk: Desk) -> None:
    local = await desk.local()
    go, at_work = desk.home / "go", desk.home / "at-work"
    body = f"```bash\ntouch {at_work}\nuntil test -e {go}; do sleep 0.1; done\necho made > b.txt\n```"
    await desk.here("issue", "new", "Slow", "--label", "orch", "--body", body)
    await desk.until_there("at-work")

    local.signal(signal.SIGINT)
    await local.until_said("stopping: runs end or are given back")
    go.touch()
    assert await local.ended() == 0
    assert local.said[-1] == "stopped; `orch local` goes on from here"

    await (await desk.local()).until_said("orch/1-slow is at")


async def test_the_second_signal_waits_for_nothing_and_nothing_is_lost(desk: Desk) -> None:
    local = await desk.local()
    go, at_work = desk.home / "go", desk.home / "at-work"
    body = f"```bash\ntouch {at_work}\ntest -e {go} || sleep 300\necho made > b.txt\n```"
    await desk.here("issue", "new", "Slow", "--label", "orch", "--body", body)
    await desk.until_there("at-work")

    local.signal(signal.SIGINT)
    await local.until_said("stopping: runs end or are given back")
    local.signal(signal.SIGINT)
    await local.ended()
    assert processes_in(desk.state) == []

    go.touch()
    await (await desk.local()).until_said("orch/1-slow is at")


async def test_a_killed_one_takes_hub_and_agents_with_it_and_the_next_goes_on(desk: Desk) -> None:
    local = await desk.local()
    go, at_work = desk.home / "go", desk.home / "at-work"
    body = f"```bash\ntouch {at_work}\ntest -e {go} || sleep 300\necho made > b.txt\n```"
    await desk.here("issue", "new", "Slow", "--label", "orch", "--body", body)
    await desk.until_there("at-work")
    await local.kill()

    async def nothing_left() -> bool:
        return leftovers(desk) == []

    await desk.until(nothing_left)
    go.touch()
    await (await desk.local()).until_said("orch/1-slow is at")


async def test_mistakes_are_one_line_that_says_what_to_do(desk: Desk) -> None:
    (desk.home / "plain").mkdir()
    (desk.home / "empty").mkdir()
    desk.git("-C", str(desk.home / "empty"), "init", "--quiet")
    desk.git("clone", "--quiet", "--depth=1", f"file://{desk.repository}", str(desk.home / "shallow"))
    known = ", ".join(sorted(KNOWN_AGENTS))
    told = {
        ("--repo", "nowhere"): "there is no directory nowhere",
        ("--repo", "plain"): "plain is not a git repository: name one with --repo, or make one with `git init`",
        ("--repo", "empty"): f"{desk.home}/empty has no commits yet: make a first one with `git commit`",
        ("--repo", "shallow"): f"{desk.home}/shallow is a shallow clone: complete it with `git fetch --unshallow`",
        ("--repo", "widgets", "--base", "dev"): f"{desk.repository} has no branch dev; it has main",
        ("--repo", "widgets", "--agent", "x"): f"there is no agent `x` here; there is: {known}",
        ("--repo", "widgets", "--state", "/proc/x"): "/proc/x cannot be written (No such file or directory): "
        "choose another with --state",
    }
    for argv, line in told.items():
        assert await desk.run("local", *argv) == (2, [f"orch: {line}"])
    status, said = await desk.run("issue", "new", "x", "--repo", "widgets")
    assert (status, said) == (
        2,
        [f"orch: no `orch local` runs for {desk.repository}: start it with `orch local --repo {desk.repository}`"],
    )


async def test_a_port_or_repository_in_use_is_refused(desk: Desk) -> None:
    local = await desk.local()
    page = (await local.until_said(SERVED)).split()[-1]
    port = page.split("/")[2].rpartition(":")[2]
    argv = ("local", "--repo", "widgets", "--state")
    assert await desk.run(*argv, "other", "--port", port) == (
        2,
        [f"orch: port {port} cannot be used (Address already in use): name another one with --port"],
    )
    assert await desk.run(*argv, str(desk.state)) == (
        2,
        [f"orch: another `orch local` runs for {desk.repository}: {page.rpartition('/local/')[0]}"],
    )
