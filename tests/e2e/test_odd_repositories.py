"""Repositories that are not plain: signed commits, Git LFS, submodules. Each works, or says before the run what not."""

from pathlib import Path

from tests.e2e.world import World
from tests.integration.test_hub_git import client_git

LINK = "5" * 40
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "b" * 64 + "\nsize 12\n"
MODULES = '[submodule "x"]\n\tpath = libs/x\n\turl = ../x.git\n'


async def sign(world: World, branch: str) -> None:
    """Have branches take only signed commits."""
    await world.call("PUT", f"/_hub/repositories/{world.repository}/rules/{branch}", {"signatures": True})


async def until_head_is_signed(world: World, number: int, files: list[str]) -> None:
    await world.until_pull()
    await world.until_files(files)
    await world.until_status(number, "in_review")
    await world.until_idle()
    [pull] = await world.pulls()
    for commit in await world.read(f"/pulls/{pull['number']}/commits"):
        assert (commit["commit"]["verification"]["verified"], commit["author"]["login"]) == (True, "orch[bot]")
        assert "\n\nCo-authored-by: writer <" in commit["commit"]["message"]
    assert (await world.read(f"/pulls/{pull['number']}"))["mergeable_state"] == "clean"


async def until_told(world: World, number: int, sentence: str) -> None:
    """Wait until the living comment says something while the agent works."""
    await world.until_status(number, "in_progress")

    async def probe() -> bool:
        return any(sentence in comment for comment in await world.comments(number))

    await world.until(sentence, probe)
    assert "status:in_progress" in await world.labels(number)


async def test_where_only_signed_commits_are_taken_all_are_signed(world: World) -> None:
    await sign(world, "main")
    await world.start_orch()
    await world.until_idle()
    number = await world.open_issue()
    await until_head_is_signed(world, number, ["hello.txt"])
    # The task's branch asks for it as well from now on, which shows when GitHub refuses what is not signed.
    await sign(world, "orch/*")
    [pull] = await world.pulls()
    await world.say(pull["number"], "@orch please\n\n```bash\necho more > more.txt\n```")
    await until_head_is_signed(world, number, ["hello.txt", "more.txt"])
    await world.merge(pull["number"])
    await world.until_status(number, "done")


async def test_files_in_lfs_are_said_to_be_pointers_and_a_changed_one_is_refused(world: World, tmp_path: Path) -> None:
    await world.start_orch()
    await world.until_idle()
    await world.commit("main", "logo.png", POINTER)
    await world.commit("main", ".gitattributes", "*.png filter=lfs diff=lfs merge=lfs -text\n")
    await world.until_idle()
    go_on = tmp_path / "go-on"
    wait = f"until [ -e {go_on} ]; do sleep 0.05; done"
    number = await world.open_issue(body=f"```bash\n{wait}\necho hello > hello.txt\necho better > logo.png\n```")
    await until_told(world, number, "`*.png` are in Git LFS: the agent sees pointers")
    go_on.touch()
    await world.until_status(number, "needs_review")
    await world.until_idle()
    living, asked = await world.comments(number)
    for said in (living, asked):
        assert "logo.png is in Git LFS, and a run cannot upload what the agent made of it." in said
    assert await world.pulls() == []


async def test_submodules_are_said_to_be_empty_and_stay_as_they_are(world: World, tmp_path: Path) -> None:
    await world.start_orch()
    await world.until_idle()
    url = f"{world.about['web_url']}/{world.repository}.git"
    login = url.replace("://", f"://x-access-token:{world.about['tokens']['writer']}@")
    await client_git("clone", "-q", login, "work", cwd=tmp_path)
    work, go_on = tmp_path / "work", tmp_path / "go-on"
    (work / ".gitmodules").write_text(MODULES)
    await client_git("add", ".gitmodules", cwd=work)
    await client_git("update-index", "--add", "--cacheinfo", f"160000,{LINK},libs/x", cwd=work)
    await client_git("commit", "-qm", "Add x", cwd=work)
    await client_git("push", "-q", cwd=work)
    await world.until_idle()
    wait = f"until [ -e {go_on} ]; do sleep 0.05; done"
    number = await world.open_issue(body=f"```bash\n{wait}\nrmdir libs/x\necho hello > hello.txt\n```")
    await until_told(world, number, "`libs/x` is a submodule; its files are not there in the run.")
    go_on.touch()
    await world.until_status(number, "in_review")
    await world.until_files(["hello.txt"])
    [pull] = await world.pulls()
    await client_git("fetch", "-q", "origin", pull["head"]["ref"], cwd=work)
    assert await client_git("ls-tree", "FETCH_HEAD", "libs/", cwd=work) == f"160000 commit {LINK}\tlibs/x"
