"""Merges without a checkout: what conflicts, and what is left of it."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.domain.errors import Permanent
from runner.git import Git
from runner.merging import Merge, merge_commits, unresolved

MEMBER = {f"GIT_{role}_{what}": "x@localhost.invalid" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass(frozen=True, slots=True)
class Forked:
    """A repository whose branches `ours` and `theirs` part from the same commit."""

    folder: Path

    def git(self, *argv: str) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1", **MEMBER}
        done = subprocess.run(("git", *argv), cwd=self.folder, env=env, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, branch: str, **files: bytes | None) -> str:
        """Commit files to a branch; None deletes one."""
        self.git("checkout", "--quiet", "-B", branch, *(["base"] if branch != "base" else []))
        for name, content in files.items():
            path = self.folder / name
            path.unlink() if content is None else path.write_bytes(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", branch)
        return self.git("rev-parse", "HEAD")

    @property
    def runner(self) -> Git:
        return Git(self.folder / ".git")

    async def merge(self, ours: dict[str, bytes | None], theirs: dict[str, bytes | None]) -> Merge:
        merge = await merge_commits(self.runner, self.commit("ours", **ours), self.commit("theirs", **theirs))
        assert merge is not None
        return merge

    async def left(self, merge: Merge, **files: bytes | None) -> list[str]:
        """Resolve the merge so, and list what is not."""
        self.git("read-tree", "--reset", "-u", merge.tree)
        for name, content in files.items():
            path = self.folder / name
            path.unlink() if content is None else path.write_bytes(content)
        self.git("add", "--all")
        return await unresolved(self.runner, merge, self.git("write-tree"))


TEXT = b"Title\n=======\none\ntwo\nthree\n"


@pytest.fixture
def forked(tmp_path: Path) -> Forked:
    made = Forked(tmp_path)
    made.git("init", "--quiet", "--initial-branch=base")
    made.commit("base", text=TEXT, binary=b"a\0b", gone=b"here\n")
    return made


async def test_what_does_not_conflict_is_merged(forked: Forked) -> None:
    merge = await forked.merge({"ours.txt": b"o\n"}, {"theirs.txt": b"t\n"})
    listed = forked.git("ls-tree", "--name-only", merge.tree).splitlines()
    assert (merge.conflicts, listed) == ({}, ["binary", "gone", "ours.txt", "text", "theirs.txt"])


async def test_what_is_there_already_is_no_merge(forked: Forked) -> None:
    base = forked.git("rev-parse", "base")
    assert await merge_commits(forked.runner, forked.commit("ours", text=b"o\n"), base) is None
    assert await merge_commits(forked.runner, base, base) is None


async def test_each_kind_of_conflict_is_told(forked: Forked) -> None:
    merge = await forked.merge(
        {"text": TEXT.replace(b"two", b"2"), "binary": b"o\0", "gone": None, "new name": b"o\n"},
        {"text": TEXT.replace(b"two", b"II"), "binary": b"t\0", "gone": b"there\n", "new name": b"t\n"},
    )
    kinds = {path: re.findall(r"CONFLICT \(([\w/]+)\): ", said) for path, said in merge.conflicts.items()}
    assert kinds == {"text": ["content"], "binary": ["content"], "gone": ["modify/delete"], "new name": ["add/add"]}
    assert "Cannot merge binary files" in merge.conflicts["binary"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (TEXT, []),
        (None, []),
        (b"Title\n=======\none\n", []),
        (b"Title\n=======\none\n2\n=======\nII\n", ["text"]),
        (b"Title\n=======\n<<<<<<< %(head)s\n2\n", ["text"]),
        (b"Title\n=======\nII\n>>>>>>> %(base)s\n", ["text"]),
        (b"Title\n=======\n<<<<<<< an example\nII\n>>>>>>> of markers\n", []),
    ],
)
async def test_markers_of_this_merge_are_found_and_no_others(
    forked: Forked, text: bytes | None, left: list[str]
) -> None:
    merge = await forked.merge({"text": TEXT.replace(b"two", b"2")}, {"text": TEXT.replace(b"two", b"II")})
    names = {b"head": merge.head.encode(), b"base": merge.base.encode()}
    assert await forked.left(merge, text=text and text % names) == left


async def test_a_file_without_markers_of_its_own_is_the_agents_to_decide(forked: Forked) -> None:
    merge = await forked.merge({"binary": b"o\0", "gone": None}, {"binary": b"t\0", "gone": b"there\n"})
    assert await forked.left(merge, binary=b"both\0", gone=b"there\n=======\n") == []


async def test_a_git_that_knows_no_such_merge_is_told(
    forked: Forked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, base = forked.commit("ours", text=b"o\n"), forked.commit("theirs", text=b"t\n")
    old = tmp_path / "old" / "git"
    old.parent.mkdir()
    real = shutil.which("git")
    old.write_text(f'#!/bin/sh\ncase "$*" in *--write-tree*) exit 129 ;; esac\nexec {real} "$@"\n')
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    with pytest.raises(Permanent, match=r"2\.38"):
        await merge_commits(forked.runner, head, base)
