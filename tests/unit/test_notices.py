"""What people are told of outside GitHub, and what is not worth it."""

import pytest
from hypothesis import given

from app.domain.effects import EFFECT, Decision, Notify, UpsertComment
from app.domain.notices import FAILED, LONGEST, Kind, Notice, notices, plain, trial
from app.domain.outcomes import Outcome
from app.domain.record import TaskRecord
from app.domain.strategies.single import TRY_AGAIN, after_run
from app.domain.task import Status
from app.notifying import SILENT, Notifying
from app.ports import Told
from tests.unit import build
from tests.unit.draw import texts

WEB = "https://github.example/"
URL = "https://github.example/owner/project/issues/12"
ASKED = (Kind.NEEDS_PERSON,)


def ended(outcome: Outcome) -> TaskRecord:
    """Return the record after a last attempt that ended so."""
    decision = after_run(build.finished(build.result(outcome)), build.record().change(tries=9), build.snapshot())
    assert isinstance(decision.record, TaskRecord)
    return decision.record


def kinds(before: TaskRecord | None, after: TaskRecord) -> list[tuple[Kind, ...]]:
    return [one.kinds for one in notices(before, after, WEB)]


def test_a_task_that_waits_for_a_person_says_why_and_where() -> None:
    waiting = build.record(Status.NEEDS_REVIEW, why="Somebody closed the pull request.")
    notice = Notice(
        kinds=ASKED,
        title="owner/project#12 needs a person",
        text=plain("Somebody closed the pull request."),
        url=URL,
    )
    assert notices(build.record(), waiting, WEB) == (notice,)


@pytest.mark.parametrize(
    ("outcome", "told", "what"),
    [
        (Outcome.STALLED, (Kind.FAILED, *ASKED), "failed and needs a person"),
        (Outcome.INFRASTRUCTURE_FAILED, (Kind.FAILED, *ASKED), "failed and needs a person"),
        (Outcome.BUDGET_SPENT, (Kind.BUDGET, *ASKED), "reached a limit and needs a person"),
        (Outcome.NO_CHANGE, ASKED, "needs a person"),
    ],
)
def test_how_the_last_run_ended_tells_failures_and_limits_apart(
    outcome: Outcome, told: tuple[Kind, ...], what: str
) -> None:
    [notice] = notices(build.record(), ended(outcome), WEB)
    assert (notice.kinds, notice.title) == (told, f"owner/project#12 {what}")


def test_an_earlier_run_that_failed_is_not_told_again() -> None:
    failed = build.summary(outcome=Outcome.STALLED)
    before = build.record(Status.IN_REVIEW, runs=(failed,))
    assert kinds(before, build.record(Status.NEEDS_REVIEW, runs=(failed,))) == [ASKED]


def test_every_outcome_that_is_tried_again_is_a_failure_at_last() -> None:
    assert set(TRY_AGAIN) <= set(FAILED)


@pytest.mark.parametrize(("status", "what"), [(Status.DONE, "is done"), (Status.CANCELLED, "was cancelled")])
def test_the_end_is_told(status: Status, what: str) -> None:
    [notice] = notices(build.record(), build.record(status), WEB)
    assert (notice.kinds, notice.title, notice.text) == ((Kind.DONE,), f"owner/project#12 {what}", "Because.")


@pytest.mark.parametrize("status", [Status.ROUTED, Status.IN_PROGRESS, Status.IN_REVIEW, Status.PAUSED])
def test_work_that_goes_on_is_not_told(status: Status) -> None:
    assert kinds(None, build.record(status)) == []


@pytest.mark.parametrize("status", Status)
def test_what_was_told_is_not_told_again(status: Status) -> None:
    assert kinds(build.record(status), build.record(status, why="Another.")) == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(None, 79, 0), (79, 80, 1), (None, 95, 1), (80, 95, 0), (None, None, 0)],
)
def test_most_of_what_a_run_may_spend_is_told_once(before: int | None, after: int | None, told: int) -> None:
    found = notices(build.record(spent_share=before), build.record(spent_share=after), WEB)
    assert [one.kinds for one in found] == [(Kind.BUDGET,)] * told
    assert all(one.title == f"owner/project#12 has spent {after} % of what its run may" for one in found)


def test_a_record_that_appears_with_its_run_under_way_is_told_like_any_other() -> None:
    assert kinds(None, ended(Outcome.STALLED)) == [(Kind.FAILED, *ASKED)]
    assert kinds(None, build.record(spent_share=90)) == [(Kind.BUDGET,)]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("@channel <!here> <@U1>", "@\u2060channel \u2039!here\u203a \u2039@\u2060U1\u203a"),
        ("[safe](https://evil.example/x)", "(safe)(https:/\u2060/evil.\u2060example/x)"),
        ("Say `/approve budget 5`.", "Say '/approve budget 5'."),
        ("**a** ~b~ ||c||", "\u2217\u2217a\u2217\u2217 \u223cb\u223c \u00a6\u00a6c\u00a6\u00a6"),
        ("one\r\n\ntwo\u202e\u200b", "one two"),
        ("a version 1.2, that is. No more.", "a version 1.2, that is. No more."),
    ],
)
def test_text_is_plain_in_every_chat(said: str, shown: str) -> None:
    assert plain(said) == shown


@given(texts)
def test_text_is_short_and_links_nowhere(said: str) -> None:
    shown = plain(said)
    assert len(shown.replace("\u2060", "")) <= LONGEST
    assert not set("<>[]`*~|\n\r\t") & set(shown)
    assert "://" not in shown


def notifying(*wanted: Kind, notifier: "Noting | None" = None) -> Notifying:
    return Notifying(notifier or Noting(), frozenset(wanted), WEB)


class Noting:
    """Reaches everybody but one."""

    def __init__(self) -> None:
        self.sent: list[Notice] = []

    async def send(self, notice: Notice) -> list[Told]:
        self.sent.append(notice)
        return [Told("one", None), Told("other", "no answer")]


def test_a_decision_tells_after_all_else() -> None:
    decision = Decision("because", build.record(Status.DONE), (UpsertComment(),))
    [notice] = notices(build.record(), build.record(Status.DONE), WEB)
    extended = Decision("because", build.record(Status.DONE), (UpsertComment(), Notify(notice=notice)))
    assert notifying(Kind.DONE).extend(build.record(), decision) == extended


@pytest.mark.parametrize("nobody", [SILENT, notifying(Kind.FAILED, Kind.BUDGET)])
def test_what_nobody_wants_is_no_effect(nobody: Notifying) -> None:
    decision = Decision("because", build.record(Status.DONE), (UpsertComment(),))
    assert nobody.extend(build.record(), decision) is decision


def test_a_decision_about_no_task_stays_as_it_is() -> None:
    decision = Decision("because")
    assert notifying(*Kind).extend(None, decision) is decision


async def test_who_cannot_be_reached_fails_nothing() -> None:
    noting = Noting()
    await notifying(*Kind, notifier=noting).send(trial(WEB))
    await SILENT.send(trial(WEB))
    assert noting.sent == [trial(WEB)]


def test_a_notice_outlives_the_process_in_the_outbox() -> None:
    effect = Notify(notice=trial(WEB))
    assert EFFECT.validate_python(effect.model_dump(mode="json")) == effect
