"""What a sweep finds and would do, in the words in which people are told."""

import pytest

from app.domain.effects import AddComment, AddLabel, Decision, Effect, RemoveLabel, Send, UpsertComment
from app.domain.events import ConfigWanted, Event, PullDue, RepositoriesAdded, Reviewed, SlotWanted, TaskChecked
from app.domain.facts import ReviewState
from app.domain.jobs import run_job
from app.domain.task import Status
from app.entry.foreseen import about, describe, steps_of
from tests.unit import build
from tests.unit.build import NOW, TASK, WRITER

REVIEWED = Reviewed(
    task=TASK, pull=30, review_id=4, actor=WRITER, state=ReviewState.CHANGES_REQUESTED, body="Hm.", at=NOW
)
LOOK = RepositoriesAdded(installation_id=3, repositories=(TASK.repository,))


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (build.labeled("orch"), "`writer` put the label `orch` on"),
        (build.commented("/retry please\nthen rest"), "`writer` wrote `/retry please`"),
        (build.commented("/merge", pull=30), "`writer` wrote `/merge` on pull request #30"),
        (REVIEWED, "`writer` reviewed pull request #30: changes requested"),
        (TaskChecked(task=TASK), "a look at the task on GitHub"),
        (ConfigWanted(repository=TASK.repository), "a look at `.orch.yml`"),
        (LOOK, "a look at the labels of the repositories"),
        (PullDue(task=TASK), "pull due"),
    ],
)
def test_what_was_found_is_said_with_who_did_it(event: Event, words: str) -> None:
    assert describe(event) == words


def test_a_task_is_named_as_people_know_it_and_all_else_by_its_group() -> None:
    assert (about(TaskChecked(task=TASK)), about(LOOK)) == (str(TASK), LOOK.group)


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (UpsertComment(), ("bring the living comment up to date",)),
        (AddComment(task=TASK, key="k", body="b"), ("write a comment",)),
        (AddLabel(task=TASK, label="orch"), ("put the label `orch` on",)),
        (RemoveLabel(task=TASK, label="orch"), ("take the label `orch` off",)),
        (Send(event=PullDue(task=TASK)), ("look whether the pull request merges",)),
        (Send(event=SlotWanted(job=run_job(TASK, 1), since=0)), ("ask for a runner",)),
        (Send(event=TaskChecked(task=TASK)), ()),
        (Send(event=TaskChecked(task=TASK, again=True), delay=60), ("look again in 60 s",)),
    ],
)
def test_each_step_is_said_once(effect: Effect, words: tuple[str, ...]) -> None:
    assert steps_of(Decision("because", effects=(effect, effect)), None) == words


def test_another_status_is_said_first() -> None:
    paused = build.record(Status.PAUSED)
    decision = Decision("because", paused, (UpsertComment(),))
    assert steps_of(decision, build.record(Status.IN_REVIEW))[0] == "make it `paused`"
    assert steps_of(decision, paused) == ("bring the living comment up to date",)
