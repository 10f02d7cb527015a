"""A merge that needs no checkout: what it makes, where it conflicts, and whether the conflicts were resolved."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from app.domain.errors import Permanent
from runner.git import Git, GitFailed

CLEAN, CONFLICTED = 0, 1
"""Exit codes of `git merge-tree`; any other is a failure."""
USAGE = 129
"""The exit code of a git that does not know an option."""
_CONFLICT = "CONFLICT"
_SEPARATOR = re.compile(rb"^={7}\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Merge:
    """`base` merged into `head`: a tree, with markers in files that conflict; these with what git says of each."""

    head: str
    base: str
    tree: str
    conflicts: Mapping[str, str] = field(default_factory=dict)


async def merge_commits(git: Git, head: str, base: str) -> Merge | None:
    """Merge two commits into a tree, which is written to the repository; None if `head` holds `base` already."""
    if (await git("merge-base", "--all", head, base)).decode().split() == [base]:
        return None
    try:
        said = await git("merge-tree", "--write-tree", "--messages", "-z", head, base, well=(CLEAN, CONFLICTED))
    except GitFailed as failure:
        if failure.status == USAGE:
            raise Permanent("the runner's git cannot merge without a checkout; update it to 2.38 or later") from failure
        raise
    tree, *rest = os.fsdecode(said).split("\0")
    return Merge(head, base, tree, _conflicts(rest))


async def unresolved(git: Git, merge: Merge, sha: str) -> list[str]:
    """List the files in which a commit still holds markers of the merge."""
    return [path for path in merge.conflicts if await _has_markers(git, merge, sha, path)]


async def _has_markers(git: Git, merge: Merge, sha: str, path: str) -> bool:
    begins = re.compile(rf"^<{{7}} {merge.head}".encode(), re.MULTILINE)
    ends = re.compile(rf"^>{{7}} {merge.base}".encode(), re.MULTILINE)
    before, after = await _content(git, merge.tree, path), await _content(git, sha, path)
    if begins.search(after) or ends.search(after):
        return True
    own = len(_SEPARATOR.findall(before)) - len(begins.findall(before))  # the file's, as headings may be underlined so
    return bool(begins.search(before)) and len(_SEPARATOR.findall(after)) > own


async def _content(git: Git, tree: str, path: str) -> bytes:
    try:
        return await git("cat-file", "blob", f"{tree}:{path}")
    except GitFailed:  # deleted, or no file any more
        return b""


def _conflicts(rest: list[str]) -> dict[str, str]:
    """Read the files that conflict, and what is said of them: see OUTPUT in `git help merge-tree`."""
    end = rest.index("") if "" in rest else len(rest)
    found = {entry.split("\t", 1)[1]: "" for entry in rest[:end]}
    for paths, kind, said in _messages(iter(rest[end + 1 :])):
        for path in paths:
            if kind.startswith(_CONFLICT) and path in found:
                found[path] = f"{found[path]} {said.strip()}".strip()
    return found


def _messages(words: Iterator[str]) -> Iterator[tuple[list[str], str, str]]:
    for count in words:
        if not count.strip().isdigit():
            return
        paths = [next(words) for _ in range(int(count))]
        yield paths, next(words), next(words)
