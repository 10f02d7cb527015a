"""People who do at random what people do while their issues are worked on, and who clean up in the end."""

from collections.abc import Awaitable, Callable
from itertools import pairwise
from random import Random

from app.domain.blocked import waits_for_approval
from app.domain.errors import Permanent
from app.domain.plan import find_ring
from app.domain.record import TaskRecord
from app.domain.task import Status
from tests.simulation.rows import IssueRow
from tests.simulation.watched import Watched, is_completed

PARENT = 1
SAYINGS = {"/stop": 3, "/pause": 1, "/resume": 5, "/retry": 6, "/cancel": 2, "/approve": 1}
MOST_ROUNDS = 25
BETWEEN = 300.0
"""Seconds between two rounds of people: where Orch asks for patience, they have it."""


class Crowd:
    """What they do: `wander` one thing at random, `tidy` what is left to do."""

    def __init__(self, world: Watched, seed: int, most: int) -> None:
        self.world, self.chance, self.most = world, Random(f"crowd-{seed}"), most
        self._ways: dict[Callable[[], Awaitable[None]], int] = {
            self._link: 8,
            self._unlink: 6,
            self._ring: 1,
            self._open: 6,
            self._adopt: 3,
            self._disown: 2,
            self._close: 5,
            self._reopen: 3,
            self._speak: 14,
            self._address_parent: 7,
            self._label: 4,
            self._unlabel: 3,
            self._merge: 8,
            self._wait: 4,
        }

    async def wander(self) -> None:
        """Do something; what GitHub refuses is not done."""
        await self._try(self.chance.choices([*self._ways], [*self._ways.values()])[0])

    async def _try(self, way: Callable[[], Awaitable[None]]) -> None:
        try:
            await way()
        except Permanent as error:
            self.world.note(f"    GitHub refused: {error}")

    def _some(self, *, open_: bool | None = None) -> int:
        rows = self.world.place.issues.values()
        numbers = [row.number for row in rows if open_ is None or row.is_open is open_]
        return self.chance.choice(numbers or [PARENT])

    async def begin(self) -> None:
        """Ask for a plan, beside issues of one's own, some of which are tasks and some of which block others."""
        await self.open("A big thing", "plan")
        for _ in range(self.chance.randint(0, 16)):
            await self._try(self._open)
            await self._try(self._link)
            await self.world.survive(self.chance.choice((0.0, 1.0)))

    async def open(self, title: str, *labels: str) -> int:
        with self.world.act(f"a person opens #{self.world.place.new_number()} {list(labels)}"):
            return await self.world.open_issue(title, "please", labels)

    async def _open(self) -> None:
        if len(self.world.place.issues) >= self.most:
            return
        labels = self.chance.choices([("orch",), (), ("plan",)], [6, 4, 1])[0]
        number = await self.open("Something else", *labels)
        if self.chance.random() < 0.5:
            await self._have_child(PARENT, number)

    async def _have_child(self, parent: int, number: int) -> None:
        with self.world.act(f"a person makes #{number} a part of #{parent}", parent, number):
            await self.world.add_sub_issue(parent, number)

    async def _adopt(self) -> None:
        await self._have_child(PARENT, self._some())

    async def _disown(self) -> None:
        children = self.world.issue(PARENT).children
        if children:
            number = self.chance.choice(children)
            with self.world.act(f"a person takes #{number} out of #{PARENT}", PARENT, number):
                await self.world.remove_sub_issue(PARENT, number)

    async def _link(self) -> None:
        await self.block(self._some(open_=True), self._some())

    async def block(self, number: int, blocker: int) -> None:
        with self.world.act(f"a person has #{blocker} block #{number}", number):
            await self.world.add_blocked_by(number, blocker)

    async def unblock(self, number: int, blocker: int) -> None:
        with self.world.act(f"a person has #{blocker} block #{number} no more", number):
            await self.world.remove_blocked_by(number, blocker)

    async def _unlink(self) -> None:
        links = [(row.number, one) for row in self.world.place.issues.values() for one in row.blocked_by]
        if links:
            await self.unblock(*self.chance.choice(links))

    async def _ring(self) -> None:
        rows = [row.number for row in self.world.place.issues.values() if row.is_open]
        if len(rows) > 2:
            one, two, three = self.chance.sample(rows, 3)
            for number, blocker in ((one, two), (two, three), (three, one)):
                await self.block(number, blocker)

    async def _close(self) -> None:
        number = self._some(open_=True)
        if number != PARENT or self.chance.random() < 0.1:
            await self.close(number, self.chance.choice(("completed", "completed", "not_planned")))

    async def close(self, number: int, reason: str) -> None:
        with self.world.act(f"a person closes #{number} as {reason}", number):
            await self.world.close(number, reason)

    async def _reopen(self) -> None:
        await self.reopen(self._some(open_=False))

    async def reopen(self, number: int) -> None:
        with self.world.act(f"a person reopens #{number}", number):
            await self.world.reopen(number)

    async def _speak(self) -> None:
        await self.say(self._some(open_=True), self.chance.choices([*SAYINGS], [*SAYINGS.values()])[0])

    async def _address_parent(self) -> None:
        record = await self.world.record(PARENT)
        if record is not None and waits_for_approval(record):
            await self.say(PARENT, self.chance.choice(("/approve", "/approve", "/deny it is too much")))
        elif record is not None and record.status in (Status.PAUSED, Status.NEEDS_REVIEW):
            await self.say(PARENT, self.chance.choice(("/resume", "/retry")))

    async def say(self, number: int, text: str) -> None:
        children = [self.world.issue(one) for one in self.world.issue(number).children]
        if text == "/approve" and children and not any(row.is_open for row in children):
            self.world.approved.add(number)
        with self.world.act(f"a person says {text} on #{number}", number):
            await self.world.comment(number, text)

    async def _label(self) -> None:
        number = self._some(open_=True)
        with self.world.act(f"a person labels #{number}", number):
            await self.world.label(number, "plan" if number == PARENT else "orch")

    async def _unlabel(self) -> None:
        number = self._some(open_=True)
        with self.world.act(f"a person takes the label off #{number}", number):
            await self.world.unlabel(number, "plan" if number == PARENT else "orch")

    async def _merge(self) -> None:
        pulls = [row.number for row in self.world.place.pulls.values() if row.is_open]
        if pulls:
            number = self.chance.choice(pulls)
            with self.world.act(f"a person merges #{number}"):
                await self.world.merge(number)

    async def _wait(self) -> None:
        self.world.note("    people wait")
        await self.world.survive(self.chance.choice((30.0, 100.0, 4000.0)))

    # What they do in the end.

    async def tidy(self) -> None:
        """Do what Orch's comments ask for until all is closed; too many rounds of that are a task that is forgotten."""
        for _ in range(MOST_ROUNDS):
            left = [row for row in self.world.place.issues.values() if not await self._is_over(row)]
            if not left:
                return
            self.world.note(f"    people look at {[row.number for row in left]}")
            for row in left:
                await self._help_on(row)
            await self.world.survive()
            self.world.clock.advance(BETWEEN)
            await self.world.sweep()
        records = [await self.world.record(row.number) for row in left]
        stand = [f"#{one.task.number} {one.status.value}: {one.why}" for one in records if one]
        self.world.fail("\n".join(["all that people were asked for was done, and still there are", *stand]))

    async def _is_over(self, row: IssueRow) -> bool:
        record = await self.world.record(row.number)
        return not row.is_open and (record is None or record.status.is_final)

    async def _help_on(self, row: IssueRow) -> None:
        record = await self.world.record(row.number)
        if record is None:
            await self.close(row.number, "completed")
        elif record.status.is_final:
            await self._end(row, record)
        elif record.status is Status.BLOCKED:
            await self._clear(row)
        elif record.status is Status.PAUSED:
            await self.say(row.number, "/resume")
        elif record.status is Status.NEEDS_REVIEW:
            await self.say(row.number, _answer(record))

    async def _end(self, row: IssueRow, record: TaskRecord) -> None:
        if self.chance.random() < 0.5:
            await self.say(row.number, "/retry")
        else:
            await self.close(row.number, "not_planned")

    async def _clear(self, row: IssueRow) -> None:
        """Take away what was dropped and blocks it, and one link of a ring."""
        issues = self.world.place.issues
        for blocker in list(row.blocked_by):
            if not issues[blocker].is_open and not is_completed(issues[blocker]):
                await self.unblock(row.number, blocker)
        waits = {
            str(one.number): [*map(str, (*one.blocked_by, *one.children))] for one in issues.values() if one.is_open
        }
        ring = [int(name) for name in find_ring(waits) or ()]
        links = [(one, two) for one, two in pairwise(ring) if two in issues[one].blocked_by]
        if links:
            await self.unblock(*links[0])


def _answer(record: TaskRecord) -> str:
    if waits_for_approval(record):
        return "/approve"
    if record.graph is not None and record.graph.started:
        return "/resume" if record.graph.open else "/approve"
    return "/retry"
