"""What people say to the agent: what a comment is as an instruction, and what follows from one."""

from dataclasses import dataclass

from app.domain import life
from app.domain.blocked import is_planned
from app.domain.effects import Decision, Effect, UpsertComment
from app.domain.events import Commented
from app.domain.instructions import MOST_WAITING, Instruction, Kind, waiting, with_new
from app.domain.jobs import Purpose
from app.domain.names import digest_of
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.strategies.admitting import Request, admit
from app.domain.strategies.starting import keep_said, resume, rework
from app.domain.task import AT_WORK, Status
from app.domain.text import one_line

REOPEN = "Reopen the issue to have more done."


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a command was said: the comment, and what was read for it."""

    event: Commented
    snapshot: Snapshot

    @property
    def by(self) -> str:
        return f"`{one_line(self.event.actor.login)}`"


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from one command; `reply` is for the person, `done` says whether it did what he asked for."""

    record: TaskRecord | None
    effects: tuple[Effect, ...] = ()
    reply: str = ""
    done: bool = True


def step_of(decision: Decision, *before: Effect) -> Step:
    """Return the step that a decision is, with what comes before it."""
    assert isinstance(decision.record, TaskRecord)
    return begun(decision.record, (*before, *decision.effects))


def as_asked(decision: Decision) -> Step:
    """Return the step that did what was asked for, to wherever it led: the living comment tells that."""
    assert isinstance(decision.record, TaskRecord)
    return Step(decision.record, decision.effects)


def begun(record: TaskRecord, effects: tuple[Effect, ...]) -> Step:
    """Say that a run was asked for, or why there is none: too many, or too many rounds."""
    if record.status in (*AT_WORK, Status.IN_REVIEW):
        return Step(record, effects)
    if record.status is Status.BLOCKED:
        return Step(record, effects, reply=record.why)
    return Step(record, effects, reply=record.notice or record.why, done=False)


def was_merged(record: TaskRecord) -> bool:
    """Say whether the task ended with its pull request."""
    return record.status is Status.DONE and life.has_open_pull(record)


def is_open(snapshot: Snapshot) -> bool:
    """Say whether the issue is there and open."""
    return snapshot.issue is not None and snapshot.issue.is_open


def instruct(event: Commented, text: str, kind: Kind) -> tuple[Instruction, str]:
    """Make an instruction of what a comment says."""
    key = f"comment-{event.comment_id}-{digest_of('', text)[:8]}"
    made = Instruction(
        key=key,
        kind=kind,
        author=event.actor.login,
        where=event.pull or event.task.number,
        digest=digest_of("", text),
        at=event.written_at,
    )
    return made, text


def take_up(
    scene: Scene,
    record: TaskRecord | None,
    how: str,
    said: tuple[tuple[Instruction, str], ...],
    *,
    question: bool = False,
    purpose: Purpose | None = None,
) -> Step:
    """Take an open issue up with its text of this moment, which the comment's own webhook tells."""
    event, snapshot = scene.event, scene.snapshot
    assert event.title is not None
    assert event.text is not None
    assert snapshot.issue is not None
    request = Request(
        task=event.task,
        actor=event.actor,
        title=event.title,
        body=event.text,
        how=how,
        label=snapshot.policy.trigger,
        puts_on=not life.has_label(snapshot.issue, snapshot.policy.trigger),
        question=question,
        said=said,
        purpose=purpose,
    )
    return step_of(admit(request, snapshot if record is None else snapshot.with_record(record)))


def hear_mention(text: str, record: TaskRecord | None, scene: Scene) -> Step:
    """Make a task of a mention, or tell the agent; with an open pull request, that is another round."""
    if record is None or (record.status.is_final and not was_merged(record)):
        return _admit_mention(text, record, scene)
    if was_merged(record):
        return Step(
            record,
            reply=f"The task is done with pull request #{record.pull}. {REOPEN}",
            done=False,
        )
    said = instruct(scene.event, text, Kind.MENTION)
    return take_in(record, scene.snapshot, said, f"{scene.by} asked for another round.")


def _admit_mention(text: str, record: TaskRecord | None, scene: Scene) -> Step:
    event, snapshot = scene.event, scene.snapshot
    if event.title is None or event.text is None:
        return Step(record, reply="Ask (again) on the issue itself, whose text of that moment is followed.", done=False)
    if not is_open(snapshot):
        return Step(record, reply="The issue is closed; reopen it, or ask on another one.", done=False)
    said = (instruct(event, text, Kind.MENTION),)
    return take_up(scene, record, "by a mention", said, question=True)


def take_in(record: TaskRecord, snapshot: Snapshot, said: tuple[Instruction, str], why: str) -> Step:
    """Keep an instruction for the agent: told at once if one is at work, by another round if a pull request is open."""
    instruction, _ = said
    if len(waiting(record.instructions)) >= MOST_WAITING:
        full = (
            f"Orch keeps {MOST_WAITING} instructions for the agent, and that many wait already; this one is not kept."
        )
        return Step(record, reply=full, done=False)
    told = with_new(record.instructions, instruction)
    kept = keep_said((said,))
    match record.status:
        case Status.IN_REVIEW:
            decision = rework(record, snapshot, why, changes={"instructions": told, "merge": None})
            return step_of(decision, *kept)
        case Status.NEEDS_REVIEW if instruction.kind is Kind.MENTION and not (record.asked or is_planned(record)):
            decision = resume(record.change(instructions=told, rounds=0), snapshot, why)
            return step_of(decision, *kept)
        case _:
            return Step(record.change(instructions=told), (*kept, *life.tell(record, instruction), UpsertComment()))
