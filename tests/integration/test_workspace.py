"""Mirrors and workspaces: fetch, prepare, commit, push, remove, with real git over real HTTP."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.absent import NestedRepository
from runner.git import AuthRefused, GitFailed, Identity, NotFound, PushRejected, Transient
from runner.workspace import (
    DiffStat,
    Mirror,
    UnsafePath,
    Workspace,
    WorkspaceBusy,
    WorkspaceDamaged,
)
from tests.integration.git_server import TOKEN, WRITER, GitServer, git_server

BOT = Identity("orch[bot]", "1+orch[bot]@users.noreply.example.invalid")
REQUESTER = Identity("requester", "requester@example.invalid")
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
RUN_REF = "refs/orch/runs/run-1"
FILES = {"README.md": b"one\ntwo\n", "src/app.py": b"print(1)\n", ".gitignore": b"ignored/\n"}


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
async def start(server: GitServer) -> str:
    return await server.head()


@pytest.fixture
async def workspace(mirror: Mirror, start: str) -> Workspace:
    made = mirror.workspace("owner/project#1")
    await made.prepare(start)
    return made


async def snapshot(workspace: Workspace, parent: str) -> str | None:
    return await workspace.snapshot("Do it", BOT, REQUESTER, parent, NOON)


async def committed(workspace: Workspace, parent: str) -> str:
    sha = await snapshot(workspace, parent)
    assert sha is not None
    return sha


def agent_git(workspace: Workspace, *argv: str) -> str:
    """Run git as an agent would: inside the tree, finding its repository by itself."""
    environment = {"PATH": os.defpath, "HOME": str(workspace.home), "LC_ALL": "C"}
    done = subprocess.run(["git", *argv], cwd=workspace.tree, env=environment, capture_output=True, check=True)
    return done.stdout.decode()


async def names(mirror: Mirror, sha: str) -> list[bytes]:
    return (await mirror.git("ls-tree", "-r", "-z", "--name-only", sha)).split(b"\0")[:-1]


async def test_fetch_follows_branches_that_move_and_go(server: GitServer, mirror: Mirror, start: str) -> None:
    await server.repository.create_ref("refs/heads/topic/deep", start)
    await mirror.fetch(server.url, TOKEN)
    assert await mirror.branches() == {"main": start, "topic/deep": start}
    await server.repository.delete_ref("refs/heads/topic/deep")
    await server.repository.create_ref("refs/heads/topic", start)
    moved = await server.repository.write_file("main", "new", b"x", "Move", WRITER)
    await mirror.fetch(server.url, TOKEN)
    assert await mirror.branches() == {"main": moved, "topic": start}


async def test_a_forced_or_pruned_branch_leaves_the_workspace_alone(
    server: GitServer, mirror: Mirror, workspace: Workspace, start: str
) -> None:
    (workspace.tree / "work").write_text("unfinished\n")
    other = await server.repository.write_file("main", "README.md", b"other\n", "Move", WRITER)
    await server.repository.create_ref("refs/heads/other", other)
    await server.repository.delete_ref("refs/heads/main")
    await mirror.fetch(server.url, TOKEN)
    sha = await committed(workspace, start)
    assert await mirror.branches() == {"other": other}
    assert await workspace.diff_stat(start, sha) == DiffStat(("work",), 1, 0)
    await workspace.push(server.url, TOKEN, sha, RUN_REF)
    assert await server.repository.refs("refs/orch/") == {RUN_REF: sha}


async def test_the_next_attempt_starts_from_the_run_ref(server: GitServer, mirror: Mirror, tmp_path: Path) -> None:
    sha = await server.repository.write_file("main", "work", b"x", "Unfinished", WRITER)
    await server.repository.create_ref(RUN_REF, sha)
    elsewhere = Mirror.under(tmp_path / "elsewhere", "owner/project", 7)
    await elsewhere.fetch(server.url, TOKEN, refs=[RUN_REF])
    again = elsewhere.workspace("owner/project#1")
    await again.prepare(sha)
    assert (again.tree / "work").read_bytes() == b"x"


async def test_fetches_of_one_repository_wait_for_each_other(server: GitServer, mirror: Mirror, start: str) -> None:
    twin = Mirror(mirror.path)
    await asyncio.gather(*(one.fetch(server.url, TOKEN) for one in (mirror, twin, mirror, twin)))
    assert await mirror.branches() == {"main": start}


async def test_fetch_clears_the_locks_of_a_killed_one(server: GitServer, mirror: Mirror) -> None:
    (mirror.repository / "packed-refs.lock").touch()
    (mirror.repository / "refs/remotes/origin/main.lock").touch()
    moved = await server.repository.write_file("main", "new", b"x", "Move", WRITER)
    await server.repository.create_ref("refs/heads/gone", moved)
    await mirror.fetch(server.url, TOKEN)
    assert await mirror.branches() == {"main": moved, "gone": moved}


async def test_a_renamed_repository_keeps_its_mirror(mirror: Mirror) -> None:
    assert Mirror.under(mirror.path.parent, "new-owner/new-name", 7) == mirror


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "a/../..", ".", "", "ü\n\0", "x" * 5000, "\udcff"])
def test_any_name_makes_a_path_under_the_root(tmp_path: Path, name: str) -> None:
    mirror = Mirror.under(tmp_path, name, 1)
    workspace = mirror.workspace(name)
    assert mirror.path.parent == tmp_path
    assert workspace.path.parent == mirror.path / "tasks"


def test_names_that_sanitise_alike_stay_apart(tmp_path: Path) -> None:
    mirror = Mirror.under(tmp_path, "owner/project", 1)
    assert mirror.workspace("owner/project#1").path != mirror.workspace("owner/project/1").path


def test_i6_a_symlink_out_of_the_root_is_refused(tmp_path: Path) -> None:
    mirror = Mirror.under(tmp_path / "root", "owner/project", 1)
    mirror.path.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (mirror.path / "tasks").symlink_to(tmp_path / "outside")
    with pytest.raises(UnsafePath):
        mirror.workspace("owner/project#1")


async def test_prepare_makes_the_start_commit_and_nothing_else(workspace: Workspace, start: str) -> None:
    (workspace.tree / "README.md").write_text("changed\n")
    (workspace.tree / "ignored").mkdir()
    (workspace.home / "secret").touch()
    await workspace.prepare(start)
    found = {str(p.relative_to(workspace.tree)) for p in workspace.tree.rglob("*") if ".git" not in p.parts}
    assert found == {"README.md", "src", "src/app.py", ".gitignore"}
    assert (workspace.tree / "README.md").read_bytes() == FILES["README.md"]
    assert not any([*workspace.home.iterdir(), *workspace.tmp.iterdir()])
    assert await snapshot(workspace, start) is None


async def test_the_agent_has_a_git_that_works(workspace: Workspace, start: str) -> None:
    assert agent_git(workspace, "rev-parse", "HEAD", "origin/main").split() == [start, start]
    (workspace.tree / "README.md").write_text("changed\n")
    assert agent_git(workspace, "status", "--porcelain") == " M README.md\n"
    agent_git(workspace, "commit", "-qam", "Mine")
    assert agent_git(workspace, "log", "--format=%s") == "Mine\nInitial commit\n"


async def test_a_change_in_the_second_of_the_checkout_is_seen_later(workspace: Workspace, start: str) -> None:
    """It is of the same size, and git compares times by the second."""
    file = workspace.tree / "src/app.py"
    while True:
        checked_out = file.stat()
        file.write_text(file.read_text().replace("1", "2"))
        if int(file.stat().st_ctime) == int(checked_out.st_ctime):
            break
        await workspace.prepare(start)
    assert file.stat().st_size == checked_out.st_size
    await asyncio.sleep(1.1)
    assert agent_git(workspace, "status", "--porcelain") == " M src/app.py\n"
    await committed(workspace, start)


async def test_an_agents_own_commits_are_flattened(mirror: Mirror, workspace: Workspace, start: str) -> None:
    for n in range(2):
        (workspace.tree / "src/app.py").write_text(f"print({n + 2})\n")
        agent_git(workspace, "commit", "-qam", f"Mine {n}")
    sha = await committed(workspace, start)
    shown = await mirror.git("log", "-1", "--format=%P|%an|%ae|%cn|%ad|%B", "--date=unix", sha)
    assert shown.decode().strip() == (
        f"{start}|{BOT.name}|{BOT.email}|{BOT.name}|{int(NOON.timestamp())}|"
        "Do it\n\nCo-authored-by: requester <requester@example.invalid>"
    )


async def test_an_agents_reset_to_its_own_commit_is_still_delivered(workspace: Workspace, start: str) -> None:
    (workspace.tree / "new").write_text("x\n")
    agent_git(workspace, "add", "-A")
    agent_git(workspace, "commit", "-qm", "Mine")
    agent_git(workspace, "update-index", "--assume-unchanged", "README.md")
    (workspace.tree / "README.md").unlink()
    stat = await workspace.diff_stat(start, await committed(workspace, start))
    assert stat == DiffStat(("README.md", "new"), 1, 2)


async def test_the_same_tree_makes_the_same_commit(mirror: Mirror, workspace: Workspace, start: str) -> None:
    (workspace.tree / "new").write_text("x\n")
    first = await committed(workspace, start)
    assert await committed(workspace, start) == first
    other = mirror.workspace("another task")
    await other.prepare(start)
    (other.tree / "new").write_text("x\n")
    assert await committed(other, start) == first


async def test_a_snapshot_onto_another_parent_is_a_whole_one(
    server: GitServer, mirror: Mirror, workspace: Workspace
) -> None:
    parent = await server.repository.write_file("main", "elsewhere", b"x\n", "Move", WRITER)
    await mirror.fetch(server.url, TOKEN)
    (workspace.tree / "new").write_text("x\n")
    stat = await workspace.diff_stat(parent, await committed(workspace, parent))
    assert stat == DiffStat(("elsewhere", "new"), 1, 1)


async def test_a_name_cannot_add_lines_to_the_message(mirror: Mirror, workspace: Workspace, start: str) -> None:
    (workspace.tree / "new").write_text("x\n")
    sly = Identity("a\nCo-authored-by: b", "<c>@d")
    sha = await workspace.snapshot("Do\0 it\udcff", BOT, sly, start, NOON)
    assert sha is not None
    shown = await mirror.git("log", "-1", "--format=%B", sha)
    assert shown.decode().strip() == "Do it?\n\nCo-authored-by: a Co-authored-by: b <c @d>"


@pytest.mark.parametrize(
    "name", [b"new\nline", b"\xff\xfe not utf-8", b" leading", b"-dash", b":(top)", b"tab\t", b'quo"te', b"*", b"\\"]
)
async def test_any_file_name_is_committed(mirror: Mirror, workspace: Workspace, start: str, name: bytes) -> None:
    (workspace.tree / os.fsdecode(name)).write_text("x\n")
    sha = await committed(workspace, start)
    assert name in await names(mirror, sha)
    assert await workspace.diff_stat(start, sha) == DiffStat((os.fsdecode(name),), 1, 0)


async def test_a_long_path_is_committed(mirror: Mirror, workspace: Workspace, start: str) -> None:
    path = Path(*["d" * 200] * 15, "f" * 255)
    (workspace.tree / path).parent.mkdir(parents=True)
    (workspace.tree / path).touch()
    assert os.fsencode(path) in await names(mirror, await committed(workspace, start))


async def test_a_tree_too_deep_to_read_is_refused_and_removed(workspace: Workspace, start: str) -> None:
    deepen = "import os\nfor _ in range(1500):\n os.mkdir('deep'); os.chdir('deep')\nopen('file', 'w').close()"
    await asyncio.to_thread(subprocess.run, ["python3", "-c", deepen], cwd=workspace.tree, check=True)
    with pytest.raises(WorkspaceDamaged):
        await snapshot(workspace, start)
    await workspace.remove()
    assert not workspace.path.exists()


async def test_modes_and_kinds_are_kept(mirror: Mirror, workspace: Workspace, start: str) -> None:
    (workspace.tree / "run").write_text("#!/bin/sh\n")
    (workspace.tree / "run").chmod(0o755)
    shutil.rmtree(workspace.tree / "src")
    (workspace.tree / "src").symlink_to("/etc")
    listed = await mirror.git("ls-tree", "-r", await committed(workspace, start))
    rows = {line.split("\t")[1]: line.split()[0] for line in listed.decode().splitlines()}
    assert rows == {".gitignore": "100644", "README.md": "100644", "run": "100755", "src": "120000"}


async def test_special_files_are_left_out_without_waiting_for_them(workspace: Workspace, start: str) -> None:
    os.mkfifo(workspace.tree / "pipe")
    (workspace.tree / "new").write_text("x\n")
    stat = await workspace.diff_stat(start, await committed(workspace, start))
    assert stat.paths == ("new",)


async def test_a_file_that_became_a_pipe_is_refused_by_name(workspace: Workspace, start: str) -> None:
    (workspace.tree / "README.md").unlink()
    os.mkfifo(workspace.tree / "README.md")
    with pytest.raises(WorkspaceDamaged, match=r"README\.md"):
        await snapshot(workspace, start)


async def test_a_file_that_cannot_be_encoded_as_it_asks_is_refused(workspace: Workspace, start: str) -> None:
    (workspace.tree / ".gitattributes").write_text("*.txt working-tree-encoding=UTF-16\n")
    (workspace.tree / "odd.txt").write_bytes(b"\x00\xd8")
    with pytest.raises(WorkspaceDamaged, match="BOM is required"):
        await snapshot(workspace, start)


async def test_ignored_files_are_left_out(workspace: Workspace, start: str) -> None:
    (workspace.tree / "ignored").mkdir()
    (workspace.tree / "ignored/file").touch()
    assert await snapshot(workspace, start) is None


@pytest.mark.parametrize("kind", ["directory", "file", "symlink", "other case"])
async def test_a_nested_repository_is_refused_by_name(workspace: Workspace, start: str, kind: str) -> None:
    nested = workspace.tree / "src" / "vendored"
    nested.mkdir()
    (nested / "file").touch()
    match kind:
        case "directory":
            agent_git(workspace, "init", "-q", "src/vendored")
        case "file":
            (nested / ".git").write_text("gitdir: /nowhere\n")
        case "symlink":
            (nested / ".git").symlink_to("../../.git")
        case _:
            (nested / ".GIT").mkdir()
    with pytest.raises(NestedRepository) as refused:
        await snapshot(workspace, start)
    assert refused.value.path == "src/vendored"


async def test_a_nested_repository_that_is_ignored_does_no_harm(workspace: Workspace, start: str) -> None:
    agent_git(workspace, "init", "-q", "ignored/dependency")
    (workspace.tree / "new").write_text("x\n")
    stat = await workspace.diff_stat(start, await committed(workspace, start))
    assert stat.paths == ("new",)


async def test_push_goes_to_run_refs_only(server: GitServer, workspace: Workspace, start: str) -> None:
    for ref in ("refs/heads/main", "refs/tags/v1", "main", "refs/orch/other"):
        with pytest.raises(ValueError, match="run refs only"):
            await workspace.push(server.url, TOKEN, start, ref)
    assert server.pushes == 0


async def test_a_later_snapshot_replaces_the_earlier_on_the_run_ref(
    server: GitServer, workspace: Workspace, start: str
) -> None:
    for text in ("one\n", "two\n"):
        (workspace.tree / "new").write_text(text)
        sha = await committed(workspace, start)
        await workspace.push(server.url, TOKEN, sha, RUN_REF)
        await workspace.push(server.url, TOKEN, sha, RUN_REF)
        assert await server.repository.refs("refs/orch/") == {RUN_REF: sha}


async def test_failures_say_what_the_caller_may_do(
    server: GitServer, mirror: Mirror, workspace: Workspace, start: str
) -> None:
    with pytest.raises(AuthRefused):
        await mirror.fetch(server.url, "wrong")
    with pytest.raises(AuthRefused):
        await mirror.fetch(server.url, None)
    with pytest.raises(NotFound):
        await mirror.fetch(server.url, TOKEN, refs=["refs/orch/runs/none"])
    with pytest.raises(Transient):
        await mirror.fetch("http://127.0.0.1:9/none.git", TOKEN)
    with pytest.raises(GitFailed):
        await workspace.prepare("1" * 40)
    for status, kind in ((404, NotFound), (403, AuthRefused), (502, Transient), (429, Transient)):
        server.fail_with = status
        with pytest.raises(kind):
            await workspace.push(server.url, TOKEN, start, RUN_REF)


async def test_a_refused_push_is_told_apart(server: GitServer, workspace: Workspace, start: str) -> None:
    hook = server.repository.path / "hooks/pre-receive"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(PushRejected):
        await workspace.push(server.url, TOKEN, start, RUN_REF)


async def test_a_workspace_in_use_is_not_entered(mirror: Mirror, workspace: Workspace, start: str) -> None:
    other = mirror.workspace("owner/project#1")
    with workspace.hold():
        for entering in (other.prepare(start), other.remove(), snapshot(other, start)):
            with pytest.raises(WorkspaceBusy):
                await entering
        assert await snapshot(workspace, start) is None
    await other.prepare(start)


async def test_a_child_keeps_the_workspace_locked(mirror: Mirror, workspace: Workspace, start: str) -> None:
    with workspace.hold() as descriptor:
        child = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, pass_fds=[descriptor])
    with pytest.raises(WorkspaceBusy):
        await mirror.workspace("owner/project#1").prepare(start)
    await child.communicate(b"")
    await mirror.workspace("owner/project#1").prepare(start)


async def test_remove_may_be_repeated_and_finished_later(workspace: Workspace) -> None:
    await asyncio.to_thread(shutil.rmtree, workspace.tree / "src")
    await asyncio.to_thread(shutil.rmtree, workspace.home)
    await workspace.remove()
    await workspace.remove()
    assert not workspace.path.exists()


async def test_removing_follows_no_symlink(workspace: Workspace, start: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (workspace.tree / "link").symlink_to(outside)
    await asyncio.to_thread(shutil.rmtree, workspace.home)
    workspace.home.symlink_to(outside)
    await workspace.prepare(start)
    await workspace.remove()
    assert (outside / "kept").exists()


async def test_a_tree_that_became_a_symlink_is_not_entered(workspace: Workspace, start: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    await asyncio.to_thread(shutil.rmtree, workspace.tree)
    workspace.tree.symlink_to(outside)
    with pytest.raises(WorkspaceDamaged):
        await snapshot(workspace, start)
    await workspace.prepare(start)
    assert (outside / "file").exists()


async def test_a_workspace_never_prepared_has_no_snapshot(mirror: Mirror, start: str) -> None:
    with pytest.raises(WorkspaceDamaged):
        await snapshot(mirror.workspace("owner/project#2"), start)
