"""Small values: what they refuse, how they are shown, how they travel."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from app.domain.effects import (
    EFFECT,
    AddComment,
    AnswerThreads,
    CheckRepositories,
    Decision,
    Effect,
    Enqueue,
    KeepText,
    ListRepositories,
    MergePull,
    MoveBranch,
    React,
    Send,
    SetLabels,
    StopRun,
    Tell,
    ThreadAnswer,
    nothing,
)
from app.domain.envelope import Envelope, Source
from app.domain.errors import Missing, Permanent, Retryable, Unparsable
from app.domain.events import (
    EVENT,
    Event,
    Ignored,
    IssueClosed,
    MergeAwaited,
    PullMerged,
    Refresh,
    RepositoriesAdded,
    RepositoriesRemoved,
    RepositoryDeleted,
    SlotFreed,
    SlotWanted,
    Spent,
    TaskCutOff,
    WorkCutOff,
)
from app.domain.facts import CutOff, Permission
from app.domain.grants import Grant, RunToken, Stop
from app.domain.internal import disclose, enclose
from app.domain.jobs import Job, JobKind, cleanup_job, run_job
from app.domain.names import ADMISSION, Repository, TaskRef
from tests.unit import build
from tests.unit.build import JOB, NOW, SHA, TASK

CLOSED = IssueClosed(task=TASK, actor=build.WRITER, labels=("orch",))
EVENTS: list[tuple[Event, str]] = [
    (build.labeled(), TASK.group),
    (build.unlabeled(), TASK.group),
    (build.started(), TASK.group),
    (build.finished(build.result()), TASK.group),
    (PullMerged(task=TASK, pull=30, branch="orch/12"), TASK.group),
    (build.closed("orch/12"), "repository:1/30"),
    (CLOSED, TASK.group),
    (MergeAwaited(pull=30, closed=CLOSED), "repository:1/30"),
    (TaskCutOff(task=TASK, because=CutOff.GONE), TASK.group),
    (RepositoryDeleted(repository=TASK.repository), "repository:1/events"),
    (RepositoriesRemoved(installation_id=5, repository_ids=(1,)), "installation:5/events"),
    (WorkCutOff(because=CutOff.ARCHIVED, installation_id=5, repository_ids=None), ADMISSION),
    (SlotWanted(job=JOB, since=1), ADMISSION),
    (SlotFreed(job_id=JOB.id), ADMISSION),
    (Spent(repository=TASK.repository, run_id="r", cost=None, at=NOW), "installation:5/ledger"),
    (build.commented(before="x"), TASK.group),
    (build.pull_commented(), "repository:1/30"),
    (Ignored(reason="nothing", group="g/1"), "g/1"),
]
EFFECTS: list[Effect] = [
    KeepText(digest="d", title="t", body="b"),
    Send(event=build.finished(build.result()), delay=2),
    Enqueue(job=JOB),
    CheckRepositories(repository_ids=(1, 2)),
    ListRepositories(installation_id=5),
    SetLabels(),
    AddComment(task=TASK, key="k", body="b"),
    MoveBranch(branch="orch/12", sha=SHA, previous=None),
    StopRun(run_id="r", how=Stop.TURN),
    Tell(run_id="r", instructions=(build.instruction(),)),
    React(task=TASK, comment_id=1, reaction="eyes"),
    AnswerThreads(pull=30, key="k", answers=(ThreadAnswer(thread="T", body="b", resolve=True),)),
    MergePull(pull=30, sha=SHA, method="squash"),
]


@pytest.mark.parametrize(("event", "group"), EVENTS, ids=lambda value: getattr(value, "type", None))
def test_an_event_knows_its_group_and_survives_its_envelope(event: Event, group: str) -> None:
    envelope = enclose(event, "cause:0", NOW)
    assert (envelope.group, envelope.name, envelope.not_before) == (group, event.type, None)
    assert disclose(envelope) == event


def test_an_event_for_later_waits_in_a_group_of_its_own() -> None:
    event = Refresh(task=TASK)
    assert enclose(event, "cause:1", NOW, 2.5) == Envelope(
        id="cause:1",
        group="later/cause:1",
        source=Source.ORCH,
        name="refresh",
        body=EVENT.dump_json(event),
        received_at=NOW,
        not_before=NOW + timedelta(seconds=2.5),
    )


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"type":[]}', b'{"type":"unheard of"}', b'{"type":"refresh"}', b"\xff"]
)
def test_an_envelope_that_cannot_be_read_is_unparsable(body: bytes) -> None:
    envelope = enclose(Refresh(task=TASK), "cause:1", NOW).model_copy(update={"body": body})
    with pytest.raises(Unparsable, match="internal event refresh: 1 fields do not fit"):
        disclose(envelope)


def test_a_body_of_any_bytes_survives_json() -> None:
    envelope = enclose(Refresh(task=TASK), "cause:1", NOW).model_copy(update={"body": bytes(range(256))})
    assert Envelope.model_validate_json(envelope.model_dump_json()) == envelope


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.type)
def test_an_effect_survives_the_outbox(effect: Effect) -> None:
    assert EFFECT.validate_python(effect.model_dump(mode="json")) == effect


def test_an_installations_events_have_a_group_that_is_no_repositorys() -> None:
    event = RepositoriesAdded(installation_id=5, repositories=(build.repository(),))
    assert event.group.startswith("installation:5/")


def test_i2_asking_for_the_same_step_twice_is_asking_for_one_job() -> None:
    assert (
        run_job(TASK, 2)
        == run_job(TASK, 2)
        == Job(id="1-12-2-work", kind=JobKind.RUN, task=TASK, attempt=2, step="work")
    )


def test_jobs_of_other_tasks_attempts_and_steps_have_other_ids() -> None:
    other = build.task(12, build.repository(2))
    jobs = [run_job(TASK, 1), run_job(TASK, 2), run_job(TASK, 1, "plan"), run_job(other, 1), cleanup_job(TASK, 1)]
    assert len({job.id for job in jobs}) == 5


def test_a_job_of_another_version_is_refused() -> None:
    with pytest.raises(ValidationError, match="version"):
        Job.model_validate({**JOB.model_dump(), "version": 2})


def test_a_clean_up_is_a_job_of_its_own_kind() -> None:
    assert cleanup_job(TASK, 3) == Job(id="1-12-3-cleanup", kind=JobKind.CLEANUP, task=TASK, attempt=3, step="cleanup")


@pytest.mark.parametrize(
    ("permission", "can"),
    [(Permission.NONE, False), (Permission.READ, False), (Permission.WRITE, True), (Permission.ADMIN, True)],
)
def test_i7_only_write_and_admin_may_write(permission: Permission, can: bool) -> None:
    assert permission.can_write is can


def test_the_bots_address_links_commits_to_it() -> None:
    assert build.IDENTITY.email == "900+orch[bot]@users.noreply.github.com"


def test_a_values_fields_are_fixed() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        TaskRef.model_validate({**TASK.model_dump(), "title": "odd"})
    with pytest.raises(ValidationError, match="frozen_instance"):
        TASK.number = 3  # type: ignore[misc]  # that it is refused is the point


def test_a_repository_is_named_by_owner_and_name_and_kept_by_id() -> None:
    repository = Repository(id=1, installation_id=5, owner="owner", name="project")
    assert (repository.full_name, repository.partition) == ("owner/project", "repository:1")


def test_i5_a_token_is_never_printed() -> None:
    token = RunToken(value="secret", expires_at=NOW)
    assert [repr(token), str(token), f"{[token]}"] == ["RunToken(***)", "RunToken(***)", "[RunToken(***)]"]


def test_i5_a_grant_holds_no_credential() -> None:
    assert [name for name in Grant.model_fields if "token" in name or "secret" in name or "key" in name] == []


def test_an_error_that_will_pass_may_say_when() -> None:
    assert (str(Retryable("later", 3)), Retryable("later", 3).delay, Retryable("later").delay) == ("later", 3, None)
    assert issubclass(Missing, Permanent)


def test_nothing_is_a_decision_with_its_reason() -> None:
    assert nothing("because") == Decision(why="because", record=None, effects=())
