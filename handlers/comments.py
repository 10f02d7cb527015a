"""Comments: commands and mentions are followed, what else is said during a run is told to the agent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.domain.buttons import buttons_of, plan_drops, ticked
from app.domain.commands import Command, Mistake, Said, fresh, key_of, read_comment, render_mistake
from app.domain.effects import AddComment, Decision, Effect, React, Send, UpsertComment, nothing
from app.domain.events import Commented, PullCommented
from app.domain.instructions import Kind
from app.domain.names import TaskRef, digest_of, number_of_task
from app.domain.powers import BOTS_REFUSED, Power, is_named, refusal
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies.commanded import obey
from app.domain.strategies.listening import Scene, Step, hear_mention, instruct, take_in
from app.domain.strategies.plan_commands import drop_from_plan
from app.domain.task import AT_WORK
from app.domain.text import one_line

OTHERS_WORDS = "the comment was edited by somebody else than its author, who says such things in a comment of his own"


def commented(event: Commented, snapshot: Snapshot) -> Decision:
    """Follow what a comment says to Orch and was not followed before."""
    record = snapshot.record
    if record is not None and record.cut_off:
        return nothing("Orch cannot write here")
    if record is not None and event.pull is not None and record.pull != event.pull:
        return nothing("the pull request is not the task's")
    if event.author_id == snapshot.identity.bot_id:
        return _clicked(event, snapshot)
    return nothing(OTHERS_WORDS) if _is_anothers(event) else _listen(event, snapshot)


def _is_anothers(event: Commented) -> bool:
    """Say whether somebody edited what another one wrote, and so would say the other one's words."""
    return event.before is not None and event.author_id != event.actor.id


def _listen(event: Commented, snapshot: Snapshot) -> Decision:
    said = _fresh(event, snapshot)
    if _says(said):
        return _follow(event, said, snapshot)
    if _says(_reader(snapshot)(event.body)):
        return nothing("the comment was followed before")
    return _overheard(event, snapshot)


def _fresh(event: Commented, snapshot: Snapshot) -> Said:
    """Return what is new in a comment: an edited one is not followed twice, nor one that is told of twice."""
    record, read = snapshot.record, _reader(snapshot)
    if record is not None and record.is_over(event.comment_id):
        return Said((), (), None)
    heard = set(record.has_heard(event.comment_id)) if record else set()
    if event.before is not None:
        heard |= set(_keys(read(event.before)))
    return fresh(read(event.body), heard)


def _clicked(event: Commented, snapshot: Snapshot) -> Decision:
    """Follow boxes that were ticked in the living comment, and undo whatever else was changed in it."""
    record = snapshot.record
    if record is None or event.comment_id != record.comment_id or event.before is None:
        return nothing("what Orch wrote itself says nothing to it")
    offered = buttons_of(record)
    commands = [Command(word) for word in ticked(event.before, event.body) if word in offered]
    dropped = plan_drops(event.before, event.body, record)
    if not commands and dropped is None:
        notice = f"`{one_line(event.actor.login)}` edited this comment; it was put back, because it follows the work."
        return Decision("the living comment was edited", record.change(notice=notice), (UpsertComment(),))
    steps = [] if dropped is None else [_drop(dropped, record, event, snapshot)]
    if all(step.done for step in steps):  # nobody approves a plan that is not as he ticked it
        steps += _obey_all(commands, steps[0].record if steps else record, event, snapshot)
    replies = [step.reply for step in steps if step.reply]
    after = steps[-1].record or record
    effects = tuple(effect for step in steps for effect in step.effects)
    put_back = () if UpsertComment() in effects else (UpsertComment(),)
    did = ["changed boxes of the plan"] if dropped is not None else []
    did += [f"ticked {', '.join(f'/{one.word.value}' for one in commands)}"] if commands else []
    why = f"`{one_line(event.actor.login)}` {' and '.join(did)}"
    return Decision(why, after, (*effects, *_reply(event, replies, snapshot), *put_back))


def _drop(keys: frozenset[str], record: TaskRecord, event: Commented, snapshot: Snapshot) -> Step:
    refused = refusal(Power.WRITE, event.actor, snapshot.standing, snapshot.policy)
    if refused is not None:
        return Step(record, reply=f"The plan was not changed: {refused}.", done=False)
    return drop_from_plan(keys, record, Scene(event, snapshot))


@dataclass(frozen=True, slots=True)
class _Reader:
    bot: str
    agents: Sequence[str]

    def __call__(self, body: str) -> Said:
        return read_comment(body, bot=self.bot, agents=self.agents)


def _reader(snapshot: Snapshot) -> _Reader:
    return _Reader(snapshot.identity.slug, snapshot.policy.agents)


def _parts(said: Said) -> tuple[Command | Mistake | str, ...]:
    mention = (said.mention,) if said.mention is not None else ()
    return (*said.commands, *said.mistakes, *mention)


def _keys(said: Said) -> tuple[str, ...]:
    return tuple(key_of(part) for part in _parts(said))


def _says(said: Said) -> bool:
    return bool(_parts(said))


def _follow(event: Commented, said: Said, snapshot: Snapshot) -> Decision:
    """Follow all that was said, in its order; what cannot be done does not keep the rest from being done."""
    steps = _obey_all(_parts(said), snapshot.record, event, snapshot)
    record = steps[-1].record
    done = all(step.done for step in steps)
    effects = tuple(effect for step in steps for effect in step.effects)
    reply = _reply(event, [step.reply for step in steps if step.reply], snapshot)
    after = record.hear(event.comment_id, _keys(said)) if record else None
    why = f"`{one_line(event.actor.login)}` said {_names(said)}"
    return Decision(
        why, after, (_react(event, "eyes"), *effects, *reply, _react(event, "rocket" if done else "confused"))
    )


def _obey_all(
    parts: Sequence[Command | Mistake | str], record: TaskRecord | None, event: Commented, snapshot: Snapshot
) -> list[Step]:
    """Do one after the other, each with the record as the one before left it."""
    steps: list[Step] = []
    for part in parts:
        steps.append(_step(part, record, Scene(event, snapshot.with_record(record) if record else snapshot)))
        record = steps[-1].record
    return steps


def _step(part: Command | Mistake | str, record: TaskRecord | None, scene: Scene) -> Step:
    event, snapshot = scene.event, scene.snapshot
    if isinstance(part, Mistake):
        return Step(record, reply=render_mistake(part), done=False)
    power = part.power if isinstance(part, Command) else Power.WRITE
    refused = refusal(power, event.actor, snapshot.standing, snapshot.policy)
    if refused is None and event.editor_unknown and power in (Power.BUDGET, Power.MERGE):
        refused = "the comment was edited, and GitHub did not tell in time by whom; say it in a new comment"
    if refused is not None:
        what = f"`/{part.word.value}`" if isinstance(part, Command) else "What you ask for"
        return Step(record, reply=f"{what} was not done: {refused}.", done=False)
    return obey(part, record, scene) if isinstance(part, Command) else hear_mention(part, record, scene)


def _reply(event: Commented, replies: list[str], snapshot: Snapshot) -> tuple[Effect, ...]:
    """Answer once a comment; people without write access once each, or they could have Orch write without end."""
    if not replies:
        return ()
    body = "\n\n".join(dict.fromkeys(replies))
    key = f"reply-{event.comment_id}-{digest_of('', body)[:8]}"
    if refusal(Power.WRITE, event.actor, snapshot.standing, snapshot.policy) is not None:
        key = f"refused-{event.actor.id}"
    return (AddComment(task=_place(event), key=key, body=f"`{one_line(event.actor.login)}`{_follow_on(body)}"),)


def _follow_on(text: str) -> str:
    """Let a sentence go on after a name, and anything else begin a paragraph of its own."""
    if not text[:1].isalpha() and not text.startswith("`"):
        return f":\n\n{text}"
    is_name = text[:2].isupper() or text.startswith("Orch ")
    return f", {text if is_name else text[:1].lower() + text[1:]}"


def _names(said: Said) -> str:
    words = [f"/{command.word.value}" for command in said.commands]
    mention = ["something to Orch by its name"] if said.mention is not None else []
    return ", ".join([*words, *mention]) or "what is no command"


def _place(event: Commented) -> TaskRef:
    """Name the issue or pull request that the comment is on."""
    return event.task.model_copy(update={"number": event.pull}) if event.pull else event.task


def _react(event: Commented, reaction: Literal["eyes", "rocket", "confused"]) -> React:
    return React(task=_place(event), comment_id=event.comment_id, reaction=reaction)


def _overheard(event: Commented, snapshot: Snapshot) -> Decision:
    """Tell the agent at work what a person who may write says on the issue or the pull request."""
    record = snapshot.record
    if record is None or record.status not in AT_WORK or event.before is not None or not event.body.strip():
        return nothing("the comment says nothing to Orch")
    if any(one.key == instruct(event, event.body, Kind.COMMENT)[0].key for one in record.instructions):
        return nothing("the comment was told before")
    refused = refusal(Power.WRITE, event.actor, snapshot.standing, snapshot.policy)
    if refused is not None:
        return nothing(refused)
    step = take_in(record, snapshot, instruct(event, event.body, Kind.COMMENT), "")
    if not step.done:
        reply = _reply(event, [step.reply], snapshot)
        return Decision("the comment was not kept for the agent", effects=(*reply, _react(event, "confused")))
    told = f"`{one_line(event.actor.login)}` said something while the agent works"
    return Decision(told, step.record, (_react(event, "eyes"), *step.effects))


def not_ours(event: Commented | PullCommented, snapshot: Snapshot) -> str | None:
    """Skip what bots say that the operator does not name: those instruct nobody, Orch itself included."""
    if event.actor.id == snapshot.identity.bot_id:
        return "Orch wrote it itself"
    if event.actor.is_bot and not is_named(event.actor, snapshot.policy):
        return BOTS_REFUSED
    return None


def _is_settled(event: Commented, record: TaskRecord) -> bool:
    """Say whether the comment can only be one among people: nobody is at work, and no line looks like a command."""
    return record.status not in AT_WORK and not _may_speak(event)


def _is_only_known(event: Commented, snapshot: Snapshot) -> bool:
    """Say whether nothing in the comment is for Orch: neither what it says, nor a box in the living one."""
    return event.author_id != snapshot.identity.bot_id and not _says(_reader(snapshot)(event.body))


def _may_speak(event: Commented | PullCommented) -> bool:
    """Say whether a comment, or what it said before, may hold a command or a mention."""
    return any(sign in text for text in (event.body, event.before or "") for sign in ("/", "@"))


def _spares(event: Commented, record: TaskRecord | None) -> frozenset[Need]:
    """Do without issue and branch on a pull request, and without what was decided if nobody asks why."""
    spared = {Need.ISSUE, Need.HEAD} if event.pull is not None else set[Need]()
    if event.blocked_by in (0, None):
        spared.add(Need.BLOCKERS)
    if "/why" not in event.body.lower():
        spared.add(Need.DECISIONS)
    return frozenset(spared)


def _spares_pull(event: PullCommented, record: TaskRecord | None) -> frozenset[Need]:
    """Do without the pull request if its body said whose it is."""
    return frozenset({Need.PULL}) if event.task_number is not None else frozenset()


def pull_commented(event: PullCommented, snapshot: Snapshot) -> Decision:
    """Tell the task behind a pull request of Orch's what is said there."""
    pull = snapshot.pull
    number = event.task_number
    if number is None and pull is not None and pull.head_repository_id == event.repository.id:
        number = number_of_task(pull.head_branch, snapshot.branch_prefixes)
    if number is None:
        return nothing("the pull request is not Orch's")
    comment = Commented(
        task=TaskRef(repository=event.repository, number=number),
        actor=event.actor,
        author_id=event.author_id,
        comment_id=event.comment_id,
        body=event.body,
        before=event.before,
        written_at=event.written_at,
        pull=event.number,
    )
    return Decision("somebody spoke on the task's pull request", effects=(Send(event=comment),))


def not_on_ours(event: PullCommented, snapshot: Snapshot) -> str | None:
    """Skip comments on pull requests that others opened."""
    if event.pull_author_id != snapshot.identity.bot_id:
        return "the pull request is not Orch's"
    return not_ours(event, snapshot)


HANDLERS = (
    Handler(
        Commented,
        frozenset(
            {Need.RECORD, Need.ISSUE, Need.STANDING, Need.CONFIG, Need.HEAD, Need.BLOCKERS, Need.DECISIONS, Need.POOL}
        ),
        commented,
        not_ours,
        _is_settled,
        _is_only_known,
        _spares,
    ),
    Handler(PullCommented, frozenset({Need.PULL, Need.CONFIG}), pull_commented, not_on_ours, spares=_spares_pull),
)
