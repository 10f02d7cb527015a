"""Who may do what in a repository, as GitHub said within the last minutes."""

from cachetools import TTLCache

from app.domain.errors import Missing
from app.domain.facts import Actor, Standing
from app.domain.names import Repository
from app.ports import Clock, GitHub

REMEMBERED = 2048
SECONDS = 300
"""For so long an answer counts: somebody who is removed loses his rights within five minutes."""


class Standings:
    """Ask GitHub for each person and repository at most once in five minutes."""

    def __init__(self, github: GitHub, clock: Clock, seconds: float = SECONDS) -> None:
        self._github = github
        self._cache: TTLCache[tuple[int, int], Standing] = TTLCache(
            REMEMBERED, seconds, timer=lambda: clock.now().timestamp()
        )

    async def of(self, repository: Repository, actor: Actor) -> Standing:
        """Say what somebody may do; nothing if the account is gone, or has another name by now."""
        key = (repository.id, actor.id)
        known = self._cache.get(key)
        if known is None:
            try:
                known = await self._github.standing(repository, actor.login)
            except Missing:
                known = Standing()
            self._cache[key] = known
        return known
