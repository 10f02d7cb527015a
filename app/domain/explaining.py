"""What Orch says when it is asked: what somebody may do here now, and why a task stands where it does."""

from collections.abc import Sequence
from datetime import datetime

from app.domain.approvals import describe_question
from app.domain.blocked import acts_next, describe_children
from app.domain.commands import COMMANDS, CommandKind, Word
from app.domain.comment import describe_agent
from app.domain.facts import Actor
from app.domain.graph import Graph
from app.domain.instructions import waiting
from app.domain.powers import refusal
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.task import AT_WORK, Status
from app.domain.text import one_line

DECISIONS_SHOWN = 10
_PARKED = (Status.NEEDS_REVIEW, Status.PAUSED)
_POSSIBLE: dict[Word, tuple[Status, ...]] = {
    Word.STOP: (*AT_WORK, Status.IN_REVIEW, Status.BLOCKED),
    Word.PAUSE: (*AT_WORK, Status.IN_REVIEW, Status.BLOCKED),
    Word.RESUME: _PARKED,
    Word.RETRY: (*_PARKED, Status.DONE, Status.CANCELLED, Status.IN_REVIEW, Status.BLOCKED),
    Word.CANCEL: (*AT_WORK, Status.IN_REVIEW, *_PARKED, Status.BLOCKED),
    Word.PLAN: (*_PARKED, Status.DONE, Status.CANCELLED),
    Word.APPROVE: (Status.NEEDS_REVIEW,),
    Word.DENY: (Status.NEEDS_REVIEW,),
    Word.REVIEW: (Status.IN_REVIEW,),
    Word.REBASE: (Status.IN_REVIEW,),
    Word.MERGE: (Status.IN_REVIEW,),
    Word.OK_TO_RUN: (),
}
"""Where a command means something; one that is not named means something everywhere."""
_WITHOUT_TASK = (Word.ORCH, Word.WHY, Word.OK_TO_RUN, Word.PLAN)


def describe_leave(record: TaskRecord | None, actor: Actor, snapshot: Snapshot) -> str:
    """List the commands that mean something here now and that somebody may use."""
    kinds = [kind for kind in COMMANDS.values() if _means_something(kind, record)]
    may = [kind for kind in kinds if refusal(kind.power, actor, snapshot.standing, snapshot.policy) is None]
    head = "This issue is no task of Orch's." if record is None else _stands(record)
    rows = "\n".join(f"| `{kind.shown}` | {kind.help} | `{kind.example or kind.shown}` |" for kind in may)
    parts = [head, f"| what you may say now, `{actor.login}` | what it does | example |\n| --- | --- | --- |\n{rows}"]
    asked = {power for kind in kinds for power in kind.powers}
    refused = {refusal(power, actor, snapshot.standing, snapshot.policy) for power in asked}
    parts += [f"Not all is allowed: {why}." for why in sorted(filter(None, refused))]
    if record is None or record.status.is_final:
        label, name = snapshot.policy.trigger, snapshot.identity.slug
        parts.append(
            f"To have Orch work on it, a person with write access puts the label `{label}` on, or mentions `{name}`."
        )
    return "\n\n".join(parts)


def _stands(record: TaskRecord) -> str:
    return f"The task is `{record.status.value}`. {record.why}"


def _means_something(kind: CommandKind, record: TaskRecord | None) -> bool:
    if record is None:
        return kind.word in _WITHOUT_TASK
    possible = kind.word not in _POSSIBLE or record.status in _POSSIBLE[kind.word]
    graph = record.graph
    return possible and (graph is None or not graph.started or _concerns_whole(kind.word, record, graph))


def _concerns_whole(word: Word, record: TaskRecord, graph: Graph) -> bool:
    """Say whether a command means something for a task whose sub-issues do the work."""
    if word in (Word.RETRY, Word.APPROVE):
        return record.status.is_final or (record.status is Status.NEEDS_REVIEW and not graph.open)
    return word not in (Word.PLAN, Word.DENY)


def describe_why(record: TaskRecord | None, snapshot: Snapshot) -> str:
    """Say where a task stands, why, who acts next, and what was decided last."""
    if record is None:
        return (
            "This issue is no task of Orch's: nobody with write access put the label "
            f"`{snapshot.policy.trigger}` on, or Orch was not running then."
        )
    parts = [_stands(record), f"Who acts next: {acts_next(record)}."]
    parts += [record.notice] if record.notice else []
    if record.asked:
        parts.append(describe_question(record.asked))
    parts += _details(record)
    if snapshot.decisions:
        parts.append(_last(snapshot.decisions))
    return "\n\n".join(parts)


def _details(record: TaskRecord) -> list[str]:
    lines = [f"Agent {describe_agent(record)}, attempt {record.tries}, round {record.rounds}."]
    lines += describe_route(record)
    if record.graph and record.graph.started:
        lines.append(describe_children(record, record.graph))
    if record.merge:
        lines.append(f"`{record.merge.by}` wants it merged. {record.merge.waits}".strip())
    if left := waiting(record.instructions):
        lines.append(
            f"Not told to the agent yet: {len(left)} by {', '.join(sorted({f'`{one.author}`' for one in left}))}."
        )
    return lines


def describe_route(record: TaskRecord) -> list[str]:
    """Say how the agent was chosen, and what is known of the way the task is done."""
    chosen = [f"That agent was chosen {record.chosen}."] if record.chosen else []
    known = {"complexity": record.complexity, "role": record.role, "priority": record.priority}
    said = ", ".join(f"{name} `{value}`" for name, value in known.items() if value and value != "normal")
    return [*chosen, *([f"It counts as: {said}."] if said else [])]


def _last(decisions: Sequence[tuple[datetime, str]]) -> str:
    lines = [f"* {at.strftime('%Y-%m-%d %H:%M:%S')} UTC: {one_line(why)}" for at, why in decisions[-DECISIONS_SHOWN:]]
    return "\n".join(["<details><summary>What was decided last</summary>\n", *lines, "\n</details>"])
