"""Locks of a task: what its issue declares when it is taken on, and what a run touched besides."""

from app.domain.admission_events import LocksKept
from app.domain.choice import Choice
from app.domain.comment import render_comment
from app.domain.effects import Decision, Send
from app.domain.events import SlotWanted
from app.domain.facts import Permission
from app.domain.graph_events import ChildWanted
from app.domain.names import digest_of
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.strategies.single import after_run
from app.domain.strategies.telling import told
from app.domain.task import Status
from handlers.family import child_wanted
from handlers.issues import issue_labeled
from tests.unit import build

BODY = "---\nlocks: [src/a.py, docs/]\npriority: high\n---\nSay hello."
PARENT = build.task(3)


def seen(known: TaskRecord | None = None, *labels: str) -> Snapshot:
    at = build.issue("orch", *labels, body=BODY)
    return build.snapshot(known, at, Permission.WRITE)


def record_of(decision: Decision) -> TaskRecord:
    assert isinstance(decision.record, TaskRecord)
    return decision.record


def admitted(known: TaskRecord | None = None, *labels: str, body: str = BODY) -> TaskRecord:
    return record_of(issue_labeled(build.labeled(body=body), seen(known, *labels)))


def test_a_task_asks_for_the_locks_and_the_priority_of_its_text() -> None:
    decision = issue_labeled(build.labeled(body=BODY), seen())
    [wanted] = [e.event for e in decision.effects if isinstance(e, Send) and isinstance(e.event, SlotWanted)]
    assert (wanted.locks, wanted.priority) == (("src/a.py", "docs"), "high")
    assert record_of(decision).remarks == ()


def test_labels_add_locks_and_beat_the_priority_of_the_text() -> None:
    record = admitted(None, "lock:lib", "priority:low")
    assert (record.locks, record.priority) == (("src/a.py", "docs", "lib"), "low")


def test_a_mistake_is_remarked_on_and_keeps_nothing_from_beginning() -> None:
    record = admitted(None, "lock:/etc", body="---\nlocks: src\n---")
    assert (record.status, record.locks, record.priority) == (Status.ROUTED, (), "normal")
    assert [remark.split(":")[0] for remark in record.remarks] == ["Line 2 of the issue's text", "The label `lock"]


def test_another_text_declares_other_locks() -> None:
    waits = build.record(Status.NEEDS_REVIEW, locks=("lib",), strayed=("x.py",), asked_priority="low")
    record = admitted(waits)
    assert (record.locks, record.strayed, record.priority) == (("src/a.py", "docs"), (), "high")


def test_what_an_open_pull_request_touches_stays_locked() -> None:
    waits = build.record(Status.NEEDS_REVIEW, pull=30, locks=("lib",), strayed=("x.py",))
    record = admitted(waits)
    assert (record.locks, record.strayed) == (("lib", "src/a.py", "docs"), ("x.py",))


def test_the_locks_of_a_plan_stay_when_its_part_is_taken_up_again() -> None:
    parked = build.record(Status.NEEDS_REVIEW, parent=PARENT, locks=("lib",), complexity=None)
    assert admitted(parked, body="Do it.").locks == ("lib",)


def test_what_a_plan_says_of_its_part_counts_more_than_a_label() -> None:
    event = ChildWanted(
        task=build.TASK,
        parent=PARENT,
        title=build.TITLE,
        digest=digest_of(build.TITLE, build.BODY),
        requested_by="writer",
        requested_by_id=11,
        locks=("lib",),
    )
    record = record_of(child_wanted(event, seen(None, "lock:other")))
    assert (record.locks, record.choice) == (("lib",), Choice())


def deliver(*touched: str, **known: object) -> tuple[TaskRecord, TaskRecord]:
    before = build.record().change(**known)
    decision = after_run(build.finished(build.result(touched=touched)), before, build.snapshot())
    return before, record_of(decision)


def test_what_a_delivery_touches_besides_is_locked_and_told_once() -> None:
    before, after = deliver("src/a.py", "README.md", "lib/x.py", locks=("src", "lib/x.py"), strayed=("README.md",))
    assert (after.locks, after.strayed) == (("src", "lib/x.py", "README.md"), ("README.md",))
    assert told(before, after) == (Send(event=LocksKept(task=build.TASK, paths=after.locks)),)


def test_a_delivery_within_its_locks_changes_none() -> None:
    before, after = deliver("src/a.py", locks=("src",))
    assert (after.locks, after.strayed, told(before, after)) == (("src",), (), ())


def test_a_task_without_locks_gets_none_by_what_it_touches() -> None:
    assert deliver("src/a.py")[1].locks == ()


def test_the_mark_of_a_ticket_is_no_hidden_text() -> None:
    mark = f"<!-- orch:ticket {'0' * 32} -->"
    assert admitted(None, body=f"{mark}\n\nDo it.").remarks == ()
    assert admitted(None, body=f"{mark}\n\n<!-- do more -->\n\nDo it.").remarks[0].startswith("The issue holds text")


def test_the_comment_says_on_what_the_task_works_and_what_it_touched_besides() -> None:
    shown = render_comment(build.record(locks=("src", "README.md"), strayed=("README.md",)), build.KEYRING)
    assert "| Works on | `src`, `README.md` |\n| Touched besides what was expected | `README.md` |" in shown
