"""Checks on the head of a task's branch: what fails is mended by another round."""

from collections.abc import Sequence

from app.domain.effects import Decision, Send
from app.domain.events import PullDue
from app.domain.facts import Check, CheckState
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.strategies.starting import rework
from app.domain.text import one_line

NAMED = 3


def follow_checks(record: TaskRecord, snapshot: Snapshot) -> Decision | str:
    """Rework what fails once all checks have ended, or go on with a wished merge; a text says why nothing follows."""
    if snapshot.checks is None or any(check.state is CheckState.WAITING for check in snapshot.checks):
        return "other checks have not ended"
    failed = [check for check in snapshot.checks if check.state is CheckState.FAILED]
    if failed:
        return _mend(record, failed, snapshot)
    if record.merge is None:
        return "all checks have passed"
    return Decision("all checks have passed", effects=(Send(event=PullDue(task=record.task)),))


def _mend(record: TaskRecord, failed: Sequence[Check], snapshot: Snapshot) -> Decision | str:
    """Begin a round for failed checks, one for each head that Orch made."""
    if not record.own_head:
        return "checks fail on what a person pushed, which is theirs to mend"
    if record.checked == record.head_sha:
        return "the agent was set on these checks before"
    names = ", ".join(f"`{one_line(check.name, 60)}`" for check in failed[:NAMED])
    more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    why = f"These checks fail on pull request #{record.pull}: {names}{more}. The agent works on it again."
    return rework(record, snapshot, why, changes={"checked": record.head_sha})
