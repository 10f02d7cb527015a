"""Loading what a handler needs: what is not there is a fact to decide by, and no reason to give up."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from app.config_files import ConfigFiles
from app.domain.effects import AddComment, Decision, RemoveLabel
from app.domain.errors import Missing, Permanent
from app.domain.events import Event, IssueLabeled, TaskChecked
from app.domain.facts import Actor, Comment, Issue, LinkedIssue, Permission, Pull, Standing
from app.domain.markers import Keyring
from app.domain.names import Repository
from app.domain.policy import Policy
from app.domain.task import Status
from app.ports import GitHub
from app.rebuild import Rebuild
from app.records import Records
from app.standings import Standings
from handlers.registry import HANDLERS
from handlers.snapshot import SnapshotLoader
from tests.integration.core_stage import IDENTITY, NOW, TASK, Stage, open_stage, task_record

LABELED = IssueLabeled(
    task=TASK, label="orch", actor=Actor(id=12, login="renamed", is_bot=False), title="Add hello", body="please"
)


@dataclass(slots=True)
class FakeGitHub:
    """An open issue with the trigger, and errors for what is asked by name."""

    errors: dict[str, Exception] = field(default_factory=dict)

    async def standing(self, repository: Repository, login: str) -> Standing:
        self._answer("standing")
        return Standing(permission=Permission.WRITE, role="write")

    async def comments(self, repository: Repository, number: int) -> Sequence[Comment]:
        self._answer("comments")
        return []

    async def issue(self, repository: Repository, number: int) -> Issue:
        self._answer("issue")
        text: dict[str, Any] = {"title": "Add hello", "body": "please", "labels": frozenset({"orch"})}
        return Issue(number=number, **text, is_open=True, comments=0, updated_at=NOW)

    async def blocked_by(self, repository: Repository, number: int) -> Sequence[LinkedIssue]:
        self._answer("blocked_by")
        return []

    async def pull(self, repository: Repository, number: int) -> Pull:
        self._answer("pull")
        return Pull(number=number, head_sha="a" * 40, is_open=True, merged=False)

    async def file(self, repository: Repository, path: str) -> bytes | None:
        return None

    def _answer(self, what: str) -> None:
        if what in self.errors:
            raise self.errors[what]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        yield opened


async def decide(stage: Stage, event: Event, **errors: Exception) -> Decision:
    github = cast(GitHub, FakeGitHub(errors))
    rebuild = Rebuild(github, IDENTITY, Keyring((b"key",)))
    records, policy = Records(stage.store), Policy(agents=("script",))
    configs = ConfigFiles(records, github, policy.agents)
    standings = Standings(github, stage.clock)
    loader = SnapshotLoader(records, github, rebuild, stage.clock, IDENTITY, policy, configs, standings)
    handler = HANDLERS[type(event)]
    snapshot, _ = await loader.load(handler, event, await loader.outline(handler, event))
    return handler.decide(event, snapshot)


async def test_i7_somebody_whom_github_does_not_know_may_nothing_and_is_told(stage: Stage) -> None:
    decision = await decide(stage, LABELED, standing=Missing("Not Found"))
    assert decision.record is None
    assert [type(effect) for effect in decision.effects] == [RemoveLabel, AddComment]


async def test_a_permission_that_cannot_be_read_is_no_answer(stage: Stage) -> None:
    with pytest.raises(Permanent, match="grant the App"):
        await decide(stage, LABELED, standing=Permanent("grant the App metadata=read"))


async def test_an_issue_that_is_gone_is_not_taken_on(stage: Stage) -> None:
    decision = await decide(stage, LABELED, issue=Missing("410"))
    assert (decision.record, decision.effects) == (None, ())


async def test_a_task_is_checked_though_its_pull_request_is_gone(stage: Stage) -> None:
    record = task_record(status=Status.IN_REVIEW, pull=9, shown=(Status.IN_REVIEW,))
    await Records(stage.store).commit(TASK.group, "made", Decision("because", record), 0, NOW)
    decision = await decide(stage, TaskChecked(task=TASK), pull=Missing("404"))
    assert decision.why == "mending what was missed"
