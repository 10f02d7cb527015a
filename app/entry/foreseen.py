"""What would follow from what was missed, in words for people. Nothing of it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.domain.effects import AddLabel, Decision, Effect, RemoveLabel, Send
from app.domain.envelope import Envelope
from app.domain.events import Commented, Event, IssueLabeled, Reviewed, TaskChecked
from app.domain.record import TaskRecord
from app.domain.text import one_line
from app.process import Process

FAR = 3
"""Events that follow from one another are looked at so far."""
TEXT = 60
_FOUND: Mapping[str, str] = {
    "config_wanted": "a look at `.orch.yml`",
    "repositories_added": "a look at the labels of the repositories",
    "task_checked": "a look at the task on GitHub",
}
_THEN: Mapping[str, str] = {
    "add_comment": "write a comment",
    "answer_threads": "answer review threads",
    "ask_router": "ask a model which agent is to work on it",
    "close_issue": "close the issue",
    "create_child": "create a sub-issue",
    "create_labels": "create missing labels",
    "delete_ref": "delete a branch or ref that is not needed any more",
    "link_child": "link a sub-issue with what it waits for",
    "merge_pull": "merge the pull request",
    "move_branch": "move the task's branch",
    "open_onboarding": "open a pull request that shows what can be configured",
    "open_pull": "open a pull request",
    "show_log": "show the log of a run",
    "stop_run": "stop the run",
    "submit_review": "submit a review",
    "tell": "tell the agent",
    "update_branch": "bring the branch up to date",
    "upsert_comment": "bring the living comment up to date",
}
_SENT: Mapping[str, str] = {
    "feedback_due": "have the agent told what it was not told yet",
    "graph_due": "look whether the sub-issues are to be started, or are done",
    "pull_due": "look whether the pull request merges",
    "slot_wanted": "ask for a runner",
}


@dataclass(frozen=True, slots=True)
class Swept:
    """Something that was found, what follows from it, and why.

    `about` is a task, a group, or a delivery's GUID; `what` and `effects` are names for programs, `found` and `then`
    the same for people.
    """

    about: str
    what: str
    found: str = ""
    effects: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    why: str = ""


async def foresee(process: Process, envelopes: Sequence[Envelope]) -> list[Swept]:
    """Say what would follow from events, and from those that they send to the same task; nothing where nothing does."""
    events = [(envelope.id, process.parse(envelope)) for envelope in envelopes]
    # By the look that comes after it, a label that was missed will have been followed.
    started = {event.task for _, event in events if isinstance(event, IssueLabeled)}
    left = [one for one in events if not (isinstance(one[1], TaskChecked) and one[1].task in started)]
    return [row for identity, event in left for row in await _follow(process, identity, event, FAR)]


async def _follow(process: Process, identity: str, event: Event, far: int) -> list[Swept]:
    considered = await process.consider(event, await process.records.stored(event.group, identity))
    if considered is None or not (considered[0].effects or considered[0].record):
        return []
    decision, loaded = considered
    told = (
        [effect for effect in decision.effects if isinstance(effect, Send) and _is_told(effect, event)] if far else []
    )
    rest = replace(decision, effects=tuple(one for one in decision.effects if one not in told))
    then = steps_of(rest, loaded.task)
    rows = [
        Swept(
            about=about(event),
            what=event.type,
            found=describe(event),
            effects=tuple(effect.type for effect in rest.effects),
            then=then,
            why=decision.why,
        )
    ]
    followed = [await _follow(process, f"{identity}:{index}", one.event, far - 1) for index, one in enumerate(told)]
    return [*(rows if then else []), *(row for found in followed for row in found)]


def _is_told(effect: Send, event: Event) -> bool:
    """Say whether an event is what was missed itself, told to its own task at once."""
    return isinstance(effect.event, Commented | Reviewed) and effect.event.group == event.group


def about(event: Event) -> str:
    """Name the task, or else the group, of an event."""
    task = getattr(event, "task", None)
    return str(task) if task is not None else event.group


def describe(event: Event) -> str:
    """Say what happened, and by whom."""
    match event:
        case IssueLabeled(actor=actor, label=label):
            return f"{_login(actor)} put the label `{label}` on"
        case Commented(actor=actor, body=body, pull=pull):
            where = f" on pull request #{pull}" if pull else ""
            return f"{_login(actor)} wrote `{one_line(body.strip().partition(chr(10))[0], TEXT)}`{where}"
        case Reviewed(actor=actor, pull=pull, state=state):
            return f"{_login(actor)} reviewed pull request #{pull}: {state.value.replace('_', ' ')}"
        case _:
            return _FOUND.get(event.type) or event.type.replace("_", " ")


def _login(actor: Any) -> str:
    return f"`{one_line(actor.login)}`"


def steps_of(decision: Decision, before: TaskRecord | None) -> tuple[str, ...]:
    """List what would be done, the new status first, each once."""
    after = decision.record
    moved: list[str | None] = []
    if isinstance(after, TaskRecord) and (before is None or before.status is not after.status):
        moved = [f"make it `{after.status.value}`"]
    return tuple(dict.fromkeys(word for word in [*moved, *map(_word, decision.effects)] if word))


def _word(effect: Effect) -> str | None:
    match effect:
        case Send(event=event, delay=delay) if isinstance(event, TaskChecked):
            return f"look again in {delay:g} s" if delay else None
        case Send(event=event):
            return _SENT.get(event.type)
        case AddLabel(label=label):
            return f"put the label `{label}` on"
        case RemoveLabel(label=label):
            return f"take the label `{label}` off"
        case _:
            return _THEN.get(effect.type)
