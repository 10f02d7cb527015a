"""What a hostile workspace, server or neighbour tries on the runner's git, and that none of it works.

Where git alone would have fallen for it, the test shows that first: a trap that cannot snap proves nothing.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from runner.absent import Undeliverable
from runner.git import Git, GitFailed, Identity, Transient
from runner.workspace import Mirror, Workspace
from tests.integration.git_server import TOKEN, GitServer, git_server, has_ended

BOT = Identity("orch[bot]", "bot@example.invalid")
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
RUN_REF = "refs/orch/runs/run-1"
FILES = {"README.md": b"one\n", "src/app.py": b"print(1)\n", ".gitignore": b"ignored/\n"}


class Trap:
    """A program that leaves a mark when anything runs it."""

    def __init__(self, folder: Path) -> None:
        self.program = folder / "trap.sh"
        self.mark = folder / "sprung"
        self.program.write_text(f"#!/bin/sh\necho $0 $* >> {self.mark}\ncat 2>/dev/null\n")
        self.program.chmod(0o755)

    def has_sprung(self) -> bool:
        """Tell whether it ran since it was last asked."""
        sprung = self.mark.exists()
        self.mark.unlink(missing_ok=True)
        return sprung

    def install(self, hooks: Path) -> None:
        hooks.mkdir(parents=True, exist_ok=True)
        for name in ("post-index-change", "pre-commit", "reference-transaction", "post-checkout", "pre-push"):
            shutil.copy(self.program, hooks / name)


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path)


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
    return await workspace.snapshot("Do it", BOT, None, parent, NOON)


def plain_git(*argv: str, cwd: Path) -> None:
    """Run git without any of our guards, as `git add` in a workspace would."""
    environment = {"PATH": os.defpath, "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", *argv], cwd=cwd, env=environment, check=True, capture_output=True)


async def deliver(server: GitServer, workspace: Workspace, start: str) -> str:
    """Do all that the runner does with a workspace after the agent."""
    sha = await snapshot(workspace, start)
    assert sha is not None
    await workspace.diff_stat(start, sha)
    await workspace.push(server.url, TOKEN, sha, RUN_REF)
    await workspace.remove()
    return sha


def hostile_fsmonitor(tree: Path, trap: Trap) -> None:
    plain_git("config", "core.fsmonitor", str(trap.program), cwd=tree)


def hostile_hooks(tree: Path, trap: Trap) -> None:
    trap.install(tree / ".git/hooks")


def hostile_filter(tree: Path, trap: Trap) -> None:
    (tree / ".gitattributes").write_text("* filter=evil diff=evil\n")
    for key in ("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv"):
        plain_git("config", key, str(trap.program), cwd=tree)
    plain_git("config", "--unset", "filter.evil.process", cwd=tree)


def replaced_repository(tree: Path, trap: Trap) -> None:
    shutil.rmtree(tree / ".git")
    plain_git("init", "-q", cwd=tree)
    hostile_fsmonitor(tree, trap)


def replaced_by_a_file(tree: Path, trap: Trap) -> None:
    replaced_repository(tree, trap)
    (tree / ".git").rename(tree.parent / "home" / "elsewhere")
    (tree / ".git").write_text(f"gitdir: {tree.parent / 'home' / 'elsewhere'}\n")


@pytest.mark.parametrize(
    "attack", [hostile_fsmonitor, hostile_hooks, hostile_filter, replaced_repository, replaced_by_a_file]
)
async def test_i6_nothing_in_the_workspace_is_executed(
    server: GitServer, workspace: Workspace, start: str, trap: Trap, attack: Callable[[Path, Trap], None]
) -> None:
    attack(workspace.tree, trap)
    (workspace.tree / "README.md").write_text("changed\n")
    plain_git("add", "--all", cwd=workspace.tree)
    assert trap.has_sprung(), "without guards this attack works"
    (workspace.tree / "README.md").write_text("changed again\n")
    sha = await deliver(server, workspace, start)
    assert not trap.has_sprung()
    assert await server.repository.read_file(sha, "README.md") == b"changed again\n"


@pytest.mark.parametrize("replacement", ["missing", "empty", "dangling", "bare in the tree"])
async def test_the_agents_repository_is_not_needed(
    server: GitServer, workspace: Workspace, start: str, replacement: str
) -> None:
    shutil.rmtree(workspace.tree / ".git")
    match replacement:
        case "empty":
            (workspace.tree / ".git").mkdir()
        case "dangling":
            (workspace.tree / ".git").symlink_to("/nowhere")
        case "bare in the tree":
            plain_git("init", "-q", "--bare", ".", cwd=workspace.tree)
    (workspace.tree / "README.md").write_text("changed\n")
    sha = await deliver(server, workspace, start)
    assert await server.repository.read_file(sha, "README.md") == b"changed\n"


async def test_i6_a_nested_repository_at_a_submodule_is_refused_before_git_enters_it(
    mirror: Mirror, start: str, trap: Trap
) -> None:
    listed = f"160000 commit {start}\tmodule\n"
    tree = (await mirror.git("mktree", "--missing", stdin=listed.encode())).decode().strip()
    made = await mirror.git("commit-tree", tree, stdin=b"Start", extra=committer())
    workspace = mirror.workspace("owner/project#2")
    await workspace.prepare(made.decode().strip())
    module = workspace.tree / "module"
    plain_git("init", "-q", cwd=module)
    plain_git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x", cwd=module)
    hostile_fsmonitor(module, trap)
    plain_git("status", cwd=workspace.tree)
    assert trap.has_sprung(), "without guards git runs what the submodule's config says"
    with pytest.raises(Undeliverable, match="`module` is a submodule"):
        await snapshot(workspace, made.decode().strip())
    assert not trap.has_sprung()
    # Even if it were not refused: the guards reach the git that git starts in a submodule.
    guarded = Git(mirror.repository, work_tree=workspace.tree, index=workspace.path / "index")
    await guarded("status", "--porcelain")
    assert not trap.has_sprung()


def committer() -> dict[str, str]:
    return {f"GIT_{role}_{key}": "a@b" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}


async def test_i6_an_ignored_nested_repository_is_not_entered(workspace: Workspace, start: str, trap: Trap) -> None:
    plain_git("init", "-q", "ignored/clone", cwd=workspace.tree)
    hostile_fsmonitor(workspace.tree / "ignored/clone", trap)
    trap.install(workspace.tree / "ignored/clone/.git/hooks")
    (workspace.tree / "ignored/clone/file").touch()
    assert await snapshot(workspace, start) is None
    assert not trap.has_sprung()


async def test_a_filter_that_nobody_configured_changes_nothing(
    server: GitServer, workspace: Workspace, start: str
) -> None:
    (workspace.tree / ".gitattributes").write_text("*.bin filter=other diff=other merge=other -text\n")
    (workspace.tree / "large.bin").write_bytes(b"\x00\r\n\xff")
    sha = await deliver(server, workspace, start)
    assert await server.repository.read_file(sha, "large.bin") == b"\x00\r\n\xff"


async def test_the_runners_own_environment_and_configuration_do_not_count(
    server: GitServer, mirror: Mirror, trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = await server.head()
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\n\tfsmonitor = {trap.program}\n[credential]\n\thelper = {trap.program}\n")
    for name, value in {
        "HOME": str(tmp_path),
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_DIR": "/nowhere",
        "GIT_ASKPASS": str(trap.program),
        "GIT_EXTERNAL_DIFF": str(trap.program),
        "GIT_CONFIG_PARAMETERS": f"'core.fsmonitor'='{trap.program}'",
    }.items():
        monkeypatch.setenv(name, value)
    workspace = mirror.workspace("owner/project#1")
    await workspace.prepare(start)
    (workspace.tree / "README.md").write_text("changed\n")
    await deliver(server, workspace, start)
    assert not trap.has_sprung()


async def test_hooks_in_the_mirror_do_not_run_either(
    server: GitServer, mirror: Mirror, workspace: Workspace, start: str, trap: Trap
) -> None:
    trap.install(mirror.repository / "hooks")
    (workspace.tree / "README.md").write_text("changed\n")
    await deliver(server, workspace, start)
    await mirror.fetch(server.url, TOKEN)
    assert not trap.has_sprung()


async def test_a_symlink_out_of_the_tree_is_committed_and_never_followed(
    mirror: Mirror, workspace: Workspace, start: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "app.py").write_text("secret\n")
    shutil.rmtree(workspace.tree / "src")
    (workspace.tree / "src").symlink_to(outside)
    (workspace.tree / "README.md").unlink()
    (workspace.tree / "README.md").symlink_to(outside / "app.py")
    sha = await snapshot(workspace, start)
    assert sha is not None
    listed = (await mirror.git("ls-tree", "-r", sha)).decode().splitlines()
    kinds = {line.split("\t")[1]: line.split()[0] for line in listed}
    assert kinds == {".gitignore": "100644", "README.md": "120000", "src": "120000"}
    assert await mirror.git("cat-file", "blob", f"{sha}:src") == os.fsencode(outside)
    await workspace.prepare(sha)
    await workspace.prepare(start)
    assert (outside / "app.py").read_text() == "secret\n"


@pytest.mark.parametrize("url", ["file:///etc", "ext::sh -c true", "/etc", "git://host/x", "http://a:b@host/x"])
async def test_only_a_plain_http_address_is_a_remote(mirror: Mirror, url: str) -> None:
    with pytest.raises(ValueError, match="plain http"):
        await mirror.fetch(url, TOKEN)


@pytest.mark.parametrize("url", ["file://{}", "ext::sh -c 'touch {}/sprung'"])
async def test_git_itself_refuses_other_transports(mirror: Mirror, tmp_path: Path, url: str) -> None:
    with pytest.raises(GitFailed, match="not allowed"):
        await mirror.git("fetch", url.format(tmp_path))


@pytest.mark.parametrize("sha", ["--output=x", "HEAD", "abc123", "1" * 41, f"{'1' * 40}\n"])
async def test_only_a_full_sha_reaches_git(workspace: Workspace, start: str, sha: str) -> None:
    with pytest.raises(ValueError, match="not a full SHA"):
        await workspace.prepare(sha)
    with pytest.raises(ValueError, match="not a full SHA"):
        await snapshot(workspace, sha)
    with pytest.raises(ValueError, match="not a full SHA"):
        await workspace.push("http://host/x", None, sha, RUN_REF)
    with pytest.raises(ValueError, match="not a full SHA"):
        await workspace.diff_stat(start, sha)


class Held:
    """Holds the first authorised request until it is let go, so that git can be looked at in the middle."""

    def __init__(self, server: GitServer) -> None:
        self.reached = asyncio.Event()
        self.release = asyncio.Event()
        self._server = server

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "Authorization" in request.headers:
            self.reached.set()
            await self.release.wait()
        return await self._server.answer(request)


@pytest.fixture
async def held(server: GitServer, workspace: Workspace) -> AsyncIterator[Held]:
    assert workspace.tree.exists(), "what comes before is not held"
    held = Held(server)
    app = web.Application()
    app.router.add_route("*", "/owner/project.git/{rest:.*}", held.answer)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/owner/project.git"
    yield held
    held.release.set()
    await runner.cleanup()


def children(pid: int) -> list[int]:
    """List the living processes below one, whatever their depth."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            parents[int(stat.parent.name)] = int(parent)
    found = [pid]
    for above in found:
        found += [child for child, parent in parents.items() if parent == above]
    return found[1:]


def files_holding(folder: Path, text: str) -> list[Path]:
    """List the files below a folder that hold a text."""
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def git_processes() -> dict[int, tuple[bytes, bytes]]:
    """Map each git process of this test to its command line and environment."""
    found = {}
    for pid in children(os.getpid()):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"git" in command.split(b"\0")[0]:
            found[pid] = (command, Path(f"/proc/{pid}/environ").read_bytes())
    return found


async def test_i5_the_token_is_in_no_command_line_environment_or_file(
    server: GitServer, held: Held, workspace: Workspace, start: str, tmp_path: Path
) -> None:
    pushing = asyncio.create_task(workspace.push(server.url, TOKEN, start, RUN_REF))
    await held.reached.wait()
    seen = git_processes()
    assert len(seen) >= 2, "git and its HTTP helper are both at work"
    assert not [command for command, environ in seen.values() if TOKEN.encode() in command + environ]
    for pid, (_, environ) in seen.items():
        number = dict(entry.split(b"=", 1) for entry in environ.split(b"\0") if entry)[b"ORCH_ASKPASS_FD"]
        pipe = os.open(f"/proc/{pid}/fd/{int(number)}", os.O_RDONLY | os.O_NONBLOCK)
        assert os.read(pipe, 100) == b"", "the token was read once and is gone"
        os.close(pipe)
    held.release.set()
    await pushing
    assert server.pushes == 2
    assert files_holding(tmp_path, start) != []
    assert files_holding(tmp_path, TOKEN) == []


async def test_i5_a_redirect_takes_the_token_nowhere(server: GitServer, mirror: Mirror, tmp_path: Path) -> None:
    async with git_server(tmp_path / "other", FILES) as stranger:
        server.fail_with, server.location = 302, f"{stranger.url}/info/refs?service=git-upload-pack"
        with pytest.raises(GitFailed):
            await mirror.fetch(server.url, TOKEN)
    assert stranger.seen == []


async def test_i5_an_error_does_not_repeat_the_token(mirror: Mirror) -> None:
    with pytest.raises(GitFailed) as failed:
        await mirror.git("show", f"refs/heads/{TOKEN}", token=TOKEN)
    assert TOKEN not in failed.value.stderr


async def test_cancelling_a_fetch_ends_git_and_its_children(
    server: GitServer, held: Held, mirror: Mirror, start: str
) -> None:
    fetching = asyncio.create_task(mirror.fetch(server.url, TOKEN))
    await held.reached.wait()
    working = [os.pidfd_open(pid) for pid in git_processes()]
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert [await has_ended(git) for git in working] == [True] * 3
    held.release.set()
    await mirror.fetch(server.url, TOKEN)
    assert await mirror.branches() == {"main": start}


async def test_time_running_out_is_transient(server: GitServer, held: Held, mirror: Mirror) -> None:
    with pytest.raises(Transient, match="timed out") as failed:
        await mirror.fetch(server.url, TOKEN, timeout=0.5)
    assert (failed.value.status, held.release.is_set()) == (None, False)
