"""What people say of plans, and of tasks that have children."""

from app.domain.blocked import waits_for_approval
from app.domain.commands import Command
from app.domain.effects import UpsertComment
from app.domain.instructions import Instruction, Kind
from app.domain.record import TaskRecord
from app.domain.strategies import family
from app.domain.strategies.listening import Scene, Step, as_asked, instruct, step_of
from app.domain.strategies.planning import create, plan_again
from app.domain.task import Status


def no(record: TaskRecord | None, command: Command, why: str) -> Step:
    """Do nothing, and say why and what is possible."""
    return Step(record, reply=f"`/{command.word.value}` did nothing: {why}", done=False)


def said_with(command: Command, scene: Scene) -> tuple[tuple[Instruction, str], ...]:
    """Return what stands behind a command as an instruction to the agent."""
    return (instruct(scene.event, command.text, Kind.COMMENT),) if command.text else ()


def approve_plan(command: Command, record: TaskRecord, scene: Scene) -> Step:
    """Create what the plan keeps; of a whole that was checked, take what is there as enough."""
    if record.graph is not None and record.graph.started:
        return _take_as_enough(command, record, scene)
    if not waits_for_approval(record) or record.plan is None:
        return no(record, command, f"no plan waits for it: the task is `{record.status.value}`.")
    if _is_newer(record, scene):
        return no(record, command, "the plan is a newer one than what it was said of. Look at it, and say it again.")
    if not record.plan.kept:
        return no(record, command, "every sub-issue of the plan is dropped. Tick one, or say `/plan CHANGE`.")
    return as_asked(create(record, scene.by))


def _is_newer(record: TaskRecord, scene: Scene) -> bool:
    """Say whether the plan was made after what was said of one; GitHub's clock counts whole seconds."""
    return record.since is not None and scene.event.written_at < record.since.replace(microsecond=0)


def drop_from_plan(keys: frozenset[str], record: TaskRecord, scene: Scene) -> Step:
    """Have just these children dropped, as their boxes are unticked; not all of them."""
    if record.plan is None or _is_newer(record, scene):
        reply = "The plan was not changed: it is a newer one than what was ticked. Look at it, and tick again."
        return Step(record, reply=reply, done=False)
    plan = record.plan.drop(keys)
    if not plan.kept:
        reply = (
            "The plan was not changed: it must keep one sub-issue. `/deny REASON` refuses it, `/cancel` ends the task."
        )
        return Step(record, reply=reply, done=False)
    notice = f"{scene.by} changed the plan: {len(plan.kept)} of {len(plan.items)} sub-issues are kept."
    return Step(record.change(plan=plan, notice=notice), (UpsertComment(),))


def _take_as_enough(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if record.status is not Status.NEEDS_REVIEW or record.graph is None or record.graph.open:
        return no(record, command, f"nothing waits for it here: the task is `{record.status.value}`.")
    return as_asked(family.complete(record, f"{scene.by} takes it as enough: all sub-issues are closed."))


def _half_created(record: TaskRecord) -> str | None:
    """Say why a plan is not to be changed any more of which some sub-issues are there."""
    made = len(record.graph.nodes) if record.graph else 0
    return f"{made} of its sub-issues are there already. `/approve` creates the rest." if made else None


def deny_plan(command: Command, record: TaskRecord, scene: Scene) -> Step:
    """Have it planned anew, by the reason that was given."""
    if why := _half_created(record):
        return no(record, command, why)
    why = f"{scene.by} refused the plan; it is made anew as soon as a runner is free."
    return step_of(plan_again(record, scene.snapshot, why, said_with(command, scene)))


def change_plan(command: Command, record: TaskRecord, scene: Scene) -> Step:
    """Have the plan changed as a person says."""
    said = said_with(command, scene)
    if not said:
        return no(record, command, "a plan waits for approval. Say what is to be different: `/plan CHANGE`.")
    if half := _half_created(record):
        return no(record, command, half)
    why = f"{scene.by} asked for a change of the plan; it is made as soon as a runner is free."
    return step_of(plan_again(record, scene.snapshot, why, said))


def check_again(command: Command, record: TaskRecord, scene: Scene) -> Step:
    """Have the whole checked again after its children are closed."""
    if record.graph is None or record.graph.open or record.status is not Status.NEEDS_REVIEW:
        return no(record, command, "it waits for its sub-issues. Say `/retry` on the one that is to be tried again.")
    return step_of(family.integrate(record, scene.snapshot))
