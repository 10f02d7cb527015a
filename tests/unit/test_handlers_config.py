from dataclasses import replace

import pytest

from app.domain.admission import Board
from app.domain.comment import render_comment
from app.domain.config import RepoFile, resolve
from app.domain.config_check import FoundFile, Tree, follow
from app.domain.effects import AddComment, CreateLabels, Decision, Enqueue, Send, nothing
from app.domain.events import ConfigPushed, ConfigWanted, SlotsLimited, SlotWanted
from app.domain.facts import Permission
from app.domain.jobs import run_job
from app.domain.names import ADMISSION, number_of_task
from app.domain.outcomes import Outcome
from app.domain.record import TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.task import Status
from handlers.admission import slots_limited
from handlers.config import config_pushed, config_wanted
from handlers.issues import issue_labeled, not_ours
from handlers.runs import run_finished, run_started
from tests.unit import build
from tests.unit.boards import board_of
from tests.unit.build import JOB

WANTED = ConfigWanted(repository=build.repository())
READ = "`.orch.yml` was read"


def seen(known: RepoFile | None, **values: object) -> Snapshot:
    found = FoundFile("text", Tree(values, dict.fromkeys(values, 1)))
    return replace(build.snapshot(), file=known, found=found)


def file(**values: object) -> RepoFile:
    found = seen(None, **values).found
    assert found is not None
    return follow(RepoFile(), found, build.POLICY.agents)


def limited(most: int | None) -> Send:
    return Send(event=SlotsLimited(repository_id=1, most=most))


def test_a_push_has_the_file_read_in_its_own_group() -> None:
    decision = config_pushed(ConfigPushed(repository=build.repository()), build.snapshot())
    assert decision == Decision("`.orch.yml` may have changed", effects=(Send(event=WANTED),))
    assert WANTED.group == "repository:1/config"


def test_what_is_read_first_is_kept_even_if_it_says_nothing() -> None:
    assert config_wanted(WANTED, seen(None)) == Decision(READ, file())


def test_i2_a_file_that_is_the_same_changes_nothing() -> None:
    known = file(trigger="ai", max_parallel=1)
    decision = config_wanted(WANTED, seen(known, trigger="ai", max_parallel=1))
    assert decision == nothing("`.orch.yml` is as it was")


def test_a_new_trigger_gets_its_label() -> None:
    decision = config_wanted(WANTED, seen(file(), trigger="ai"))
    made = CreateLabels(repository=build.repository(), trigger="ai")
    assert decision == Decision(READ, file(trigger="ai"), (made,))


@pytest.mark.parametrize("trigger", ["orch", "Orch"])
def test_the_operators_own_trigger_has_its_label_already(trigger: str) -> None:
    assert config_wanted(WANTED, seen(None, trigger=trigger)).effects == ()


def test_a_new_limit_counts_for_those_who_wait() -> None:
    assert config_wanted(WANTED, seen(None, max_parallel=1)).effects == (limited(1),)
    assert config_wanted(WANTED, seen(file(max_parallel=1))).effects == (limited(None),)


def test_i11_a_limit_above_the_operators_counts_as_his() -> None:
    assert config_wanted(WANTED, seen(file(), max_parallel=99)).effects == (limited(4),)


def test_a_bad_file_changes_nothing_but_what_people_are_told() -> None:
    known = file(trigger="ai", max_parallel=1)
    decision = config_wanted(WANTED, seen(known, triger="bot", max_parallel=0))
    assert isinstance(decision.record, RepoFile)
    assert (decision.why.count("line 1: "), decision.effects) == (2, ())
    assert decision.record.model_copy(update={"problems": ()}) == known


def test_waiting_jobs_go_on_when_their_repositorys_limit_is_raised() -> None:
    second, third = run_job(build.task(13), 1), run_job(build.task(14, build.repository(2)), 1)
    board = board_of(second, third, holding=[JOB], most=1)
    snapshot = replace(build.snapshot(), board=board.limit(2, 0))
    decision = slots_limited(SlotsLimited(repository_id=1, most=2), snapshot)
    assert decision.effects == (Enqueue(job=second),)


def under(values: dict[str, object], known: TaskRecord | None = None, *labels: str) -> Snapshot:
    """Show a task in a repository with that file."""
    config = resolve(build.POLICY, file(**values))
    return replace(build.snapshot(known, build.issue(*labels), Permission.WRITE), policy=config.policy, config=config)


def test_a_limit_for_nobody_changes_nothing() -> None:
    decision = slots_limited(SlotsLimited(repository_id=1, most=2), build.snapshot())
    assert decision == Decision("0 admitted, 0 wait, 0 hold a slot", Board())


def test_the_repositorys_trigger_starts_a_task_and_the_operators_does_not() -> None:
    snapshot = under({"trigger": "ai"}, None, "ai", "orch")
    assert not_ours(build.labeled("orch"), snapshot) == "the label orch is nothing to Orch"
    assert not_ours(build.labeled("AI"), snapshot) is None
    assert issue_labeled(build.labeled("ai"), snapshot).record is not None


def test_a_task_goes_by_what_the_repository_says() -> None:
    decision = issue_labeled(
        build.labeled(), under({"agent": "script", "branch_prefix": "ai/w", "max_parallel": 2}, None, "orch")
    )
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.branch == "ai/w/12-add-a-greeting"
    assert "was chosen by the repository's `.orch.yml`" in decision.record.why
    assert Send(event=SlotWanted(job=JOB, since=build.NOW.timestamp(), most=2, agent="script")) in decision.effects


def test_people_see_what_is_wrong_on_the_task_and_once() -> None:
    decision = issue_labeled(build.labeled(), under({"max_atempts": 1, "max_parallel": 0}, None, "orch"))
    assert isinstance(decision.record, TaskRecord)
    started = run_started(build.started(), build.snapshot(decision.record)).record
    assert isinstance(started, TaskRecord)
    body = render_comment(started, build.KEYRING).split("<!--")[0]
    assert body.count("did you mean `max_attempts`?") == body.count("Until that is mended") == 1


def test_a_stranger_is_not_told_of_the_configuration() -> None:
    snapshot = replace(under({"max_atempts": 1}, None, "orch"), standing=build.standing(Permission.READ))
    [_, reply] = issue_labeled(build.labeled(actor=build.STRANGER), snapshot).effects
    assert isinstance(reply, AddComment)
    assert ".orch.yml" not in reply.body


@pytest.mark.parametrize(("values", "status"), [({"max_attempts": 1}, Status.NEEDS_REVIEW), ({}, Status.ROUTED)])
def test_i11_a_repository_has_fewer_attempts_if_it_says_so(values: dict[str, object], status: Status) -> None:
    failed = build.finished(build.result(Outcome.AGENT_FAILED))
    decision = run_finished(failed, under(values, build.record()))
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.status is status


def test_an_attempt_that_follows_shows_what_is_wrong_by_then() -> None:
    failed = build.finished(build.result(Outcome.AGENT_FAILED))
    decision = run_finished(failed, under({"max_attempts": 9}, build.record(remarks=("Old.",))))
    assert isinstance(decision.record, TaskRecord)
    assert decision.record.remarks == (
        "`.orch.yml` line 1: `max_attempts` is 9, more than the operator allows; 3 is used.",
    )


@pytest.mark.parametrize("branch", ["orch/12-x", "ai/12-x"])
def test_a_branch_is_known_by_the_repositorys_prefix_and_by_the_operators(branch: str) -> None:
    assert number_of_task(branch, under({"branch_prefix": "ai"}).branch_prefixes) == 12
    assert number_of_task("other/12-x", under({"branch_prefix": "ai"}).branch_prefixes) is None


def test_events_of_configuration_have_groups_of_their_own() -> None:
    groups = [ConfigPushed(repository=build.repository()).group, SlotsLimited(repository_id=1, most=None).group]
    assert groups == ["repository:1/events", ADMISSION]
