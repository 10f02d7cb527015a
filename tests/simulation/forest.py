"""Random plans and random ends of runs: each a function of a seed, the issue and the attempt."""

from random import Random

from app.domain.grants import Grant
from app.domain.jobs import Job, Purpose
from app.domain.outcomes import Outcome
from app.domain.plan import Criterion, Plan, PlannedChild, Verdict
from tests.simulation.planned import MET, child
from tests.simulation.runner import Ending, deliver

PATHS = ("src", "src/a", "src/b", "src/a/one.py", "docs", "docs/index.md")
UNMET = Verdict(summary="Something is missing.", criteria=(Criterion(text="it is", met=False, why="not seen"),))
ENDS = {
    Outcome.DELIVERED: 80,
    Outcome.AGENT_FAILED: 8,
    Outcome.NO_CHANGE: 4,
    Outcome.TIMED_OUT: 3,
    Outcome.STALLED: 2,
    Outcome.PROVIDER_LIMITED: 3,
}


def random_plan(chance: Random, most: int) -> Plan:
    """Make a plan without rings: each child depends on some of those before it."""
    children: list[PlannedChild] = []
    for index in range(chance.randint(max(2, most // 2), most)):
        before = [one.key for one in children]
        depends_on = chance.sample(before, min(len(before), chance.choice((0, 0, 1, 1, 2, 3))))
        paths = chance.sample(PATHS, chance.choice((0, 0, 0, 1, 1, 2)))
        children.append(child(f"c{index}", tuple(depends_on), tuple(paths)))
    return Plan(summary="By chance.", children=tuple(children))


class Fate:
    """Says how runs end, while `kind` all as well as they can; the first plan has up to `most` children."""

    def __init__(self, seed: int, most: int) -> None:
        self.seed, self.most, self.kind = seed, most, False

    def __call__(self, job: Job, grant: Grant) -> Ending:
        chance = Random(f"{self.seed}-{job.task.number}-{job.attempt}")
        seconds = chance.choice((1.0, 3.0, 5.0, 20.0))
        outcome = chance.choices([*ENDS], [*ENDS.values()])[0]
        if outcome is not Outcome.DELIVERED and not self.kind and grant.purpose is not Purpose.REVIEW:
            return Ending(outcome, seconds=seconds)
        if grant.purpose is Purpose.PLAN:
            plan = random_plan(chance, self.most if job.task.number == 1 else 3)
            return Ending(Outcome.PLANNED, seconds=seconds, more={"plan": plan})
        if grant.purpose is Purpose.INTEGRATION:
            found = MET if self.kind or chance.random() < 0.7 else UNMET
            return Ending(Outcome.CHECKED, seconds=seconds, more={"verdict": found})
        return Ending(deliver(job, grant).outcome, seconds=seconds)
