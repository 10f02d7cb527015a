"""The hub's bare repositories, worked by the real git program."""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

ZERO = "0" * 40
CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
[gc]
\tauto = 0
[http]
\treceivepack = true
[receive]
\tautogc = false
\tfsckObjects = true
\thideRefs = refs/pull
[uploadpack]
\tallowAnySHA1InWant = true
\tallowFilter = true
"""
COMMIT_FORMAT = "%x00".join(["%H", "%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B"])
COMMIT_FIELDS = 10


class GitError(Exception):
    """git refused, and none of the narrower errors says why."""


class NotFastForward(GitError):
    """The ref would lose commits, and the caller did not force it."""


class RefExists(GitError):
    """A ref of that name, or one that cannot stand beside it, exists."""


class RefMissing(GitError):
    """No ref has that name."""


class BadObject(GitError):
    """The object does not exist, is of the wrong type, or the name is not valid."""


class Conflict(GitError):
    """The contents do not merge, or the ref moved meanwhile."""


class MergeMethod(StrEnum):
    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class CommitInfo:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Identity
    committer: Identity
    message: str
    date: datetime
    author_date: datetime


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of a comparison; `patch` is None where GitHub leaves it out (binary, mode or name only)."""

    filename: str
    status: str
    additions: int
    deletions: int
    patch: str | None
    previous_filename: str | None = None


@dataclass(frozen=True, slots=True)
class _Result:
    status: int
    stdout: bytes
    stderr: str

    @property
    def line(self) -> str:
        return self.stdout.split(b"\n", 1)[0].decode()


def git_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Build git's environment from nothing: no system or global config, no prompt, untranslated messages."""
    found = shutil.which("git")
    path = f"{Path(found).parent}{os.pathsep}{os.defpath}" if found else os.defpath
    return {
        "PATH": path,
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        **(extra or {}),
    }


class BareRepository:
    """One bare repository; a ref is written only if it still stands where it was read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def create_empty(self, branch: str = "main") -> None:
        """Make the repository without a commit."""
        await self._init(branch)

    async def create(self, files: Mapping[str, bytes], *, author: Identity, branch: str = "main") -> str:
        """Make the repository with one commit of these files and return its SHA."""
        await self._init(branch)
        return await self._import(f"refs/heads/{branch}", None, files, "Initial commit", author)

    async def copy(self, source: Path, branch: str) -> None:
        """Make the repository with the branches of one on this machine; `branch` is its default one."""
        await self._init(branch)
        # Whose the source is was looked at by whoever named it; upload-pack runs nothing that it holds.
        served = "git -c safe.directory=* upload-pack"
        argv = ("--quiet", "--no-tags", "--update-head-ok", f"--upload-pack={served}")
        await self._git("fetch", *argv, str(source), "+refs/heads/*:refs/heads/*")

    async def _init(self, branch: str) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        await self._git("init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}")
        (self.path / "config").write_text(CONFIG)

    async def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """Map each ref whose full name starts with the prefix to what it points at."""
        folder = prefix[: prefix.rfind("/") + 1]
        found = await self._git("for-each-ref", "--format=%(refname) %(objectname)", *filter(None, [folder]))
        pairs = (line.rpartition(" ") for line in found.stdout.decode().splitlines())
        return {name: sha for name, _, sha in pairs if name.startswith(prefix)}

    async def resolve(self, ref: str) -> str | None:
        """Find the object that a ref, branch or SHA names, if this repository has it."""
        argv = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{object}}")
        found = await self._git(*argv, ok=(0, 1, 128))
        return found.line if found.status == 0 else None

    async def has_commit(self, sha: str) -> bool:
        return (await self._git("cat-file", "-e", f"{sha}^{{commit}}", ok=(0, 1, 128))).status == 0

    async def create_ref(self, ref: str, sha: str) -> None:
        """Create a ref. Raises RefExists or BadObject."""
        await self._write_ref(ref, sha, ZERO)

    async def update_ref(self, ref: str, sha: str, *, force: bool, old: str | None = None) -> None:
        """Move an existing ref, forward only unless forced.

        Raises RefMissing, BadObject, NotFastForward, and Conflict where the ref is not (or no longer) at `old`.
        """
        current = await self._require(ref)
        if old is not None and current != old:
            raise Conflict(f"{ref} is at {current}, not at {old}")
        if not force and not await self._is_ancestor(current, sha):
            raise NotFastForward(f"{ref} cannot move from {current} to {sha} without losing commits")
        await self._write_ref(ref, sha, current)

    async def delete_ref(self, ref: str) -> None:
        """Delete a ref. Raises RefMissing."""
        current = await self._require(ref)
        await self._write_ref("-d", ref, current)

    async def commit(self, sha: str) -> CommitInfo:
        """Read one commit. Raises BadObject."""
        return (await self._log("-1", sha))[0]

    async def commits_between(self, base: str, head: str) -> list[CommitInfo]:
        """List the commits of `head` that `base` lacks, oldest first."""
        return await self._log("--reverse", "--topo-order", f"^{base}", head)

    async def names_changed(self, base: str, head: str) -> dict[str, list[tuple[str, str]]]:
        """Map each commit of `head` that `base` lacks to what it did (added, modified, removed, ...) to which file."""
        argv = ("log", "-z", "--format=tformat:%H", "--name-status", "--no-renames", "--diff-merges=first-parent")
        found = await self._git(*argv, f"^{base}", head, "--")
        changes: dict[str, list[tuple[str, str]]] = {}
        fields, commit = iter(found.stdout.decode(errors="replace").split("\0")[:-1]), ""
        for field in fields:
            letter = field.removeprefix("\n")
            if letter in STATUSES:
                changes[commit].append((STATUSES[letter], next(fields)))
            else:
                commit = letter
                changes[commit] = []
        return changes

    async def merge_base(self, a: str, b: str) -> str | None:
        found = await self._git("merge-base", a, b, ok=(0, 1))
        return found.line if found.status == 0 else None

    async def mergeable(self, base: str, head: str) -> bool:
        try:
            await self._merged_tree(base, head)
        except Conflict:
            return False
        return True

    async def merge(self, base_ref: str, head_sha: str, method: str, message: str, author: Identity) -> str:
        """Merge a commit into a ref, as GitHub's three methods do, and return the ref's new SHA.

        Raises RefMissing, BadObject, and Conflict where the contents do not merge, a rebase meets a merge commit,
        or the ref moved meanwhile.
        """
        base = await self._require(base_ref)
        match MergeMethod(method):
            case MergeMethod.MERGE:
                tree = await self._merged_tree(base, head_sha)
                new = await self._sealed(await self._commit_tree(tree, (base, head_sha), message, author))
            case MergeMethod.SQUASH:
                tree = await self._merged_tree(base, head_sha)
                new = await self._sealed(await self._commit_tree(tree, (base,), message, author))
            case MergeMethod.REBASE:
                new = await self._replay(base, head_sha, author)
        await self._write_ref(base_ref, new, base)
        return new

    async def files_changed(self, base: str, head: str) -> list[FileChange]:
        """List what `head` changed since it left `base`."""
        start = await self.merge_base(base, head) or base
        diff = ("diff", "-M", "--no-ext-diff", "--no-textconv", "--no-color")
        listed, patched = await asyncio.gather(
            self._git(*diff, "--raw", "--numstat", "--no-abbrev", "-z", start, head),
            self._git(*diff, "--patch", start, head),
        )
        return list(_file_changes(listed.stdout, patched.stdout))

    async def patch(self, old: str, new: str, path: str) -> str:
        """Compare one file in two commits, without the lines around a change."""
        diff = ("diff", "--unified=0", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")
        found = await self._git("--literal-pathspecs", *diff, old, new, "--", path)
        return found.stdout.decode(errors="replace")

    async def read_file(self, ref: str, path: str) -> bytes | None:
        """Read a file as of a ref, if both exist."""
        found = await self._git("cat-file", "blob", f"{ref}:{path}", ok=(0, 128))
        return found.stdout if found.status == 0 else None

    async def write_file(self, branch: str, path: str, content: bytes, message: str, author: Identity) -> str:
        """Commit one file onto a branch and return the new SHA. Raises RefMissing, BadObject or Conflict."""
        ref = f"refs/heads/{branch}"
        return await self._import(ref, await self._require(ref), {path: content}, message, author)

    async def _require(self, ref: str) -> str:
        current = await self.resolve(ref)
        if current is None:
            raise RefMissing(f"{ref} does not exist")
        return current

    async def _write_ref(self, *argv: str) -> None:
        done = await self._git("update-ref", *argv, ok=(0, 1, 128))
        if done.status:
            raise _ref_error(done.stderr)

    async def _is_ancestor(self, old: str, new: str) -> bool:
        done = await self._git("merge-base", "--is-ancestor", old, new, ok=(0, 1, 128))
        if done.status == 128:
            raise BadObject(done.stderr)
        return done.status == 0

    async def _log(self, *argv: str) -> list[CommitInfo]:
        found = await self._git("log", "-z", f"--format=tformat:{COMMIT_FORMAT}", *argv, "--", ok=(0, 128))
        if found.status:
            raise BadObject(found.stderr)
        fields = found.stdout.decode(errors="replace").split("\0")[:-1]
        return [_commit_info(fields[i : i + COMMIT_FIELDS]) for i in range(0, len(fields), COMMIT_FIELDS)]

    async def _merged_tree(self, base: str, head: str) -> str:
        done = await self._git("merge-tree", "--write-tree", "--no-messages", base, head, ok=(0, 1, 128))
        if done.status == 0:
            return done.line
        if done.status == 128 and "unrelated histories" not in done.stderr:
            raise BadObject(done.stderr)
        raise Conflict(f"{head} does not merge into {base}")

    async def _commit_tree(
        self, tree: str, parents: tuple[str, ...], message: str, author: Identity, written: CommitInfo | None = None
    ) -> str:
        identity = _identity_environment(author, written)
        argv = [word for parent in parents for word in ("-p", parent)]
        return (await self._git("commit-tree", tree, *argv, stdin=message.encode(), extra=identity)).line

    async def _sealed(self, sha: str) -> str:
        """Sign a merge, where that is done."""
        return sha

    async def _replay(self, base: str, head: str, committer: Identity) -> str:
        tip, tree = base, (await self.commit(base)).tree
        for picked in await self.commits_between(base, head):
            if len(picked.parents) != 1:
                raise Conflict(f"{picked.sha} is a merge or has no parent, so it cannot be rebased")
            # git 2.39 cannot be told the merge base: a stand-in whose only parent is the picked commit's makes it so.
            ours = await self._commit_tree(tree, picked.parents, "stand-in", committer)
            merged = await self._merged_tree(ours, picked.sha)
            if merged != tree:
                tree = merged
                tip = await self._commit_tree(tree, (tip,), picked.message, committer, picked)
        return tip

    async def _import(
        self, ref: str, parent: str | None, files: Mapping[str, bytes], message: str, author: Identity
    ) -> str:
        stream = b"".join(_import_stream(ref, parent, files, message, author))
        # fast-import compares and swaps the ref itself: it updates only to a commit that contains the present one.
        done = await self._git("fast-import", "--quiet", "--date-format=now", stdin=stream, ok=(0, 1, 128))
        if done.status == 1:
            raise Conflict(f"{ref} moved meanwhile")
        if done.status:
            raise BadObject(done.stderr)
        return done.line

    async def _git(
        self,
        *argv: str,
        stdin: bytes | None = None,
        extra: Mapping[str, str] | None = None,
        ok: Collection[int] = (0,),
    ) -> _Result:
        process = await asyncio.create_subprocess_exec(
            "git",
            *argv,
            cwd=self.path,
            env=git_environment({"GIT_DIR": str(self.path), **(extra or {})}),
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            stdout, stderr = await process.communicate(stdin)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
        result = _Result(process.returncode or 0, stdout, stderr.decode(errors="replace").strip())
        if result.status not in ok:
            raise GitError(f"git {argv[0]} ended with {result.status}: {result.stderr}")
        return result


def _ref_error(stderr: str) -> GitError:
    if "already exists" in stderr or "; cannot create" in stderr:
        return RefExists(stderr)
    if "unable to resolve reference" in stderr:
        return RefMissing(stderr)
    if "but expected" in stderr or "Unable to create" in stderr:
        return Conflict(stderr)
    return BadObject(stderr)


def _identity_environment(author: Identity, written: CommitInfo | None) -> dict[str, str]:
    environment = {"GIT_COMMITTER_NAME": author.name, "GIT_COMMITTER_EMAIL": author.email}
    if written is None:
        return {**environment, "GIT_AUTHOR_NAME": author.name, "GIT_AUTHOR_EMAIL": author.email}
    return {
        **environment,
        "GIT_AUTHOR_NAME": written.author.name,
        "GIT_AUTHOR_EMAIL": written.author.email,
        "GIT_AUTHOR_DATE": written.author_date.isoformat(),
    }


def _commit_info(fields: list[str]) -> CommitInfo:
    sha, tree, parents, author, author_email, authored, committer, committer_email, committed, message = fields
    return CommitInfo(
        sha=sha,
        tree=tree,
        parents=tuple(parents.split()),
        author=Identity(author, author_email),
        committer=Identity(committer, committer_email),
        message=message.rstrip("\n"),
        date=datetime.fromisoformat(committed),
        author_date=datetime.fromisoformat(authored),
    )


def _import_stream(
    ref: str, parent: str | None, files: Mapping[str, bytes], message: str, author: Identity
) -> Iterator[bytes]:
    yield f"commit {ref}\nmark :1\ncommitter {author.name} <{author.email}> now\n".encode()
    yield _data(message.encode())
    if parent is not None:
        yield f"from {parent}\n".encode()
    for path, content in files.items():
        yield b"M 100644 inline " + _quoted(path) + b"\n" + _data(content)
    yield b"get-mark :1\n"


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _quoted(path: str) -> bytes:
    return b'"' + b"".join(b"\\%03o" % byte for byte in path.encode(errors="surrogateescape")) + b'"'


STATUSES = {"A": "added", "M": "modified", "D": "removed", "R": "renamed", "C": "copied", "T": "changed"}


def _file_changes(listed: bytes, patched: bytes) -> Iterator[FileChange]:
    """Join `git diff --raw --numstat -z` with the patch of the same diff: both list the files in the same order."""
    fields = iter(listed.decode(errors="replace").split("\0")[:-1])
    raw: list[tuple[str, str, str | None]] = []
    counts: list[tuple[str, str]] = []
    for field in fields:
        if field.startswith(":"):
            letter = field.rsplit(" ", 1)[1][0]
            previous = next(fields) if letter in "RC" else None
            raw.append((letter, next(fields), previous))
        else:
            added, removed, name = field.split("\t", 2)
            counts.append((added, removed))
            for _ in range(0 if name else 2):
                next(fields)
    patches = _patches(patched)
    for (letter, name, previous), (added, removed) in zip(raw, counts, strict=True):
        # A changed type is one entry of the list and two of the patch: the old file goes, the new one comes.
        sections = [next(patches) for _ in range(2 if letter == "T" else 1)]
        yield FileChange(
            filename=name,
            status=STATUSES[letter],
            additions=0 if added == "-" else int(added),
            deletions=0 if removed == "-" else int(removed),
            patch="\n".join(filter(None, sections)) or None,
            previous_filename=previous,
        )


def _patches(patched: bytes) -> Iterator[str]:
    for section in re.split(rb"^diff --git .*\n", patched, flags=re.MULTILINE)[1:]:
        start = re.search(rb"^@@ ", section, flags=re.MULTILINE)
        yield section[start.start() :].decode(errors="replace").removesuffix("\n") if start else ""
