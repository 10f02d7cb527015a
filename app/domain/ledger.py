"""What an installation's runs cost, by day and repository: what the caps beyond one task go by."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

from app.domain.base import Value

KEPT = timedelta(days=62)
REMEMBERED = 200
"""Runs that are remembered by their id, so that one that is told of twice counts once."""
NOTHING = Decimal(0)


class Ledger(Value):
    """Known costs in US dollars by UTC day (ISO) and repository id, and how many runs had none that is known."""

    days: Mapping[str, Mapping[str, Decimal]] = {}
    unknown: int = 0
    runs: tuple[str, ...] = ()

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
