"""What each command does to a task. Every function is pure; what cannot be done is answered with what can."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from app.domain import life
from app.domain.approvals import Answer, Question, with_answer
from app.domain.blocked import is_planned, waits_for_approval
from app.domain.choice import Choice
from app.domain.commands import Command, Word
from app.domain.effects import AddLabel, RemoveLabel, Send, ShowLog, UpdateBranch, UpsertComment
from app.domain.events import Commented, PullDue
from app.domain.explaining import describe_leave, describe_why
from app.domain.grants import Stop
from app.domain.instructions import waiting, with_new
from app.domain.jobs import Purpose
from app.domain.layers import BY_COMMAND
from app.domain.outcomes import Outcome
from app.domain.record import MergeWish, TaskRecord
from app.domain.strategies import family
from app.domain.strategies.listening import (
    REOPEN,
    Scene,
    Step,
    as_asked,
    begun,
    is_open,
    step_of,
    take_up,
    was_merged,
)
from app.domain.strategies.plan_commands import approve_plan, change_plan, check_again, deny_plan, no, said_with
from app.domain.strategies.starting import SHOW, begin, keep_said, resume, show_soon
from app.domain.task import AT_WORK, Status, Trigger, can
from app.domain.text import one_line

CLOSED = "the issue is closed; reopen it first."
Obey = Callable[[Command, TaskRecord, Scene], Step]


def obey(command: Command, record: TaskRecord | None, scene: Scene) -> Step:
    """Do what a command says, or say why that cannot be done."""
    if record is None:
        return _without_task(command, scene)
    return _OBEY[command.word](command, record, scene)


def _without_task(command: Command, scene: Scene) -> Step:
    match command.word:
        case Word.ORCH:
            return Step(None, reply=describe_leave(None, scene.event.actor, scene.snapshot))
        case Word.WHY:
            return Step(None, reply=describe_why(None, scene.snapshot))
        case Word.OK_TO_RUN | Word.PLAN:
            return _admit(command, None, scene)
        case _:
            label = scene.snapshot.policy.trigger
            why = f"this issue is no task of Orch's. The label `{label}`, or `/ok-to-run`, makes it one."
            return no(None, command, why)


def _orch(command: Command, record: TaskRecord, scene: Scene) -> Step:
    return Step(record, reply=describe_leave(record, scene.event.actor, scene.snapshot))


def _why(command: Command, record: TaskRecord, scene: Scene) -> Step:
    return Step(record, reply=describe_why(record, scene.snapshot))


def _log(command: Command, record: TaskRecord, scene: Scene) -> Step:
    run = record.run_id or (record.runs[-1].run_id if record.runs else None)
    if run is None:
        return no(record, command, "the task had no run yet.")
    place = record.task.model_copy(update={"number": scene.event.pull or record.task.number})
    return Step(record, (ShowLog(task=place, key=f"log-{scene.event.comment_id}", run_id=run),))


def _admit(command: Command, record: TaskRecord | None, scene: Scene) -> Step:
    """Take the issue up with its text of this moment, which the comment's own webhook tells."""
    event, snapshot = scene.event, scene.snapshot
    if event.title is None or event.text is None:
        return no(record, command, "say it (again) on the issue itself, whose text of that moment is followed.")
    if not is_open(snapshot):
        return no(record, command, CLOSED)
    plans = command.word is Word.PLAN or (record is not None and record.purpose is Purpose.PLAN)
    purpose = Purpose.PLAN if plans else None
    return take_up(scene, record, f"with `/{command.word.value}`", said_with(command, scene), purpose=purpose)


def _ok_to_run(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if not record.status.is_final or was_merged(record):
        return no(record, command, f"the task is `{record.status.value}` already.")
    return _admit(command, record, scene)


def _retry(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if record.status in AT_WORK:
        return no(record, command, "an agent is at work on it. `/stop` ends that first.")
    if was_merged(record):
        return no(record, command, f"the task is done with pull request #{record.pull}. {REOPEN}")
    if is_planned(record) and not record.status.is_final:
        return check_again(command, record, scene)
    step = _retry_parked(command, _chosen(command, record), scene)
    return step if step.done else replace(step, record=record)


def _retry_parked(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if record.status is Status.IN_REVIEW:
        return _once_more(command, record, scene)
    if scene.event.title is not None:
        return _admit(command, record.change(rounds=0), scene)
    if record.status.is_final and not record.left_open:
        return no(record, command, CLOSED)
    return _again(command, record, scene)


def _chosen(command: Command, record: TaskRecord) -> TaskRecord:
    """Remember what agent and model the command names; the agent alone leaves the model to its own default."""
    if command.agent is None and command.model is None:
        return record
    agent = command.agent or record.choice.agent
    return record.change(choice=Choice(agent=agent, model=command.model))


def _once_more(command: Command, record: TaskRecord, scene: Scene) -> Step:
    """Rework the open pull request by what is said behind the command."""
    said = said_with(command, scene)
    if not said:
        return no(record, command, "its pull request waits for review. Say what is to be different: `/retry TEXT`.")
    why = f"{scene.by} asked for another round."
    told = with_new(record.instructions, *(one for one, _ in said))
    changed, effects = begin(
        record,
        scene.snapshot,
        why,
        purpose=Purpose.REWORK,
        rounds=1,
        changes={"instructions": told, **_worker(record, scene)},
    )
    return begun(changed, (*keep_said(said), *effects, *show_soon(changed, scene.snapshot)))


def _again(command: Command, record: TaskRecord, scene: Scene) -> Step:
    """Begin another attempt at the text that is followed already."""
    said = said_with(command, scene)
    told = with_new(record.instructions, *(one for one, _ in said))
    why = f"{scene.by} asked for another attempt; the task waits for a runner."
    changed, effects = begin(
        record, scene.snapshot, why, purpose=record.purpose, changes={"instructions": told, **_worker(record, scene)}
    )
    return begun(changed, (*keep_said(said), *effects, *show_soon(changed, scene.snapshot)))


def _worker(record: TaskRecord, scene: Scene) -> dict[str, object]:
    """Return what changes with the agent or the model that a person named."""
    choice = record.choice
    if choice.agent is None:
        return {"model": choice.model} if choice.model else {}
    model = choice.model or scene.snapshot.policy.router.model_of(choice.agent, record.complexity)
    return {"agent": choice.agent, "model": model, "named": True, "chosen": BY_COMMAND}


def _stop(command: Command, record: TaskRecord, scene: Scene) -> Step:
    return _halt(command, record, scene, Stop.KEEP, "stopped it")


def _pause(command: Command, record: TaskRecord, scene: Scene) -> Step:
    return _halt(command, record, scene, Stop.TURN, "paused it")


def _halt(command: Command, record: TaskRecord, scene: Scene, how: Stop, did: str) -> Step:
    if record.status is Status.PAUSED and record.stopping and record.stop_keeps and how is Stop.KEEP:
        hurried = record.change(notice=f"{scene.by} {did}, without waiting for the end of its turn.")
        return Step(hurried, (*life.stop(record, how), UpsertComment()))
    if not can(record.status, Trigger.PAUSE):
        return no(record, command, f"nothing is under way: the task is `{record.status.value}`.")
    when = " The agent comes to the end of its turn first." if how is Stop.TURN and record.run_id else ""
    why = f"{scene.by} {did}.{when} `/resume` goes on with it, in the same session where the agent can."
    paused = record.advance(Trigger.PAUSE, why, **{**life.stopped(record), "stop_keeps": True})
    return Step(paused, (*life.stop(record, how), *SHOW))


def _resume(command: Command, record: TaskRecord, scene: Scene) -> Step:
    """Go on, and put the label on again that somebody took off: without it, the next look would stop the task."""
    step, issue = _go_on(command, record, scene), scene.snapshot.issue
    moved = step.record is not None and step.record.status is not record.status
    if not moved or not record.label or issue is None or life.has_label(issue, record.label):
        return step
    return replace(step, effects=(AddLabel(task=record.task, label=record.label), *step.effects))


def _go_on(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if record.status not in (Status.PAUSED, Status.NEEDS_REVIEW):
        return no(record, command, f"the task is `{record.status.value}`, so there is nothing to go on with.")
    if not life.must_have_ended(record, scene.snapshot.now):
        ending = "its run is still coming to its end. Say it again when that is over; `/retry` begins anew at once."
        return no(record, command, ending)
    if record.asked:
        return no(record, command, "the agent waits for an answer. Say `/approve` or `/deny REASON`.")
    if is_planned(record):
        return as_asked(family.resume_whole(record, scene.snapshot, f"{scene.by} had it go on."))
    said = said_with(command, scene)
    told = with_new(record.instructions, *(one for one, _ in said))
    with_said = record.change(instructions=told, held=False, halted=False)
    if _only_review(with_said):
        why = f"Pull request #{record.pull} waits for review."
        return Step(with_said.advance(Trigger.REVIEW, why), SHOW)
    decision = resume(
        with_said.change(rounds=0), scene.snapshot, f"{scene.by} had it go on; the task waits for a runner."
    )
    return step_of(decision, *keep_said(said))


def _only_review(record: TaskRecord) -> bool:
    """Say whether nothing was under way but the review of an open pull request."""
    delivered = not record.runs or record.runs[-1].outcome in (Outcome.DELIVERED, Outcome.ANSWERED, Outcome.REVIEWED)
    return life.has_open_pull(record) and delivered and not waiting(record.instructions)


def _cancel(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if not can(record.status, Trigger.CANCEL):
        return no(record, command, f"the task is `{record.status.value}` already.")
    left = f" Pull request #{record.pull} stays open: merge or close it yourself." if life.has_open_pull(record) else ""
    why = f"{scene.by} cancelled the task.{left} `/retry` takes it up again."
    ended = record.advance(Trigger.CANCEL, why, **life.stopped(record), left_open=True)
    off = (RemoveLabel(task=record.task, label=record.label),) if record.label else ()
    return Step(ended, (*life.stop(record), *off, *life.tidy(record), *SHOW))


def _approve(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if command.amount is not None:
        return _allow(command, record, scene, command.amount)
    if record.plan is not None and not record.asked:
        return approve_plan(command, record, scene)
    return _answered(command, record, scene, allowed=True)


def _allow(command: Command, record: TaskRecord, scene: Scene, amount: Decimal) -> Step:
    """Let the task spend so much more, whatever cap stands against it, and go on if that is what it waited for."""
    if record.status.is_final:
        return no(record, command, f"the task is `{record.status.value}`.")
    allowed = record.change(allowance=(record.allowance or Decimal(0)) + amount)
    why = f"{scene.by} let it spend ${amount:.2f} more"
    last = record.runs[-1].outcome if record.runs else None
    if record.status is Status.NEEDS_REVIEW and last is Outcome.BUDGET_SPENT and not record.asked:
        decision = resume(allowed, scene.snapshot, f"{why}; the task waits for a runner.")
        assert isinstance(decision.record, TaskRecord)
        return Step(decision.record, decision.effects)
    return Step(allowed.change(notice=f"{why}, beyond the caps, from the next run on."), (UpsertComment(),))


def _deny(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if waits_for_approval(record):
        return deny_plan(command, record, scene)
    return _answered(command, record, scene, allowed=False)


def _answered(command: Command, record: TaskRecord, scene: Scene, *, allowed: bool) -> Step:
    question = _question_before(scene.event, record)
    if question is None:
        return no(record, command, f"nothing waits for it here: the task is `{record.status.value}`.")
    answer = Answer(key=question.key, text=question.text, allowed=allowed, reason=one_line(command.text))
    known = record.change(answers=with_answer(record.answers, answer))
    did = "allowed" if allowed else "refused"
    why = f"{scene.by} {did} what the agent asked for; the task waits for a runner."
    decision = resume(known, scene.snapshot, why)
    return step_of(decision)


def _question_before(event: Commented, record: TaskRecord) -> Question | None:
    """Return what the task waits with, if the comment can be about it: GitHub's clock counts whole seconds."""
    asked = record.asked
    return asked if asked and event.written_at >= asked.at.replace(microsecond=0) else None


def _agent(command: Command, record: TaskRecord, scene: Scene) -> Step:
    chosen = _chosen(command, record)
    when = "from the next attempt on; the one under way is not touched" if record.status in AT_WORK else "from now on"
    notice = f"{scene.by} chose the agent `{command.agent}`, {when}."
    now = {} if record.status in AT_WORK else _worker(chosen, scene)
    return Step(chosen.change(notice=notice, **now), (UpsertComment(),))


def _review(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if record.status is not Status.IN_REVIEW or not life.has_open_pull(record):
        return no(record, command, f"there is no open pull request in review: the task is `{record.status.value}`.")
    said = said_with(command, scene)
    told = with_new(record.instructions, *(one for one, _ in said))
    why = f"{scene.by} asked for a review by the agent."
    changed, effects = begin(
        record,
        scene.snapshot,
        why,
        purpose=Purpose.REVIEW,
        rounds=record.rounds,
        changes={"instructions": told, "reviewer": Choice(agent=command.agent, model=command.model)},
    )
    return begun(changed, (*keep_said(said), *effects, *show_soon(changed, scene.snapshot)))


def _rebase(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if record.status is not Status.IN_REVIEW or record.pull is None or record.head_sha is None:
        return no(record, command, f"there is no open pull request in review: the task is `{record.status.value}`.")
    update = UpdateBranch(pull=record.pull, sha=record.head_sha)
    return Step(
        record.change(notice=f"{scene.by} asked for the base branch to be brought in."), (update, UpsertComment())
    )


def _merge(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if record.status is not Status.IN_REVIEW or not life.has_open_pull(record):
        return no(record, command, f"there is no open pull request in review: the task is `{record.status.value}`.")
    wish = MergeWish(by=one_line(scene.event.actor.login))
    return Step(record.change(merge=wish), (Send(event=PullDue(task=record.task)),))


def _plan(command: Command, record: TaskRecord, scene: Scene) -> Step:
    if is_planned(record):
        return no(record, command, "its sub-issues are there: add, close or link them on GitHub as you like.")
    if waits_for_approval(record):
        return change_plan(command, record, scene)
    if record.status in (*AT_WORK, Status.IN_REVIEW, Status.BLOCKED):
        return no(record, command, f"the task is `{record.status.value}`. `/stop` or `/cancel` ends that first.")
    if was_merged(record):
        return no(record, command, f"the task is done with pull request #{record.pull}. {REOPEN}")
    return _admit(command, record, scene)


_OBEY: Mapping[Word, Obey] = {
    Word.ORCH: _orch,
    Word.WHY: _why,
    Word.LOG: _log,
    Word.RETRY: _retry,
    Word.STOP: _stop,
    Word.PAUSE: _pause,
    Word.RESUME: _resume,
    Word.CANCEL: _cancel,
    Word.APPROVE: _approve,
    Word.DENY: _deny,
    Word.AGENT: _agent,
    Word.REVIEW: _review,
    Word.REBASE: _rebase,
    Word.MERGE: _merge,
    Word.OK_TO_RUN: _ok_to_run,
    Word.PLAN: _plan,
}
