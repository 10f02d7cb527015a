"""Reviews of pull requests: what people with write access ask for starts another round."""

from app.domain.effects import AddComment, Decision, Send, nothing
from app.domain.events import FeedbackDue, PullDue, Reviewed, ReviewSubmitted
from app.domain.facts import ReviewState, Thread
from app.domain.instructions import Instruction, Kind, waiting
from app.domain.names import TaskRef, digest_of, number_of_task
from app.domain.powers import Power, refusal
from app.domain.record import TaskRecord
from app.domain.snapshot import Handler, Need, Snapshot
from app.domain.strategies.listening import take_in
from app.domain.strategies.starting import rework
from app.domain.task import Status
from app.domain.text import one_line

ASKS = (ReviewState.CHANGES_REQUESTED, ReviewState.COMMENTED)


def review_submitted(event: ReviewSubmitted, snapshot: Snapshot) -> Decision:
    """Tell the task behind a pull request that it was reviewed."""
    number = number_of_task(event.head_branch, snapshot.branch_prefixes)
    if number is None or event.head_repository_id != event.repository.id:
        return nothing("the pull request is not Orch's")
    reviewed = Reviewed(
        task=TaskRef(repository=event.repository, number=number),
        pull=event.number,
        review_id=event.review_id,
        actor=event.actor,
        state=event.state,
        body=event.body,
        at=event.at,
    )
    return Decision(f"pull request #{event.number} was reviewed", effects=(Send(event=reviewed),))


def by_orch(event: ReviewSubmitted, snapshot: Snapshot) -> str | None:
    """Skip what Orch itself says: each of its answers in a thread is a review for GitHub."""
    return "Orch wrote it itself" if event.actor.id == snapshot.identity.bot_id else None


def reviewed(event: Reviewed, snapshot: Snapshot) -> Decision:
    """Have the agent do what a review asks for, or look at the merge again that waited for one."""
    record = snapshot.record
    if record is None or record.pull != event.pull or record.status.is_final:
        return nothing("the pull request is not that of an open task")
    if event.state is ReviewState.APPROVED:
        wished = (Send(event=PullDue(task=record.task)),) if record.merge else ()
        return Decision(f"`{one_line(event.actor.login)}` approved the pull request", effects=wished)
    if event.state not in ASKS or record.has_met(event.review_id):
        return nothing("the review asks for nothing new")
    met = record.meet(event.review_id)
    refused = refusal(Power.WRITE, event.actor, snapshot.standing, snapshot.policy)
    if refused is not None:
        return Decision(refused, met)
    if event.says_nothing and not open_threads(snapshot):
        return Decision("the review says nothing that is still open", met)
    return _take(event, met, snapshot)


def _take(event: Reviewed, record: TaskRecord, snapshot: Snapshot) -> Decision:
    text = event.body.strip()
    said = Instruction(
        key=f"review-{event.review_id}",
        kind=Kind.REVIEW,
        author=event.actor.login,
        where=event.pull,
        digest=digest_of("", text) if text else "",
        at=event.at,
    )
    why = f"`{one_line(event.actor.login)}` reviewed pull request #{event.pull}, so the agent works on it again."
    step = take_in(record, snapshot, (said, text), why)
    if not step.done:
        place = record.task.model_copy(update={"number": event.pull})
        told = AddComment(task=place, key=f"full-{said.key}", body=f"`{one_line(event.actor.login)}`: {step.reply}")
        return Decision("the review was not kept for the agent", step.record, (told,))
    return Decision(f"`{one_line(event.actor.login)}` reviewed the pull request", step.record, step.effects)


def open_threads(snapshot: Snapshot) -> tuple[Thread, ...]:
    """Return the review threads in which the last word is not Orch's."""
    mine = snapshot.identity.bot_id
    threads = (one for one in snapshot.threads if one.comments and not one.is_resolved)
    return tuple(one for one in threads if one.comments[-1].author.id != mine)


def feedback_due(event: FeedbackDue, snapshot: Snapshot) -> Decision:
    """Begin another round for what people said and no agent was told."""
    record = snapshot.record
    if record is None or record.status is not Status.IN_REVIEW:
        return nothing("the task is not in review")
    left = waiting(record.instructions)
    if not left:
        return nothing("the agent was told all that was said")
    authors = " and ".join(sorted({f"`{one_line(one.author)}`" for one in left}))
    why = f"{authors} said something that the agent was not told yet, so it works again."
    return rework(record, snapshot, why, changes={"merge": None})


def _asks_nothing(event: Reviewed, record: TaskRecord) -> bool:
    return record.pull != event.pull or event.state not in ASKS


def _spares(event: Reviewed, record: TaskRecord | None) -> frozenset[Need]:
    """Do without the threads of a review that asks for something by itself."""
    return frozenset() if event.says_nothing else frozenset({Need.THREADS})


HANDLERS = (
    Handler(ReviewSubmitted, frozenset({Need.CONFIG}), review_submitted, by_orch),
    Handler(
        Reviewed,
        frozenset({Need.RECORD, Need.STANDING, Need.THREADS, Need.CONFIG}),
        reviewed,
        settled=_asks_nothing,
        spares=_spares,
    ),
    Handler(FeedbackDue, frozenset({Need.RECORD, Need.CONFIG}), feedback_due),
)
