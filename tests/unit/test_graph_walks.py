"""Whatever happens to linked tasks, in whatever state they are: no event breaks them or moves them as none may."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.admission_events import LockDoubted, LockFreed, LockWaits
from app.domain.approvals import Question
from app.domain.effects import Send
from app.domain.events import (
    BlockersChanged,
    BlockingChanged,
    IssueClosed,
    IssueReopened,
    ParentChanged,
    SubIssuesChanged,
    TaskChecked,
)
from app.domain.facts import Permission
from app.domain.graph import Graph, NodeState
from app.domain.graph_events import (
    BlockerMoved,
    ChildMoved,
    DependentWaits,
    GraphDue,
    GraphShown,
    ParentSaid,
)
from app.domain.jobs import Purpose
from app.domain.outcomes import Outcome
from app.domain.record import TaskRecord
from app.domain.strategies.starting import MOST_RUNS
from app.domain.strategies.telling import told
from app.domain.task import TRANSITIONS, Status
from handlers.registry import HANDLERS
from tests.unit import build, families
from tests.unit.build import JOB, TASK
from tests.unit.draw import EXAMPLES, examine

PARENT, CHILD, OTHER = families.PARENT, build.task(21), build.task(7)
STATES = st.sampled_from(NodeState)
STATUSES = st.sampled_from(Status)
BLOCKERS = st.builds(
    lambda state, stuck: families.blocker(state=state, stuck=stuck), STATES, st.sampled_from(["", "?"])
)
NODES = st.builds(lambda state, status: families.node(state=state, status=status), STATES, st.none() | STATUSES)
GRAPHS = st.builds(
    lambda nodes, started, due: Graph(nodes=tuple(nodes), started=started, due=due),
    st.lists(NODES, max_size=1),
    st.booleans(),
    st.booleans(),
)
PLANS = st.sampled_from([None, families.proposal(), families.proposal(approved_by="`writer`")])
EVENTS = st.one_of(
    st.builds(ChildMoved, task=st.just(TASK), child=st.just(CHILD), state=STATES, status=st.none() | STATUSES),
    st.builds(BlockerMoved, task=st.just(TASK), blocker=st.just(OTHER), state=STATES, stuck=st.sampled_from(["", "?"])),
    st.builds(
        ParentSaid, task=st.just(TASK), parent=st.just(PARENT), word=st.sampled_from(["stop", "resume", "cancel"])
    ),
    st.builds(
        ParentChanged, task=st.just(TASK), parent=st.just(PARENT), actor=st.just(build.WRITER), added=st.booleans()
    ),
    st.builds(LockWaits, task=st.just(TASK), job_id=st.just(JOB.id), holder=st.just(3), path=st.just("src")),
    st.builds(
        SubIssuesChanged, task=st.just(TASK), child=st.just(CHILD), actor=st.just(build.WRITER), added=st.booleans()
    ),
    st.sampled_from(
        [
            GraphDue(task=TASK),
            GraphShown(task=TASK),
            DependentWaits(task=TASK, dependent=OTHER),
            LockFreed(task=TASK, job_id=JOB.id),
            LockDoubted(task=TASK),
            BlockersChanged(task=TASK, actor=build.WRITER),
            BlockingChanged(task=TASK, actor=build.WRITER, blocked=OTHER),
            TaskChecked(task=TASK),
            build.labeled(),
            build.labeled("plan"),
            build.unlabeled("orch"),
            IssueClosed(task=TASK, actor=build.WRITER, labels=("orch",), blocking=1, parent=5, again=True),
            IssueReopened(task=TASK, actor=build.WRITER, labels=("orch",)),
            build.finished(build.result(Outcome.PLANNED, plan=families.plan())),
            *(build.commented(f"/{word}") for word in ("approve", "deny no", "plan", "plan more", "retry", "resume")),
            *(build.commented(f"/{word}") for word in ("stop", "cancel", "ok-to-run", "why", "orch")),
            build.commented("@orch please"),
        ]
    ),
)


@st.composite
def records(draw: st.DrawFn) -> TaskRecord:
    planned, status = draw(st.booleans()), draw(STATUSES)
    asked = [None, Question(key="k", text="?", at=build.NOW)] if status is Status.NEEDS_REVIEW else [None]
    return build.record(
        status,
        purpose=draw(st.sampled_from(Purpose)),
        job_id=draw(st.sampled_from([JOB.id, None])),
        plan=draw(PLANS) if planned else None,
        graph=draw(GRAPHS) if planned else None,
        blockers=tuple(draw(st.lists(BLOCKERS, max_size=1))),
        parent=draw(st.sampled_from([None, PARENT])),
        dependents=(OTHER,),
        locks=draw(st.sampled_from([(), ("src",)])),
        held=draw(st.booleans()),
        halted=draw(st.booleans()),
        left_open=draw(st.booleans()),
        pull=draw(st.sampled_from([None, 30])),
        asked=draw(st.sampled_from(asked)),
        runs=draw(st.sampled_from([(), (build.summary(outcome=Outcome.PLANNED),), (build.summary(),) * MOST_RUNS])),
    )


@settings(examine, max_examples=2 * EXAMPLES)
@given(
    record=records(), event=EVENTS, is_open=st.booleans(), autonomy=st.sampled_from(["manual", "checkpoint", "full"])
)
def test_no_event_breaks_a_linked_task(record: TaskRecord, event: Any, is_open: bool, autonomy: str) -> None:
    policy = build.POLICY.model_copy(update={"autonomy": autonomy})
    snapshot = build.snapshot(
        record,
        build.issue("orch", is_open=is_open),
        Permission.WRITE,
        policy=policy,
        blockers=(),
        children=(),
    )
    decision = HANDLERS[type(event)].decide(event, snapshot)
    after = decision.record
    if not isinstance(after, TaskRecord) or after.status is record.status:
        return
    assert _may_follow(record.status, after.status)
    assert all(isinstance(effect, Send) for effect in told(record, after))


def _may_follow(before: Status, after: Status) -> bool:
    """Say whether one or two steps lead from one status to the other."""
    steps = {was: {to for (one, _), to in TRANSITIONS.items() if one is was} for was in Status}
    return after in steps[before] or any(after in steps[one] for one in steps[before])
