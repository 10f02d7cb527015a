"""Choosing who works on a task: at once, or after a model was asked; and who goes on where a provider takes no more."""

from app.domain.comment import describe_agent
from app.domain.config import RepoFile, Resolved, resolve
from app.domain.effects import AskRouter, Decision, Effect, nothing
from app.domain.record import TaskRecord
from app.domain.routing import Facts, Route, describe_wait, needs_advice, route
from app.domain.routing_events import TaskRouted
from app.domain.snapshot import Snapshot
from app.domain.strategies.starting import SHOW, begin, show_soon
from app.domain.task import Status

ASKED = "Orch asks a model which agent is to work on it, and goes on without an answer if there is none."


def layers(snapshot: Snapshot) -> Resolved:
    """Return the layers up to the repository's configuration, as far as that was read."""
    return snapshot.config or resolve(snapshot.policy, RepoFile())


def choose(record: TaskRecord, snapshot: Snapshot) -> Route:
    """Choose who works on the task, by its title and labels of now."""
    return route(layers(snapshot), _facts(record, snapshot), snapshot.now, snapshot.pool, record.advice)


def _facts(record: TaskRecord, snapshot: Snapshot) -> Facts:
    planned = record.parent is not None
    return Facts(
        title=record.title,
        labels=snapshot.issue.labels if snapshot.issue else frozenset(),
        paths=record.locks,
        choice=record.choice,
        complexity=record.complexity if planned else None,
        role=record.role if planned else None,
        priority=record.asked_priority,
    )


def chosen(record: TaskRecord, by: Route) -> TaskRecord:
    """Return the record with what was chosen."""
    return record.change(
        agent=by.agent,
        model=by.model,
        complexity=by.complexity,
        role=by.role,
        priority=by.priority,
        chosen=by.why,
        named=by.named,
    )


def say_chosen(record: TaskRecord, snapshot: Snapshot) -> str:
    """Say for people who was chosen and why, and what the task waits for."""
    waits = describe_wait(record.agent, snapshot.pool, snapshot.now) or "the task waits for a runner"
    return f"Agent {describe_agent(record)} was chosen {record.chosen}; {waits}."


def must_ask(record: TaskRecord, snapshot: Snapshot) -> bool:
    """Say whether a model is to be asked first: once, while the task is new."""
    is_new = record.status is Status.NEW and record.advice is None
    return is_new and needs_advice(layers(snapshot), _facts(record, snapshot))


def ask(record: TaskRecord, snapshot: Snapshot) -> tuple[TaskRecord, tuple[Effect, ...]]:
    """Have a model asked; the task goes on with what it says, or with that it said nothing."""
    agents = snapshot.policy.agents
    free = snapshot.pool.free(agents, snapshot.now) or agents
    question = AskRouter(task=record.task, digest=record.admitted, agents=free)
    return record.change(why=ASKED), (*SHOW, question)


def take_advice(event: TaskRouted, snapshot: Snapshot) -> Decision:
    """Begin a new task now that a model was asked; one that moved on meanwhile only remembers what it said."""
    record = snapshot.record
    if record is None or record.admitted != event.digest or record.advice is not None:
        return nothing("nobody waits for this advice")
    advised = record.change(advice=event.advice)
    if record.status is not Status.NEW:
        return Decision("the task moved on without the advice", advised)
    by = choose(advised, snapshot)
    named = chosen(advised, by)
    remarks = tuple(dict.fromkeys((*record.remarks, *by.remarks)))
    kept: dict[str, object] = {"commented": record.commented, "remarks": remarks}
    why = say_chosen(named, snapshot)
    routed, effects = begin(named, snapshot, why, purpose=record.purpose, changes=kept)
    return Decision(why, routed, (*effects, *show_soon(routed, snapshot)))


def ask_again(record: TaskRecord, snapshot: Snapshot) -> Decision | None:
    """Ask once more where a new task waits for an answer that nobody knows of any more."""
    if record.status is not Status.NEW or record.advice is not None:
        return None
    asked, effects = ask(record, snapshot)
    return Decision("the advice on a new task was lost", asked, effects)
