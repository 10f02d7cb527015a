"""From a large issue to its sub-issues: an agent plans, a person agrees, Orch creates."""

from decimal import Decimal

from app.domain.effects import AddComment, CreateChild, Decision, Effect, KeepText, LinkChild, Send
from app.domain.events import RunFinished, WorkspaceExpired
from app.domain.graph import Graph
from app.domain.graph_events import GraphDue
from app.domain.instructions import Instruction, with_new
from app.domain.jobs import Purpose
from app.domain.ledger import Ledger
from app.domain.names import digest_of
from app.domain.plan import Plan
from app.domain.proposal import Item, Proposal, propose
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.strategies.starting import SHOW, begin, keep_said, show_soon
from app.domain.task import Trigger

BY_ITSELF = "the setting `autonomy: full`"
WAITS = (
    "The plan waits for a person with write access: `/approve` creates the sub-issues, `/deny REASON` has it planned "
    "anew, `/plan CHANGE` has it changed. A box that is unticked drops its sub-issue."
)


def planned(
    event: RunFinished, plan: Plan, record: TaskRecord, first: tuple[Effect, ...], snapshot: Snapshot
) -> Decision:
    """Propose what a planning run made, or create it at once where nobody is to be asked."""
    body = plan.model_dump_json()
    digest = digest_of("", body)
    kept = KeepText(digest=digest, title="", body=body)
    proposed = record.change(plan=_estimated(propose(plan, digest), record, snapshot))
    if snapshot.policy.autonomy == "full":
        created = create(proposed, BY_ITSELF)
        return Decision(created.why, created.record, (*first, kept, *created.effects))
    parked = proposed.advance(Trigger.PARK, WAITS)
    call = AddComment(task=record.task, key=f"planned-{event.run_id}", body=_call(len(plan.children)))
    expired = WorkspaceExpired(task=record.task, attempt=record.attempt)
    tidy = Send(event=expired, delay=max(snapshot.policy.keep_failed, 1))
    return Decision("the agent made a plan", parked, (*first, kept, *SHOW, call, tidy))


def _estimated(plan: Proposal, record: TaskRecord, snapshot: Snapshot) -> Proposal:
    """Add up what runs like those that are proposed cost so far; unknown as soon as that of one is."""
    ledger = snapshot.ledger or Ledger()
    costs = [_cost_of(item, item.agent or record.agent, ledger) for item in plan.items]
    known = [cost for cost in costs if cost is not None]
    return plan.model_copy(update={"estimate": sum(known, Decimal(0)) if len(known) == len(costs) else None})


def _cost_of(item: Item, agent: str, ledger: Ledger) -> Decimal | None:
    by_complexity = ledger.estimate(agent, item.complexity)
    return by_complexity if by_complexity is not None else ledger.estimate(agent)


def _call(count: int) -> str:
    return f"The agent proposes {count} sub-issues; Orch's comment above shows them. {WAITS}"


def create(record: TaskRecord, by: str) -> Decision:
    """Create what the plan keeps, one after the other; what is there already stays."""
    assert record.plan is not None
    plan = record.plan.model_copy(update={"approved_by": by})
    graph = record.graph or Graph()
    why = f"{by} approved the plan; {len(plan.kept)} sub-issues are being created."
    approved = record.change(plan=plan, graph=graph).advance(Trigger.BLOCK, why, job_id=None)
    return Decision(f"{by} approved the plan", approved, (*SHOW, *creation(approved, looks=False)))


def creation(record: TaskRecord, *, looks: bool) -> tuple[Effect, ...]:
    """List what creates the sub-issues that are not known to be there, links them, and starts them then."""
    assert record.plan is not None
    there = {node.key for node in record.graph.nodes if node.key} if record.graph else set[str]()
    kept = record.plan.kept
    missing = (CreateChild(key=item.key, looks=looks) for item in kept if item.key not in there)
    links = (LinkChild(key=item.key, after=after) for item in kept for after in item.depends_on)
    return (*missing, *links, Send(event=GraphDue(task=record.task)))


def is_created(record: TaskRecord) -> bool:
    """Say whether all that was approved is there and was started."""
    return record.graph is not None and record.graph.started


def plan_again(record: TaskRecord, snapshot: Snapshot, why: str, said: tuple[tuple[Instruction, str], ...]) -> Decision:
    """Have it planned anew, or changed, by what a person says of the plan there is."""
    told = with_new(record.instructions, *(one for one, _ in said))
    routed, effects = begin(record, snapshot, why, purpose=Purpose.PLAN, changes={"instructions": told})
    return Decision(why, routed, (*keep_said(said), *effects, *show_soon(routed, snapshot)))
