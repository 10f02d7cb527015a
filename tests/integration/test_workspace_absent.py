"""Files in Git LFS and submodules, which a workspace does not have, and what becomes of them in commits."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.absent import Absent
from app.domain.jobs import Purpose
from app.domain.outcomes import Outcome
from runner.absent import NestedRepository, Undeliverable
from runner.git import Git
from runner.workspace import Mirror, Workspace
from tests.integration.git_server import TOKEN, GitServer, git_server
from tests.integration.run_stage import Stage
from tests.integration.test_workspace import agent_git, committed, names, snapshot

LINK = "5" * 40
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12\n"
FILES = {
    ".gitattributes": b"*.png filter=lfs diff=lfs merge=lfs -text\n",
    ".gitmodules": b'[submodule "x"]\n\tpath = libs/x\n\turl = ../x.git\n',
    "assets/.gitattributes": b"*.bin filter=lfs\nplain.bin !filter\n",
    "assets/a.bin": POINTER % (b"a" * 64),
    "logo.png": POINTER % (b"b" * 64),
    "README.md": b"one\n",
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with git_server(tmp_path, FILES) as running:
        yield running


@pytest.fixture
async def mirror(tmp_path: Path, server: GitServer) -> Mirror:
    made = Mirror.under(tmp_path / "root", "owner/project", 7)
    await made.fetch(server.url, TOKEN)
    return made


@pytest.fixture
async def start(server: GitServer, mirror: Mirror) -> str:
    """Return a commit with a submodule, as `git submodule add` leaves it."""
    return await linked(mirror.git, await server.head(), LINK)


async def linked(git: Git, head: str, link: str) -> str:
    """Commit a submodule onto a commit that may have one."""
    tree = b"".join(row for row in (await git("ls-tree", head)).splitlines(True) if not row.endswith(b"\tlibs\n"))
    libs = (await git("mktree", "--missing", stdin=f"160000 commit {link}\tx\n".encode())).decode().strip()
    whole = (await git("mktree", stdin=tree + f"040000 tree {libs}\tlibs\n".encode())).decode().strip()
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return (await git("commit-tree", whole, "-p", head, stdin=b"Add x", extra=who)).decode().strip()


@pytest.fixture
async def workspace(mirror: Mirror, start: str) -> Workspace:
    made = mirror.workspace("owner/project#1")
    await made.prepare(start)
    return made


async def entries(mirror: Mirror, sha: str, *paths: str) -> list[str]:
    return (await mirror.git("ls-tree", "-r", sha, *paths)).decode().splitlines()


async def test_what_is_absent_is_found_in_all_folders(workspace: Workspace) -> None:
    assert await workspace.absent() == Absent(lfs=("*.png", "assets/*.bin"), submodules=("libs/x",))


async def test_pointers_and_submodules_stay_as_they_are_in_a_commit(
    mirror: Mirror, workspace: Workspace, start: str
) -> None:
    assert await snapshot(workspace, start) is None
    (workspace.tree / "README.md").write_text("two\n")
    sha = await committed(workspace, start)
    assert (await workspace.diff_stat(start, sha)).paths == ("README.md",)
    assert await entries(mirror, sha, "libs") == [f"160000 commit {LINK}\tlibs/x"]
    assert await mirror.git("cat-file", "blob", f"{sha}:logo.png") == FILES["logo.png"]


@pytest.mark.parametrize("content", [b"\x89PNG\r\n", POINTER % (b"c" * 64), b""], ids=["file", "pointer", "empty"])
@pytest.mark.parametrize("path", ["logo.png", "assets/a.bin", "src/new.png"])
async def test_a_file_in_lfs_that_was_changed_or_added_is_refused_by_name(
    workspace: Workspace, start: str, path: str, content: bytes
) -> None:
    (workspace.tree / path).parent.mkdir(exist_ok=True)
    (workspace.tree / path).write_bytes(content)
    with pytest.raises(Undeliverable, match=f"^`{path}` is in Git LFS, and a run cannot upload"):
        await snapshot(workspace, start)


async def test_a_pointer_may_be_moved_copied_and_deleted(workspace: Workspace, start: str) -> None:
    (workspace.tree / "logo.png").rename(workspace.tree / "brand.png")
    shutil.copy(workspace.tree / "brand.png", workspace.tree / "icon.png")
    (workspace.tree / "assets/a.bin").unlink()
    stat = await workspace.diff_stat(start, await committed(workspace, start))
    assert stat.paths == ("assets/a.bin", "brand.png", "icon.png", "logo.png")


async def test_what_is_taken_out_of_lfs_is_a_file_as_others(workspace: Workspace, start: str) -> None:
    (workspace.tree / ".gitattributes").write_text("")
    (workspace.tree / "logo.png").write_bytes(b"\x89PNG")
    (workspace.tree / "assets/plain.bin").write_bytes(b"plain")
    stat = await workspace.diff_stat(start, await committed(workspace, start))
    assert stat.paths == (".gitattributes", "assets/plain.bin", "logo.png")


@pytest.mark.parametrize("gone", ["libs", "libs/x"])
async def test_a_submodule_whose_folder_is_gone_stays(workspace: Workspace, start: str, gone: str) -> None:
    shutil.rmtree(workspace.tree / gone)
    assert await snapshot(workspace, start) is None
    (workspace.tree / "README.md").write_text("two\n")
    assert (await workspace.diff_stat(start, await committed(workspace, start))).paths == ("README.md",)


async def test_a_submodule_is_removed_on_purpose(mirror: Mirror, workspace: Workspace, start: str) -> None:
    agent_git(workspace, "rm", "-q", "libs/x")
    assert (workspace.tree / ".gitmodules").read_bytes() == b""
    assert await names(mirror, await committed(workspace, start)) == [
        *(b".gitattributes", b".gitmodules", b"README.md"),
        *(b"assets/.gitattributes", b"assets/a.bin", b"logo.png"),
    ]


@pytest.mark.parametrize("kind", ["files", "clone"])
async def test_files_in_a_submodules_folder_are_refused(workspace: Workspace, start: str, kind: str) -> None:
    if kind == "clone":
        agent_git(workspace, "init", "-q", "libs/x")
    (workspace.tree / "libs/x/new.py").touch()
    with pytest.raises(Undeliverable, match=r"^`libs/x` is a submodule, and the agent put files there"):
        await snapshot(workspace, start)


@pytest.mark.parametrize("path", ["libs/x", "libs"])
async def test_a_file_in_place_of_a_submodule_is_refused(workspace: Workspace, start: str, path: str) -> None:
    shutil.rmtree(workspace.tree / path)
    (workspace.tree / path).symlink_to("/tmp")
    with pytest.raises(Undeliverable, match="something else in place of the submodule `libs/x`"):
        await snapshot(workspace, start)


async def test_a_new_submodule_is_refused(workspace: Workspace, start: str) -> None:
    modules = workspace.tree / ".gitmodules"
    modules.write_text(modules.read_text() + '[submodule "y"]\n\tpath = libs/y\n')
    with pytest.raises(Undeliverable, match="the agent made `libs/y` a submodule"):
        await snapshot(workspace, start)
    agent_git(workspace, "init", "-q", "libs/y")
    with pytest.raises(NestedRepository):
        await snapshot(workspace, start)


async def test_a_merge_of_two_changes_to_a_submodule_is_left_to_a_person(server: GitServer, tmp_path: Path) -> None:
    git = Git(server.repository.path)
    before = await linked(git, await server.head(), LINK)
    ours, theirs = await linked(git, before, "6" * 40), await linked(git, before, "7" * 40)
    await server.repository.create_ref("refs/heads/orch/1", ours)
    await server.repository.update_ref("refs/heads/main", theirs, force=True)
    result = await Stage(server, tmp_path / "root").run("true", purpose=Purpose.REBASE, start_sha=ours)
    assert (result.outcome, result.reason) == (
        Outcome.INFRASTRUCTURE_FAILED,
        "both sides changed submodules (libs/x), whose history a run does not have. Merge main in yourself.",
    )
