"""git as the person at this machine runs it: with their configuration, in their repository."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NO_HOOKS = "core.hooksPath=/dev/null"


class GitRefused(Exception):
    """git ended with an error; the text is what it said."""


@dataclass(frozen=True, slots=True)
class UserGit:
    """git in a folder, or on the repository `git_dir`; `environment` holds none of git's own variables."""

    folder: Path
    environment: Mapping[str, str]
    git_dir: Path | None = None

    def __call__(self, *argv: str) -> str:
        """Run one command, no hooks, and return its output without the last line's end. Raises GitRefused."""
        more = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
        if self.git_dir is not None:
            more["GIT_DIR"] = str(self.git_dir)
        done = subprocess.run(
            ["git", "-c", NO_HOOKS, *argv],
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
        if done.returncode:
            raise GitRefused(done.stderr.strip() or f"git {argv[0]} ended with {done.returncode}")
        return done.stdout.removesuffix("\n")

    def try_line(self, *argv: str) -> str | None:
        """Return what a question to git is answered with, None if it is answered with no."""
        try:
            return self(*argv)
        except GitRefused:
            return None

    def branches(self) -> dict[str, str]:
        """Map each branch to its commit."""
        listed = self("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/")
        pairs = (line.split(" ", 1) for line in listed.splitlines())
        return {name.removeprefix("refs/heads/"): sha for sha, name in pairs}

    def contains(self, commit: str, ancestor: str) -> bool:
        """Say whether a commit is, or comes after, another."""
        return self.try_line("merge-base", "--is-ancestor", ancestor, commit) is not None
