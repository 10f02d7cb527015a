"""A planned issue on its way to done: its plan, the graph of its children, and how all of that must have ended."""

from decimal import Decimal

from app.domain.grants import Grant
from app.domain.jobs import Job, Purpose
from app.domain.outcomes import Outcome
from app.domain.plan import Criterion, Plan, PlannedChild, Verdict
from app.domain.record import TaskRecord
from app.domain.task import Status
from tests.simulation.issues import REPOSITORY
from tests.simulation.runner import Ending, deliver
from tests.simulation.world import World

PARENT = 1
DEPENDS_ON = {"base": (), "left": ("base",), "right": ("base",), "top": ("left", "right"), "aside": ()}
PATHS = {"left": ("src/left",), "right": ("src/right",), "aside": ("src",)}
MERGED_AFTER = 3.0
COST = Decimal("0.01")
"""Of each run, in US dollars."""


def child(key: str, depends_on: tuple[str, ...] = (), paths: tuple[str, ...] = ()) -> PlannedChild:
    """Make a planned sub-issue whose title is its key."""
    return PlannedChild(
        key=key, title=key, body="To be done.", acceptance=("it is",), paths=paths, depends_on=depends_on
    )


DIAMOND = Plan(
    summary="A diamond.", children=tuple(child(key, on, PATHS.get(key, ())) for key, on in DEPENDS_ON.items())
)
MET = Verdict(summary="All is there.", criteria=(Criterion(text="it is", met=True, why="seen"),))


def plan_and_deliver(job: Job, grant: Grant) -> Ending:
    """Propose the diamond, do each of its parts, and find the whole as it should be."""
    if grant.purpose is Purpose.PLAN:
        return Ending(Outcome.PLANNED, more={"plan": DIAMOND})
    if grant.purpose is Purpose.INTEGRATION:
        return Ending(Outcome.CHECKED, more={"verdict": MET})
    return deliver(job, grant)


async def go_through(world: World, *, approved: bool) -> None:
    """Have an issue planned, approve that, and merge what comes of it; what is killed meanwhile is started again."""
    world.script, world.merges_after = plan_and_deliver, MERGED_AFTER
    await world.open_issue("A big thing", "please", ("plan",))
    await world.survive()
    if approved:
        await world.comment(PARENT, "/approve")
        await world.survive()


async def require_done(world: World) -> None:
    """Require that all was done, and everything once."""
    await _require_issues(world)
    await _require_runs(world)
    assert list(world.place.refs) == ["refs/heads/main"]
    assert await world.dead_letters() == []


async def _require_issues(world: World) -> None:
    issues = world.place.issues
    children = {issues[number].title: number for number in issues[PARENT].children}
    assert sorted(children) == sorted(DEPENDS_ON)
    assert sorted(issues) == sorted([PARENT, *children.values()])
    links = {key: sorted(issues[number].blocked_by) for key, number in children.items()}
    assert links == {key: sorted(children[one] for one in on) for key, on in DEPENDS_ON.items()}
    assert {issue.is_open for issue in issues.values()} == {False}
    assert {number: len(world.pulls_of(number)) for number in issues} == {
        PARENT: 0,
        **dict.fromkeys(children.values(), 1),
    }
    assert {len(_living(world, number)) for number in issues} == {1}
    assert {label for row in issues.values() for label in row.labels if label.startswith("status:")} == {"status:done"}


async def _require_runs(world: World) -> None:
    children = world.issue(PARENT).children
    records = {number: await the_record(world, number) for number in [PARENT, *children]}
    assert {record.status for record in records.values()} == {Status.DONE}
    purposes = {number: [run.purpose for run in record.runs] for number, record in records.items()}
    assert purposes == {PARENT: [Purpose.PLAN, Purpose.INTEGRATION], **{number: [Purpose.WORK] for number in children}}
    graph = records[PARENT].graph
    assert graph is not None
    assert [(node.number, node.status, node.runs) for node in graph.nodes] == [
        (one, Status.DONE, 1) for one in children
    ]
    await _require_costs(world, {run.run_id for record in records.values() for run in record.runs})


async def _require_costs(world: World, counted: set[str]) -> None:
    """Require that each run was paid once, also those that were lost after they had told what they cost."""
    ledger = await world.ledger()
    assert counted <= set(ledger.runs)
    assert len(ledger.runs) <= len(world.happened("run ended"))
    assert ledger.of_day(REPOSITORY.id, world.clock.now().date()) == COST * len(ledger.runs)


async def the_record(world: World, number: int) -> TaskRecord:
    record = await world.record(number)
    assert record is not None
    return record


def _living(world: World, number: int) -> list[str]:
    """List the comments that follow the work; others call a person, and are counted by their keys elsewhere."""
    return [row.body for row in world.comments_of_orch(number) if "<!-- orch:record" in row.body]
