"""What an installation's runs cost, by day and repository: what the caps beyond one task go by."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

from app.domain.base import Value
from app.domain.complexity import Complexity

KEPT = timedelta(days=62)
REMEMBERED = 200
"""Runs that are remembered by their id, so that one that is told of twice counts once."""
NOTHING = Decimal(0)


class Experience(Value):
    """What an agent's runs at tasks of one complexity came to; `cost` is that of those that are `priced`."""

    runs: int = 0
    successes: int = 0
    cost: Decimal = NOTHING
    priced: int = 0
    seconds: float = 0

    def add(self, cost: Decimal | None, seconds: float, *, succeeded: bool) -> "Experience":
        """Count a run."""
        return Experience(
            runs=self.runs + 1,
            successes=self.successes + succeeded,
            cost=self.cost + (cost or NOTHING),
            priced=self.priced + (cost is not None),
            seconds=self.seconds + seconds,
        )


class Ledger(Value):
    """Known costs in US dollars by UTC day (ISO) and repository id, and how many runs had none that is known.

    `experience` is by agent and complexity (empty: not known), and of all time.
    """

    days: Mapping[str, Mapping[str, Decimal]] = {}
    unknown: int = 0
    runs: tuple[str, ...] = ()
    experience: Mapping[str, Mapping[str, Experience]] = {}

    def add(self, run_id: str, repository_id: int, cost: Decimal | None, at: datetime) -> "Ledger":
        """Count a run, once; days long past are forgotten."""
        if run_id in self.runs:
            return self
        runs = (*self.runs, run_id)[-REMEMBERED:]
        if cost is None:
            return self.model_copy(update={"runs": runs, "unknown": self.unknown + 1})
        day, name, oldest = at.date().isoformat(), str(repository_id), (at - KEPT).date().isoformat()
        of_day = dict(self.days.get(day, {}))
        of_day[name] = of_day.get(name, NOTHING) + cost
        days = {one: spent for one, spent in {**self.days, day: of_day}.items() if one >= oldest}
        return self.model_copy(update={"runs": runs, "days": days})

    def learn(
        self, agent: str, complexity: Complexity | None, cost: Decimal | None, seconds: float, *, succeeded: bool
    ) -> "Ledger":
        """Count a run for those who want to know what another one like it may cost."""
        of_agent = self.experience.get(agent, {})
        known = of_agent.get(complexity or "", Experience()).add(cost, seconds, succeeded=succeeded)
        learnt = {**self.experience, agent: {**of_agent, complexity or "": known}}
        return self.model_copy(update={"experience": learnt})

    def seen(self, agent: str, complexity: Complexity | None = None) -> Experience:
        """Return what is known of an agent's runs at a complexity; without one, at those of which it is not known."""
        return self.experience.get(agent, {}).get(complexity or "", Experience())

    def estimate(self, agent: str, complexity: Complexity | None = None) -> Decimal | None:
        """Return what a run cost on average, None if that is not known; `seen(...).priced` says from how many runs."""
        known = self.seen(agent, complexity)
        return known.cost / known.priced if known.priced else None

    def of_day(self, repository_id: int, day: date) -> Decimal:
        """Return what a repository's runs cost on a day."""
        return self.days.get(day.isoformat(), {}).get(str(repository_id), NOTHING)

    def of_month(self, day: date) -> Decimal:
        """Return what all runs cost in the month of a day."""
        month = day.isoformat()[:7]
        each = (
            spent for one, by_repository in self.days.items() if one[:7] == month for spent in by_repository.values()
        )
        return sum(each, NOTHING)
