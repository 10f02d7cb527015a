"""A world that is watched: whatever Orch begins or ends there is held against what GitHub says at that moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from app.domain.grants import Grant
from app.domain.jobs import Job, Purpose
from app.domain.locks import conflicts
from app.domain.record import TaskRecord
from app.domain.task import Status
from app.settings import ServeSettings
from tests.simulation.clock import BEGINNING
from tests.simulation.rows import IssueRow
from tests.simulation.runner import Ending
from tests.simulation.world import World

WAITS = (Purpose.WORK, Purpose.PLAN)
QUICKLY = timedelta(seconds=3)
AFTER_KILLS = timedelta(seconds=400)
"""How long it may take until Orch goes by what a person did: with kills, the leases of the dead end first."""

MOST_ENVELOPES = 60
"""For each thing that people did, each run and each kill; the most that was seen in 300 stories was 37."""
AT_FIRST = 20
"""Changes that are counted from the beginning, as the first plan brings many issues at once."""


class Broken(AssertionError):
    """Orch did what it must not do."""


class Watched(World):
    """Raises Broken, with the story so far, as soon as a rule is broken.

    What a person did a moment ago, Orch may not know yet; what no webhook told of (`untold`), it need not know.
    """

    def __init__(self, seed: int, settings: ServeSettings) -> None:
        super().__init__(seed, settings)
        self.grace = QUICKLY
        self.story: list[str] = []
        self.touched: dict[int, datetime] = {}
        self.untold: set[int] = set()
        self.approved: set[int] = set()
        self.acts = 0
        self._acting = False
        self._runs = 0
        self._begun: list[tuple[Job, Grant]] = []
        self._ended: list[int] = []

    @contextmanager
    def act(self, what: str, *issues: int) -> Iterator[None]:
        """Note what a person does, to which issues, and whether any webhook tells of it."""
        self.acts += 1
        self.note(what)
        wire, self._acting = len(self.place.wire), True
        try:
            yield
        finally:
            self._acting = False
            self.touched |= dict.fromkeys(issues, self.clock.now())
            if len(self.place.wire) == wire:
                self.untold.update(issues)

    def note(self, what: str) -> None:
        """Add a line to the story."""
        self.story.append(f"{(self.clock.now() - BEGINNING).total_seconds():10.2f} {what}")

    def fail(self, what: str) -> None:
        """End the story here."""
        self.note(f"BROKEN: {what}")
        raise Broken("\n".join(["", *self.story]))

    def _say(self, what: str, number: int) -> None:
        super()._say(what, number)
        self.note(f"{what} #{number}")
        if what == "issue closed" and not self._acting:
            self._ended.append(number)

    def _play(self, job: Job, grant: Grant) -> Ending:
        self._begun.append((job, grant))
        return super()._play(job, grant)

    async def _step(self) -> bool:
        self._begun.clear()
        self._ended.clear()
        did = await super()._step()
        self._check_bound()
        for job, grant in self._begun:
            self._runs += 1
            await self._check_begun(job, grant)
        for number in self._ended:
            await self._check_ended(number)
        return did

    def is_fresh(self, *issues: int) -> bool:
        """Say whether a person did something to one of the issues that Orch may not know yet."""
        now = self.clock.now()
        known = (self.touched.get(one, BEGINNING - AFTER_KILLS) for one in issues)
        return any(now - moment < self.grace for moment in known) or not self.untold.isdisjoint(issues)

    def _check_bound(self) -> None:
        """Look for envelopes that bring envelopes without end."""
        changes = AT_FIRST + self.acts + self._runs + self.crashes
        if self.counts["events.send"] > MOST_ENVELOPES * changes:
            self.fail(f"{self.counts['events.send']} envelopes for {changes} changes")

    async def _check_begun(self, job: Job, grant: Grant) -> None:
        number, record = job.task.number, await self.record(job.task.number)
        assert record is not None
        self.note(f"    attempt {job.attempt} at #{number}: {grant.purpose.value} by {grant.agent}")
        if sum(one.job.task == job.task and one.job.id == job.id for one in self.runner.running) != 1:
            self.fail(f"two runs of #{number} at a time")
        if not self.issue(number).is_open and not self.is_fresh(number):
            self.fail(f"a run of #{number}, which is closed")
        if grant.purpose in WAITS and record.status is not Status.IN_PROGRESS:  # else a lost run is made good
            self._check_blockers(number)
        await self._check_locks(record)

    def _check_blockers(self, number: int) -> None:
        for blocker in self.issue(number).blocked_by:
            if not is_completed(self.issue(blocker)) and not self.is_fresh(number, blocker):
                self.fail(f"a run of #{number}, which #{blocker} blocks")

    async def _check_locks(self, record: TaskRecord) -> None:
        for number in self.place.issues:
            other = await self.record(number) if record.locks and number != record.task.number else None
            if other is None or not self._holds(other) or self.is_fresh(number):
                continue
            if path := conflicts(record.locks, other.locks):
                self.fail(f"a run of #{record.task.number}, while #{number} works on {path} too")

    def _holds(self, other: TaskRecord) -> bool:
        if other.status.is_final:
            return False
        running = any(one.job.id == other.job_id for one in self.runner.running)
        at_work = other.status is Status.IN_PROGRESS or (other.status is Status.ROUTED and running)
        return at_work or any(self.place.pulls[one].is_open for one in self.pulls_of(other.task.number))

    async def _check_ended(self, number: int) -> None:
        """A parent that Orch closed: all its children are completed, or closed and a person found that enough."""
        record = await self.record(number)
        if record is None or record.graph is None or not record.graph.started:
            return
        for child in self.issue(number).children:
            row = self.issue(child)
            is_enough = is_completed(row) or (not row.is_open and number in self.approved)
            if not is_enough and not self.is_fresh(number, child):
                self.fail(f"#{number} was closed, and #{child} is not completed")


def is_completed(row: IssueRow) -> bool:
    """Say whether an issue was closed as completed."""
    return not row.is_open and row.state_reason in ("completed", None)
