"""Commits that GitHub signs, where branches take no others."""

from cachetools import TTLCache

from app.config_files import find_signed
from app.domain.facts import CommitData
from app.domain.names import Repository
from app.ports import Clock, GitHub
from app.records import Records

REMEMBERED = 1024
SECONDS = 600
"""For so long it counts that a task's branch was seen to take only signed commits."""


class Signing:
    """Have what runs made signed, where the base branch or the task's own takes only signed commits.

    The base branch's rules were read with `.orch.yml`. Those of a task's branch are asked for when GitHub refuses to
    move it: else every task would cost two requests more.
    """

    def __init__(self, github: GitHub, records: Records, clock: Clock, seconds: float = SECONDS) -> None:
        self._github = github
        self._records = records
        self._seen: TTLCache[int, bool] = TTLCache(REMEMBERED, seconds, timer=lambda: clock.now().timestamp())

    async def is_asked(self, repository: Repository) -> bool:
        """Say whether signed commits are known to be asked for; nothing known of the repository is asked for now."""
        if repository.id in self._seen:
            return True
        file = await self._records.repo_file(repository)
        return file.signed if file else await self.learn(repository, repository.default_branch)

    async def learn(self, repository: Repository, branch: str) -> bool:
        """Ask GitHub whether a branch takes only signed commits, and remember that it does."""
        asked = bool(await find_signed(self._github, repository, branch))
        if asked:
            self._seen[repository.id] = True
        return asked

    async def sign(self, repository: Repository, branch: str, sha: str) -> str:
        """Make a commit anew, signed, and return its SHA; one that a crash left on the branch is not made again.

        Raises Permanent if GitHub does not sign it.
        """
        unsigned = await self._github.commit(repository, sha)
        head = await self._github.branch_head(repository, branch)
        if head is not None and _is_same(await self._github.commit(repository, head), unsigned):
            return head
        return await self._github.sign_commit(repository, unsigned)


def _is_same(one: CommitData, other: CommitData) -> bool:
    return (one.tree, one.parents) == (other.tree, other.parents)
