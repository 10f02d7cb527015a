"""One bare repository per GitHub repository, and a clean tree per task that an agent may do anything to."""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from app.domain.absent import Absent
from runner.absent import NestedRepository, find_absent, refuse_filled, refuse_lfs, refuse_links, write_tree
from runner.commits import commit_tree, message_of
from runner.git import Git, GitFailed, Identity, Transient, full_sha, remote_url
from runner.merging import Merge, merge_commits

RUN_REFS = ("refs/orch/runs/", "refs/heads/orch-runs/")
LOCK_POLL_SECONDS = 0.05
MIRROR_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"
TREE_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
[user]
\tname = agent
\temail = agent@localhost.invalid
"""
UNADDABLE = r"can only add regular files|Permission denied|[Ii]nvalid path|failed to encode|BOM is"


class UnsafePath(Exception):
    """A path does not lie strictly under the root."""


class WorkspaceBusy(Exception):
    """Another run, or what is left of one, still works in the workspace."""


class WorkspaceDamaged(Exception):
    """The workspace is not what `prepare` made, or cannot be read or removed as it is now."""


@dataclass(frozen=True, slots=True)
class DiffStat:
    """What a commit changed; a binary file counts no lines."""

    paths: tuple[str, ...]
    additions: int
    deletions: int


@dataclass(frozen=True, slots=True)
class Mirror:
    """The bare repository of one GitHub repository, which every workspace of it reads."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def under(cls, root: Path, full_name: str, repository_id: int) -> "Mirror":
        """Locate the mirror of a repository; it stays where it is when the repository is renamed."""
        digest = _digest(str(repository_id))
        known = sorted(root.glob(f"*-{digest}"))
        return cls(_strictly_under(root, known[0] if known else root / f"{_safe(full_name)}-{digest}"))

    @property
    def repository(self) -> Path:
        return self.path / "repo.git"

    @property
    def git(self) -> Git:
        return Git(self.repository, environment=self.environment)

    async def fetch(self, url: str, token: str | None, *, refs: Sequence[str] = (), timeout: float = 600) -> None:
        """Bring every branch, and the named refs under their own names, up to date; forget branches that are gone."""
        refspecs = ["+refs/heads/*:refs/remotes/origin/*", *(f"+{ref}:{ref}" for ref in refs)]
        options = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        async with _file_lock(self.path / "fetch.lock", timeout):
            await self._repair()
            await self.git("fetch", *options, remote_url(url), *refspecs, timeout=timeout, token=token)

    async def fetch_run(self, url: str, token: str | None, ref: str, sha: str) -> bool:
        """Bring what a run pushed to its ref; False if it is not there any more."""
        try:
            await self.fetch(url, token, refs=[ref])
        except GitFailed as failure:
            if "couldn't find remote ref" in failure.stderr:
                return False
            raise
        return await self.parent(sha) is not None

    async def parent(self, sha: str) -> str | None:
        """Return the first parent of a commit, None if the commit is not here."""
        try:
            found = await self.git("rev-parse", "--verify", "--quiet", f"{full_sha(sha)}^")
        except GitFailed:
            return None
        return found.decode().strip()

    async def branches(self) -> dict[str, str]:
        """Map the remote's branches, as of the last fetch, to their commits."""
        listed = await self.git("for-each-ref", "--format=%(objectname) %(refname:lstrip=3)", "refs/remotes/origin")
        pairs = (line.split(" ", 1) for line in os.fsdecode(listed).splitlines())
        return {name: sha for sha, name in pairs}

    async def merge(self, head: str, base: str) -> Merge | None:
        """Merge `base` into `head`, in objects alone; None if `head` holds it already."""
        return await merge_commits(self.git, full_sha(head), full_sha(base))

    def workspace(self, task: str) -> "Workspace":
        """Locate the workspace of a task, whatever its name holds."""
        name = f"{_safe(task)}-{_digest(task)}"
        return Workspace(self, _strictly_under(self.path, self.path / "tasks" / name))

    async def _repair(self) -> None:
        if not (self.repository / "HEAD").exists():
            self.repository.mkdir(parents=True, exist_ok=True)
            await self.git("init", "--quiet", "--bare", "--template=")
        (self.repository / "config").write_text(MIRROR_CONFIG)
        # Only fetches write here and this one holds their lock: whoever made these locks was killed.
        for left in [*self.repository.glob("*.lock"), *self.repository.glob("refs/**/*.lock")]:
            left.unlink()


class Workspace:
    """The tree of one task with its own HOME and TMPDIR, and beside them what the agent must not reach.

    The agent may write `tree`, `home` and `tmp`. `tree/.git` is a repository of its own that borrows the mirror's
    objects, so that git works for the agent; the runner never reads it.
    """

    def __init__(self, mirror: Mirror, path: Path) -> None:
        self.mirror = mirror
        self.path = path
        self.tree = path / "tree"
        self.home = path / "home"
        self.tmp = path / "tmp"
        self.lock_path = mirror.path / "locks" / f"{path.name}.lock"
        self._index = path / "index"
        self._start = path / "start"
        self._held = False

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Keep everybody else out, and yield the descriptor whose copies keep the lock alive in other processes.

        Raises WorkspaceBusy.
        """
        self.lock_path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not _locked(descriptor):
                raise WorkspaceBusy(self.path.name)
            self._held = True
            yield descriptor
        finally:
            self._held = False
            os.close(descriptor)

    @property
    def has_home(self) -> bool:
        """Say whether an earlier run's HOME is still here."""
        return self.home.is_dir() and not self.home.is_symlink()

    async def prepare(
        self, start_sha: str, *, tree: str | None = None, keep_home: bool = False, timeout: float = 300
    ) -> None:
        """Make the tree exactly the start commit, with an empty TMPDIR and, unless it is kept, an empty HOME.

        With `tree` it is that git tree instead, on top of the commit. Raises WorkspaceBusy.
        """
        content = full_sha(tree or start_sha)
        with self._entered():
            kept = keep_home and self.has_home
            for left in sorted(self.path.iterdir()) if kept else [self.path]:
                if left != self.home:
                    await _remove(left)
            for folder in (self.tree, self.home, self.tmp):
                folder.mkdir(parents=True, mode=0o700, exist_ok=folder == self.home)
            await self._git(self._index)("read-tree", "--reset", "-u", content, timeout=timeout)
            await self._give_agent_a_repository(full_sha(start_sha))
            self._start.write_text(content)

    async def snapshot(
        self,
        message: str,
        author: Identity,
        co_author: Identity | None,
        parent: str,
        when: datetime,
        *,
        merge: Merge | None = None,
        timeout: float = 300,
    ) -> str | None:
        """Commit the tree as it is onto `parent`, or return None if nothing changed; a `merge` is always committed.

        The same tree and arguments make the same commit. Nothing the agent did with git counts. Raises
        NestedRepository, Undeliverable, WorkspaceDamaged or WorkspaceBusy.
        """
        full_sha(parent)
        with self._entered():
            self._check_tree()
            known = parent if merge is None else merge.tree
            parents = (parent,) if merge is None else (parent, merge.base)
            git = self._git(await self._private_index(known))
            await self._refuse_filled(git)
            await self._refuse_nested()
            await self._add_all(git, timeout)
            tree, changes = await write_tree(git, known)
            if merge is None and not changes:
                return None
            refuse_links(changes)
            await refuse_lfs(git, changes, parents)
            text = message_of(message, co_author)
            return await commit_tree(git, tree, parents, text, author=author, when=when)

    async def absent(self) -> Absent:
        """Find what the prepared tree has only pointers to, or nothing of."""
        return await find_absent(self._git(self._index))

    async def diff_stat(self, base: str, sha: str) -> DiffStat:
        """Count what `sha` changed against `base`."""
        listed = await self.mirror.git(
            "diff-tree", "-r", "-z", "--no-renames", "--numstat", full_sha(base), full_sha(sha)
        )
        rows = [os.fsdecode(row).split("\t", 2) for row in listed.split(b"\0")[:-1]]
        added, removed = ([int(row[i]) for row in rows if row[i] != "-"] for i in (0, 1))
        return DiffStat(tuple(row[2] for row in rows), sum(added), sum(removed))

    async def push(self, url: str, token: str | None, sha: str, ref: str, *, timeout: float = 600) -> None:
        """Make a run ref of the remote point at the commit; any other ref is a ValueError."""
        if not ref.startswith(RUN_REFS):
            raise ValueError(f"a runner pushes to run refs only, not to {ref}")
        argv = ("push", "--quiet", "--no-verify", remote_url(url), f"+{full_sha(sha)}:{ref}")
        await self.mirror.git(*argv, timeout=timeout, token=token)

    async def remove(self) -> None:
        """Remove all of it, if anything is left. Raises WorkspaceBusy."""
        with self._entered():
            await _remove(self.path)

    def _git(self, index: Path) -> Git:
        return Git(self.mirror.repository, work_tree=self.tree, index=index)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        if self._held:
            yield
        else:
            with self.hold():
                yield

    def _check_tree(self) -> None:
        if self.tree.is_symlink() or not self.tree.is_dir() or not self._start.exists():
            raise WorkspaceDamaged(f"{self.tree} is not the prepared directory any more")

    async def _give_agent_a_repository(self, sha: str) -> None:
        repository = self.tree / ".git"
        for folder in ("objects/info", "refs/heads"):
            (repository / folder).mkdir(parents=True)
        branches = sorted((await self.mirror.branches()).items())
        packed = "".join(f"{head} refs/remotes/origin/{name}\n" for name, head in branches)
        (repository / "packed-refs").write_bytes(os.fsencode(f"# pack-refs with: sorted\n{packed}"))
        (repository / "objects/info/alternates").write_text(f"{self.mirror.repository / 'objects'}\n")
        (repository / "config").write_text(TREE_CONFIG)
        (repository / "HEAD").write_text(f"{sha}\n")
        _copy_index(self._index, repository / "index")

    async def _private_index(self, parent: str) -> Path:
        index = self.path / "index.snapshot"
        index.with_name("index.snapshot.lock").unlink(missing_ok=True)
        if self._start.read_text() == parent:
            _copy_index(self._index, index)
        else:
            index.unlink(missing_ok=True)
            await self._git(index)("read-tree", parent)
        return index

    async def _add_all(self, git: Git, timeout: float) -> None:
        try:
            await git("add", "--all", timeout=timeout)
        except GitFailed as failure:
            if re.search(UNADDABLE, failure.stderr):
                raise WorkspaceDamaged(failure.stderr) from failure
            raise

    async def _refuse_nested(self) -> None:
        found = await asyncio.to_thread(_nested_repositories, self.tree)
        if not found:
            return
        # git never looks into what is ignored, so a dependency that came as a clone does no harm there.
        asked = b"".join(os.fsencode(path) + b"\0" for path in found)
        try:
            answer = await self._git(self._index)("check-ignore", "--stdin", "-z", stdin=asked)
        except GitFailed:
            answer = b""
        ignored = set(os.fsdecode(answer).split("\0"))
        for path in found:
            if path not in ignored:
                raise NestedRepository(path)

    async def _refuse_filled(self, git: Git) -> None:
        try:
            await refuse_filled(git, self.tree)
        except OSError as error:
            raise WorkspaceDamaged(f"a submodule's folder cannot be read: {error.strerror}") from error


def _copy_index(index: Path, to: Path) -> None:
    """Copy it with its time: git compares the contents of a file that is as young as its index, and no other's."""
    shutil.copy2(index, to)


def _nested_repositories(tree: Path) -> list[str]:
    """List the directories below the tree that hold something git could take for a repository."""
    top = str(tree)
    found: list[str] = []
    folders = [top]
    while folders:
        folder = folders.pop()
        for entry in _entries(folder):
            if entry.name.lower() == ".git" and (folder != top or entry.name != ".git"):
                found.append(os.path.relpath(folder, top))
            elif entry.name != ".git" and entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
    return sorted(found)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise WorkspaceDamaged(f"{folder[:200]!r} cannot be read: {error.strerror}") from error


@asynccontextmanager
async def _file_lock(path: Path, timeout: float) -> AsyncIterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = asyncio.get_running_loop().time() + timeout
        while not _locked(descriptor):
            if asyncio.get_running_loop().time() > deadline:
                raise Transient(("git", "fetch"), None, f"waited {timeout:g} s for another fetch")
            await asyncio.sleep(LOCK_POLL_SECONDS)  # nothing tells one process that another let go of a file lock
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _remove(path: Path) -> None:
    """Remove a directory that a hostile program filled: too deep for recursion, or closed to its owner."""
    errors = ""
    for command in (("rm", "-rf"), ("chmod", "-R", "u+rwX"), ("rm", "-rf")):
        if _is_gone(path):
            return
        process = await asyncio.create_subprocess_exec(
            *command, "--", str(path), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
        )
        errors = (await process.communicate())[1].decode(errors="replace").strip()
    if not _is_gone(path):
        raise WorkspaceDamaged(f"{path} cannot be removed: {errors}")


def _is_gone(path: Path) -> bool:
    return not os.path.lexists(path)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "unnamed"


def _digest(identity: str) -> str:
    return hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:12]


def _strictly_under(root: Path, path: Path) -> Path:
    inside, outside = path.resolve(), root.resolve()
    if inside == outside or not inside.is_relative_to(outside):
        raise UnsafePath(f"{path} does not lie under {root}")
    return inside
