"""Taking a task on, or up again: whose text is followed from now on, who works on it, what it waits for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.blocked import is_planned
from app.domain.effects import (
    AddLabel,
    Decision,
    Effect,
    KeepText,
    Send,
)
from app.domain.events import (
    BlockersChanged,
    Refresh,
)
from app.domain.facts import Actor
from app.domain.front_matter import MARK
from app.domain.graph import Blocker, read_blockers
from app.domain.instructions import Instruction, with_new
from app.domain.jobs import Purpose
from app.domain.life import has_open_pull
from app.domain.names import TaskRef, branch_of, digest_of
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.strategies.choosing import ask, choose, chosen, must_ask, say_chosen
from app.domain.strategies.declaring import declare
from app.domain.strategies.starting import begin, drop_unfinished, keep_said
from app.domain.task import Status
from app.domain.untrusted import was_hidden


@dataclass(frozen=True, slots=True)
class Request:
    """What a person who may asked for: the issue's text as it was then, and what he said besides.

    `how` says by what he asked, for people; `label` is the trigger, which is put on if `puts_on`. `question` says that
    an answer may be all that is wanted. Without a `purpose`, that of the work under way counts. `digest` is that of a
    text that is kept already, `more` what else is known of the task.
    """

    task: TaskRef
    actor: Actor
    title: str
    body: str
    how: str
    label: str
    puts_on: bool = False
    question: bool = False
    said: tuple[tuple[Instruction, str], ...] = ()
    purpose: Purpose | None = None
    digest: str | None = None
    more: Mapping[str, object] = field(default_factory=dict)

    @property
    def text_digest(self) -> str:
        return self.digest or digest_of(self.title, self.body)


def admit(request: Request, snapshot: Snapshot) -> Decision:
    """Take a task on, or take it up again: choose the agent, keep the text, ask for a slot, or for advice first."""
    known = (snapshot.record or _new(request, snapshot)).change(**request.more).change(title=request.title)
    known, remarks = declare(known, request.body, snapshot)
    is_new = request.text_digest != known.admitted
    by = choose(known, snapshot)
    dropped = drop_unfinished(known) if is_new else ()
    record = chosen(known, by).change(unfinished=None if dropped else known.unfinished)
    purpose = request.purpose or (known.purpose if has_open_pull(known) and not is_new else Purpose.WORK)
    changes = {
        **_admitted(request, record, snapshot),
        "remarks": (*by.remarks, *remarks, *_hidden(request)),
        **request.more,
    }
    if must_ask(record, snapshot):
        routed, effects = ask(record.change(purpose=purpose, **changes), snapshot)
    else:
        routed, effects = begin(record, snapshot, say_chosen(record, snapshot), purpose=purpose, changes=changes)
    text = KeepText(digest=request.text_digest, title=request.title, body=request.body)
    kept = (*(() if request.digest else (text,)), *keep_said(request.said))
    label = (AddLabel(task=request.task, label=request.label),) if request.puts_on else ()
    shown = Send(event=Refresh(task=request.task), delay=snapshot.policy.settle)
    look = _look_at_blockers(request, routed, snapshot)
    return Decision(
        f"{request.actor.login} asked for it {request.how}", routed, (*kept, *label, *dropped, *look, *effects, shown)
    )


def _look_at_blockers(request: Request, record: TaskRecord, snapshot: Snapshot) -> tuple[Effect, ...]:
    """Have links read that were made since it was told what blocks the issue: what told of them met no task then."""
    issue = snapshot.issue
    if snapshot.blockers is not None or issue is None or (issue.blocked_by or 0) <= len(record.blockers):
        return ()
    return (Send(event=BlockersChanged(task=request.task, actor=request.actor)),)


def _admitted(request: Request, record: TaskRecord, snapshot: Snapshot) -> dict[str, object]:
    """Return what changes in the record with the text that is to be followed from now on."""
    digest, issue = request.text_digest, snapshot.issue
    fresh = {"answers": (), "first_attempt": record.attempt + 1} if digest != record.admitted else {}
    return {
        "task": request.task,
        "admitted": digest,
        "edited": issue is not None and digest_of(issue.title, issue.body) != digest,
        "label": request.label,
        "head_sha": snapshot.head,
        "own_head": snapshot.head is None or snapshot.head in record.own_heads,
        "requested_by": request.actor.login,
        "requested_by_id": request.actor.id,
        "question": request.question,
        "commented": record.attempt > 0 or issue is None or issue.comments > 0,
        "instructions": with_new(record.instructions, *(one for one, _ in request.said)),
        "blockers": _blockers(record, snapshot),
        "held": False,
        **({} if request.purpose is Purpose.PLAN and not is_planned(record) else {"plan": None, "graph": None}),
        **fresh,
    }


def _new(request: Request, snapshot: Snapshot) -> TaskRecord:
    return TaskRecord(
        task=request.task,
        title=request.title,
        status=Status.NEW,
        why="",
        attempt=0,
        agent=snapshot.policy.agents[0],
        requested_by=request.actor.login,
        requested_by_id=request.actor.id,
        admitted=request.text_digest,
        branch=branch_of(request.task.number, request.title, snapshot.policy.branch_prefix),
        created_at=snapshot.now,
    )


def _hidden(request: Request) -> tuple[str, ...]:
    if request.digest or not was_hidden(f"{request.title}\n\n{MARK.sub('', request.body, 1)}"):
        return ()
    return (
        "The issue holds text that its readers do not see (comments in HTML, invisible characters, hidden attributes). "
        "It was taken out of what the agent is told.",
    )


def _blockers(known: TaskRecord, snapshot: Snapshot) -> tuple[Blocker, ...]:
    """Return what blocks the task, as GitHub says now if it was asked."""
    return known.blockers if snapshot.blockers is None else read_blockers(snapshot.blockers, known.blockers)
