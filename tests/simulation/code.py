"""Commits, branches and pull requests: enough of git to know what is a fast-forward."""

import re
from collections.abc import Callable
from random import Random
from typing import Any

from app.domain.errors import HeadMoved, Missing, NotMergeable, Permanent
from tests.simulation import payloads
from tests.simulation.clock import SimulatedClock
from tests.simulation.issues import BOT, REPOSITORY, WRITER
from tests.simulation.links import Links
from tests.simulation.rows import CommitRow, Person, PullRow

NOBODY = "0" * 40
CLOSES = re.compile(r"(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?) #([0-9]+)")


class Code(Links):
    """The repository's code: `refs` by their full names, and files of the default branch."""

    def __init__(self, clock: SimulatedClock, chance: Random, say: Callable[[str, int], None]) -> None:
        super().__init__(clock, chance, say)
        self.commits: dict[str, CommitRow] = {}
        self.files: dict[str, bytes] = {}
        self.refs = {_heads(REPOSITORY.default_branch): self.new_commit(None, WRITER)}

    def new_commit(self, parent: str | None, by: Person) -> str:
        sha = f"{len(self.commits) + 1:040x}"
        self.commits[sha] = CommitRow(sha, parent, by)
        return sha

    def head(self, branch: str) -> str | None:
        return self.refs.get(_heads(branch))

    def push_run(self, run_id: str, parent: str | None) -> str:
        """Push what a run made; no webhook tells of refs that are neither branches nor tags."""
        start = parent or self.refs[_heads(REPOSITORY.default_branch)]
        sha = self.new_commit(start, BOT)
        self.refs[f"refs/orch/runs/{run_id}"] = sha
        return sha

    def has(self, sha: str, ancestor: str | None) -> bool:
        """Say whether a commit is an ancestor of another, or the same."""
        at: str | None = sha
        while at is not None and at != ancestor:
            at = self.commits[at].parent
        return at == ancestor

    def set_branch(self, branch: str, sha: str, by: Person, *, files: tuple[str, ...] = ()) -> None:
        """Let a branch point at a commit, and tell of the push and of what it means to pull requests."""
        if sha not in self.commits:
            raise Permanent(f"there is no commit {sha}")
        before = self.refs.get(_heads(branch))
        self.refs[_heads(branch)] = sha
        if before == sha:
            return
        self._tell_push(_heads(branch), before or NOBODY, sha, by, files)
        for pull in self.pulls.values():
            if pull.branch == branch and pull.is_open:
                pull.head = sha
                self._tell_pull("synchronize", pull, by, before=before, after=sha)

    def forward_branch(self, branch: str, sha: str, by: Person) -> None:
        before = self.refs.get(_heads(branch))
        if before is None:
            raise Permanent(f"Reference refs/heads/{branch} does not exist")
        if not self.has(sha, before):
            raise Permanent("Update is not a fast forward")
        self.set_branch(branch, sha, by)

    def remove_ref(self, ref: str, by: Person) -> None:
        sha = self.refs.pop(ref, None)
        if sha is not None and ref.startswith("refs/heads/"):
            self._tell_push(ref, sha, NOBODY, by, ())
            for pull in self.pulls.values():
                if _heads(pull.branch) == ref and pull.is_open:
                    self.close_pull(pull.number, by)

    def _tell_push(self, ref: str, before: str, after: str, by: Person, files: tuple[str, ...]) -> None:
        commit = {"id": after, "added": [], "modified": list(files), "removed": []}
        about: dict[str, Any] = {"created": before == NOBODY, "deleted": after == NOBODY, "forced": False}
        commits = [] if after == NOBODY else [commit]
        self.send("push", None, by, ref=ref, before=before, after=after, commits=commits, **about)

    def open_pull(self, branch: str, base: str, title: str, body: str, by: Person) -> PullRow:
        """Open a pull request; there is at most one open one for a branch."""
        for pull in self.pulls.values():
            if pull.branch == branch and pull.is_open:
                return pull
        head = self.head(branch)
        if head is None:
            raise Permanent(f"there is no branch {branch}")
        if head == self.head(base):
            raise Permanent(f"No commits between {base} and {branch}")
        now = self.now()
        pull = PullRow(self.new_id(), self.new_number(), by, branch, base, title, body, head, created=now)
        self.pulls[pull.number] = pull
        self.say("pull opened", pull.number)
        self._tell_pull("opened", pull, by)
        return pull

    def the_pull(self, number: int) -> PullRow:
        if number not in self.pulls:
            raise Missing(f"there is no pull request {number}")
        return self.pulls[number]

    def close_pull(self, number: int, by: Person) -> None:
        pull = self.the_pull(number)
        if pull.is_open:
            pull.is_open = False
            self._tell_pull("closed", pull, by)

    def reopen_pull(self, number: int, by: Person) -> None:
        pull = self.the_pull(number)
        if not pull.is_open and not pull.merged:
            pull.is_open = True
            self._tell_pull("reopened", pull, by)

    def merge(self, number: int, by: Person, sha: str | None = None) -> None:
        """Merge, and close the issues that the pull request's body names; a merge of that very head is done once."""
        pull = self.the_pull(number)
        if sha is not None and sha != pull.head:
            raise HeadMoved("Head branch was modified. Review and try the merge again.")
        if pull.merged:
            return
        if not pull.is_open or pull.conflicts:
            raise NotMergeable("Pull Request is not mergeable")
        pull.is_open, pull.merged = False, True
        self.say("pull merged", number)
        base = self.new_commit(self.head(pull.base), by)
        self._tell_pull("closed", pull, by)
        self.set_branch(pull.base, base, by)
        if pull.base == REPOSITORY.default_branch:
            for closed in CLOSES.findall(pull.body):
                self.close_issue(int(closed), by)

    def _tell_pull(self, action: str, pull: PullRow, by: Person, **about: Any) -> None:
        shown = payloads.show_pull(REPOSITORY, pull)
        self.send("pull_request", action, by, number=pull.number, pull_request=shown, **about)


def _heads(branch: str) -> str:
    return f"refs/heads/{branch}"
