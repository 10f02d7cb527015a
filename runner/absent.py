"""Files that a workspace does not have, in Git LFS and in submodules: found, and kept as they are in a commit."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from app.domain.absent import ATTRIBUTES, MODULES, Absent, lfs_patterns, name_some, submodule_paths
from runner.git import Git, GitFailed

GITLINK, NOTHING = "160000", "000000"
MOST_ATTRIBUTES = 200
"""Files with attributes that are looked into, for what an agent is told; a commit is checked against all."""


class Undeliverable(Exception):
    """The agent changed what cannot be delivered; the text tells people what, and what to do."""


class NestedRepository(Exception):
    """The workspace holds another repository, which cannot be delivered as files; `path` names it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r} is a repository inside the workspace; its files cannot be committed")
        self.path = path


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of an index."""

    mode: str
    sha: str
    path: str


@dataclass(frozen=True, slots=True)
class Change:
    """What was at a path and what is there now; the mode of nothing is `000000`."""

    old_mode: str
    new_mode: str
    old_sha: str
    new_sha: str
    path: str


async def find_absent(git: Git) -> Absent:
    """Find what the index has as pointers and as submodules."""
    entries = await _entries(git)
    files = [one for one in entries if PurePath(one.path).name == ATTRIBUTES]
    patterns: list[str] = []
    for one in files[:MOST_ATTRIBUTES]:
        patterns += lfs_patterns(await _text(git, one.sha), one.path.removesuffix(ATTRIBUTES).rstrip("/"))
    return Absent(lfs=tuple(patterns), submodules=tuple(one.path for one in entries if one.mode == GITLINK))


async def refuse_filled(git: Git, tree: Path) -> None:
    """Raise Undeliverable if there is anything in a submodule's folder: git would leave it out without a word."""
    for one in await _entries(git):
        folder = tree / one.path
        if one.mode != GITLINK or folder.is_symlink() or not folder.is_dir():
            continue
        if next(folder.iterdir(), None) is not None:
            raise Undeliverable(
                f"{name_some([one.path])} is a submodule, and the agent put files there, which cannot be delivered: "
                "they belong into the submodule's own repository."
            )


async def write_tree(git: Git, before: str) -> tuple[str, list[Change]]:
    """Write the index as a tree, with the submodules that were there, and list what that changes.

    Raises Undeliverable.
    """
    tree = (await git("write-tree")).decode().strip()
    changes = await _changes(git, before, tree)
    if await _keep_submodules(git, before, changes):
        tree = (await git("write-tree")).decode().strip()
        changes = await _changes(git, before, tree)
    return tree, changes


def refuse_links(changes: Sequence[Change]) -> None:
    """Raise NestedRepository for a submodule that is new, or another commit of one."""
    for one in changes:
        if one.new_mode == GITLINK:
            raise NestedRepository(one.path)


async def refuse_lfs(git: Git, changes: Sequence[Change], parents: Sequence[str]) -> None:
    """Raise Undeliverable for files in Git LFS that none of the parents has just so, at whatever path."""
    files = {one.path: one.new_sha for one in changes if one.new_mode.startswith("100")}
    tracked = await _in_lfs(git, list(files))
    if not tracked:
        return
    listed = [os.fsdecode(await git("ls-tree", "-r", "-z", sha)).split("\0")[:-1] for sha in parents]
    there = {row.split("\t", 1)[0].split(" ")[2] for rows in listed for row in rows}
    if changed := [path for path in tracked if files[path] not in there]:
        are, they, them = ("are", "they are", "them") if len(changed) > 1 else ("is", "it is", "it")
        raise Undeliverable(
            f"{name_some(changed)} {are} in Git LFS, and a run cannot upload what the agent made of {them}. Change "
            f"{them} yourself, with git-lfs, and tell the agent in a comment to leave {them} as {they}."
        )


async def links_among(git: Git, tree: str, paths: Sequence[str]) -> list[str]:
    """List those of the paths at which a tree has a submodule."""
    listed = os.fsdecode(await git("ls-tree", "-z", tree, "--", *paths)).split("\0")[:-1]
    return [row.split("\t", 1)[1] for row in listed if row.startswith(GITLINK)]


async def _entries(git: Git) -> list[Entry]:
    rows = os.fsdecode(await git("ls-files", "--stage", "-z")).split("\0")[:-1]
    split = ((*row.split("\t", 1)[0].split(" "), row.split("\t", 1)[1]) for row in rows)
    return [Entry(mode, sha, path) for mode, sha, _, path in split]


async def _changes(git: Git, before: str, after: str) -> list[Change]:
    listed = await git("diff-tree", "-r", "-z", "--no-renames", "--raw", before, after)
    fields = iter(os.fsdecode(listed).split("\0")[:-1])
    split = ((*about[1:].split(" "), path) for about, path in zip(fields, fields, strict=True))
    return [Change(old_mode, new_mode, old, new, path) for old_mode, new_mode, old, new, _, path in split]


async def _keep_submodules(git: Git, before: str, changes: Sequence[Change]) -> bool:
    """Put submodules back whose empty folder is gone, and say whether there were any.

    One that `.gitmodules` does not name any more was removed on purpose.
    """
    lost = [one for one in changes if one.old_mode == GITLINK]
    if not lost and all(one.path != MODULES for one in changes):
        return False
    named = submodule_paths(await _text(git, f":{MODULES}"))
    known = submodule_paths(await _text(git, f"{before}:{MODULES}"))
    if made := [path for path in named if path not in known]:
        raise Undeliverable(f"the agent made {name_some(made)} a submodule, which a run cannot deliver.")
    back = [one for one in lost if one.path in named]
    there = {one.path for one in changes if one.new_mode != NOTHING}
    if replaced := [one.path for one in back if there & {one.path, *map(str, PurePath(one.path).parents)}]:
        raise Undeliverable(f"the agent put something else in place of the submodule {name_some(replaced)}.")
    rows = b"".join(os.fsencode(f"{GITLINK} {one.old_sha} 0\t{one.path}\0") for one in back)
    await git("update-index", "-z", "--index-info", stdin=rows)
    return bool(back)


async def _in_lfs(git: Git, paths: Sequence[str]) -> list[str]:
    if not paths:
        return []
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    said = os.fsdecode(await git("check-attr", "--cached", "-z", "--stdin", "filter", stdin=asked)).split("\0")[:-1]
    return [path for path, value in zip(said[::3], said[2::3], strict=True) if value == "lfs"]


async def _text(git: Git, name: str) -> str:
    """Read a small file by the name of its object; empty if there is none."""
    try:
        return (await git("cat-file", "blob", name)).decode(errors="replace")
    except GitFailed:
        return ""
