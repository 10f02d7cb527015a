"""What admission knows of the agents, for those who choose one."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from app.domain.admission import Board
from app.domain.base import Value


class Pool(Value):
    """Until when agents are parked, and how many runs were asked for of each."""

    parked: Mapping[str, datetime] = {}
    asked: Mapping[str, int] = {}

    def is_free(self, agent: str, now: datetime) -> bool:
        """Say whether the agent's provider takes calls, as far as that is known."""
        until = self.parked.get(agent)
        return until is None or until <= now

    def park(self, agent: str, until: datetime) -> "Pool":
        """Return the same with another agent parked, at least until then."""
        later = max(until, self.parked.get(agent, until))
        return self.model_copy(update={"parked": {**self.parked, agent: later}})

    def free(self, agents: Collection[str], now: datetime) -> tuple[str, ...]:
        """List those of the agents that are not parked."""
        return tuple(agent for agent in agents if self.is_free(agent, now))

    def first_back(self, agents: Collection[str]) -> str:
        """Return the one of the agents, all of them parked, whose provider takes calls first."""
        return min(agents, key=lambda agent: self.parked[agent])

    def next_in_turn(self, agents: Collection[str]) -> str:
        """Return the agent that was asked for least; of several, the first. One that is new begins where others are."""
        least = min((self.asked[agent] for agent in agents if agent in self.asked), default=0)
        return min(agents, key=lambda agent: self.asked.get(agent, least))


def pool_of(board: Board) -> Pool:
    """Read what the board knows of agents."""
    return Pool(
        parked={agent: datetime.fromtimestamp(until, UTC) for agent, until in board.parked.items()}, asked=board.asked
    )
