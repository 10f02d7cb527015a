"""What a run's agent is told besides the admitted text, read from a GitHub of a few people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from app.briefing import LONGEST_QUOTED, MOST_COMMENTS, MOST_LOGS, Briefing
from app.domain.errors import Missing, Permanent, Retryable, Unauthorized
from app.domain.facts import Check, CheckState, Comment, Permission, Standing, Thread
from app.domain.grants import FailedCheck
from app.domain.instructions import LONGEST, Kind, Told
from app.domain.jobs import Purpose
from app.domain.names import Repository
from app.domain.policy import Policy
from app.domain.record import TaskRecord
from app.domain.task import Status
from app.ports import Artifacts, GitHub
from app.standings import Standings
from app.texts import ONLY_THREADS, keep_text
from tests.unit import build
from tests.unit.build import IDENTITY, POLICY, SELF, SHA, STRANGER, WRITER
from tests.unit.ports import StillClock
from tests.unit.test_texts import FakeArtifacts

HM = Told(key="c-1", author="writer", text="Hm.")


@dataclass
class People:
    """GitHub with what people said, and an error for what is asked by name; only `writer` may write."""

    said: Sequence[Comment] = ()
    held_threads: Sequence[Thread] = ()
    held_checks: Sequence[Check] = ()
    logs: dict[int, str] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def _note(self, name: str) -> None:
        self.asked.append(name)
        if name in self.errors:
            raise self.errors[name]

    async def standing(self, repository: Repository, login: str) -> Standing:
        return build.standing(Permission.WRITE if login == "writer" else Permission.READ)

    async def comments(self, repository: Repository, number: int) -> Sequence[Comment]:
        self._note("comments")
        return self.said

    async def threads(self, repository: Repository, number: int) -> Sequence[Thread]:
        self._note("threads")
        return self.held_threads

    async def checks(self, repository: Repository, sha: str) -> Sequence[Check]:
        self._note("checks")
        return self.held_checks

    async def job_log(self, repository: Repository, job: int, most: int) -> str:
        self._note("job_log")
        if job not in self.logs:
            raise Missing("gone")
        return self.logs[job][-most:]


async def brief(github: People, record: TaskRecord, policy: Policy = POLICY) -> dict[str, Any]:
    artifacts, port = cast(Artifacts, FakeArtifacts()), cast(GitHub, github)
    await keep_text(artifacts, "", "Hm.")
    return await Briefing(port, artifacts, Standings(port, StillClock()), IDENTITY)(record, policy)


def on_branch(purpose: Purpose = Purpose.REWORK, **changes: object) -> TaskRecord:
    return build.record(Status.ROUTED, purpose=purpose, pull=30, head_sha=SHA, **changes)


async def test_instructions_that_wait_are_told_whatever_the_run_is_for_but_reviews_only_where_it_meets_them() -> None:
    said = (build.instruction("c-1"), build.instruction("c-2", run_id="r"))
    review = build.instruction("review-4", kind=Kind.REVIEW, digest="")
    for purpose in Purpose:
        told = (await brief(People(), on_branch(purpose, instructions=(*said, review))))["instructions"]
        reviewed = (Told(key="review-4", author="writer", text=ONLY_THREADS),) if purpose is Purpose.REWORK else ()
        assert told == (HM, *reviewed)


async def test_what_was_said_on_the_issue_is_told_by_those_who_may_and_by_others_apart() -> None:
    said = [build.comment(60, "First."), build.comment(61, "Hello!", STRANGER), build.comment(62, "Living.", SELF)]
    told = await brief(People(said), build.record())
    assert told["discussion"] == (Told(key="said-60", author="writer", text="First."),)
    assert told["quoted"] == (Told(key="said-61", author="stranger", text="Hello!"),)


async def test_i7_where_the_operator_says_so_strangers_are_left_out() -> None:
    told = await brief(People([build.comment(61, "Hello!", STRANGER)]), build.record(), Policy(outsiders="omit"))
    assert (told["discussion"], told["quoted"]) == ((), ())


async def test_what_was_said_to_orch_is_not_told_again() -> None:
    said = [
        build.comment(60, "/retry now"),
        build.comment(61, "/rtry"),
        build.comment(62, "@orch hm"),
        build.comment(63),
    ]
    told = await brief(People(said), build.record(instructions=(build.instruction("comment-62-1", run_id="r"),)))
    assert (told["discussion"], told["instructions"]) == ((), ())


async def test_the_last_of_many_comments_are_told_as_far_as_an_agent_reads() -> None:
    said = [build.comment(number, "x" * 20_000) for number in range(1, MOST_COMMENTS + 3)]
    told = await brief(People([*said, build.comment(99, "y" * 20_000, STRANGER)]), build.record())
    assert told["discussion"][0].key == "said-4"
    assert {len(one.text) for one in told["discussion"]} == {LONGEST}
    assert [len(one.text) for one in told["quoted"]] == [LONGEST_QUOTED]


async def test_where_nothing_was_said_nothing_is_asked() -> None:
    github = People()
    assert await brief(github, build.record(commented=False)) == {"instructions": ()}
    assert github.asked == []


@pytest.mark.parametrize("purpose", [Purpose.REWORK, Purpose.REVIEW])
async def test_open_threads_are_told_with_the_words_of_those_who_may(purpose: Purpose) -> None:
    asked, answered = build.thread(WRITER, STRANGER, SELF, WRITER), build.thread(WRITER, SELF, name="T2")
    done, theirs = build.thread(WRITER, name="T3", is_resolved=True), build.thread(STRANGER, name="T4")
    last = build.thread(WRITER, SELF, STRANGER, name="T5")
    told = await brief(People(held_threads=[asked, answered, done, theirs, last]), on_branch(purpose))
    [thread] = told["threads"]
    assert (thread.id, [one.author for one in thread.comments]) == ("T1", [WRITER, SELF, WRITER])


async def test_failed_checks_are_told_with_the_ends_of_some_logs() -> None:
    checks = [build.check(name=f"c{job}", job=job, summary="s" * 5000) for job in range(1, MOST_LOGS + 3)]
    passed = build.check(CheckState.PASSED, job=9)
    github = People(held_checks=[build.check(name="status"), *checks, passed], logs=dict.fromkeys((1, 3, 4, 5), "log"))
    told = (await brief(github, on_branch(checked=SHA)))["failures"]
    assert [(one.name, one.log) for one in told] == [
        *(("status", ""), ("c1", "log"), ("c2", ""), ("c3", "log"), ("c4", "log"), ("c5", "")),
    ]
    assert {len(one.summary) for one in told} == {0, LONGEST_QUOTED}


@pytest.mark.parametrize("changes", [{"checked": None}, {"checked": "2" * 40}, {"checked": SHA, "head_sha": None}])
async def test_checks_that_are_not_what_the_run_is_about_are_not_told(changes: dict[str, Any]) -> None:
    github = People(held_checks=[build.check()])
    record = on_branch().change(**changes)
    assert (await brief(github, record))["failures"] == ()
    assert github.asked == ["threads"]


async def test_a_failed_check_may_say_nothing_more() -> None:
    told = await brief(People(held_checks=[build.check()]), on_branch(checked=SHA))
    assert told["failures"] == (FailedCheck(name="tests"),)


@pytest.mark.parametrize("record", [on_branch(Purpose.REBASE), build.record(purpose=Purpose.REWORK)])
async def test_other_runs_are_told_no_more(record: TaskRecord) -> None:
    github = People()
    assert await brief(github, record) == {"instructions": ()}
    assert github.asked == []


async def test_a_run_begins_without_what_github_refuses_and_that_is_logged() -> None:
    github = People(errors={"threads": Permanent("grant the App pull_requests=read")})
    with capture_logs() as logs:
        assert await brief(github, on_branch()) == {"instructions": ()}
    assert [entry["reason"] for entry in logs] == ["grant the App pull_requests=read"]


@pytest.mark.parametrize("error", [Unauthorized("401"), Retryable("502")])
async def test_what_may_pass_is_waited_for(error: Exception) -> None:
    with pytest.raises(Retryable):
        await brief(People(errors={"comments": error}), build.record())
