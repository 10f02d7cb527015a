"""What is told to who plans an issue, or checks what its plan came to."""

import json
from typing import Any, cast

from structlog.testing import capture_logs

from app.briefing import Briefing
from app.domain.grants import ChildWork
from app.domain.graph import Graph, Node, NodeState
from app.domain.jobs import Purpose
from app.domain.names import Repository, digest_of
from app.domain.plan import Plan, PlannedChild
from app.domain.policy import Policy
from app.domain.proposal import propose
from app.domain.record import TaskRecord
from app.domain.router import RouterPolicy
from app.ports import Artifacts, GitHub
from app.standings import Standings
from app.texts import keep_text
from tests.unit import build
from tests.unit.build import IDENTITY
from tests.unit.ports import StillClock
from tests.unit.test_briefing import People
from tests.unit.test_texts import FakeArtifacts

POLICY = Policy(agents=("script", "mini"), router=RouterPolicy(roles={"tester": "Test it."}))


def child(key: str, *depends_on: str) -> PlannedChild:
    return PlannedChild(key=key, title=key, body="Do it.", acceptance=("Done.",), depends_on=depends_on)


PLAN = Plan(summary="In parts.", children=(child("a"), child("b", "a"), child("c", "b")))
KEPT = PLAN.model_dump_json()
PROPOSED = propose(PLAN, digest_of("", KEPT))


async def brief(record: TaskRecord, *said: Any, kept: str = KEPT) -> dict[str, Any]:
    artifacts, port = cast(Artifacts, FakeArtifacts()), cast(GitHub, People(said))
    await keep_text(artifacts, "", kept)
    return await Briefing(port, artifacts, Standings(port, StillClock()), IDENTITY)(record, POLICY)


async def test_who_plans_may_name_the_agents_and_roles_that_there_are() -> None:
    told = await brief(build.record(purpose=Purpose.PLAN), build.comment(60, "First."))
    assert (told["plan"], told["agents"], told["roles"]) == ("", ("script", "mini"), ("tester",))
    assert [one.text for one in told["discussion"]] == ["First."]


async def test_a_plan_is_amended_without_what_people_dropped_from_it() -> None:
    dropped = PROPOSED.drop(frozenset({"b"}))
    told = await brief(build.record(purpose=Purpose.PLAN, plan=dropped))
    [first, last] = json.loads(told["plan"])["children"]
    assert (first["key"], last["key"], last["depends_on"]) == ("a", "c", ["a"])


async def test_a_plan_whose_text_is_lost_is_made_anew() -> None:
    with capture_logs() as logs:
        told = await brief(build.record(purpose=Purpose.PLAN, plan=PROPOSED), kept="another")
    assert (told["plan"], [line["event"] for line in logs]) == ("", ["the text of a plan is lost"])


async def test_who_works_on_an_issue_is_told_of_no_plan() -> None:
    assert "plan" not in await brief(build.record(plan=PROPOSED))


async def test_who_checks_is_told_all_children_and_how_they_stand() -> None:
    other = Repository(installation_id=1, id=9, owner="owner", name="other", default_branch="main")
    nodes = (
        Node(number=7, title="One", state=NodeState.COMPLETED, pull=9),
        Node(number=3, title="Two", state=NodeState.DROPPED, repository=other),
    )
    told = await brief(build.record(purpose=Purpose.INTEGRATION, graph=Graph(nodes=nodes)))
    assert told["children"] == (
        ChildWork(number=7, title="One", completed=True, pull=9),
        ChildWork(number=3, title="Two", completed=False, repository="owner/other"),
    )


async def test_who_checks_what_was_never_divided_is_told_of_no_children() -> None:
    assert "children" not in await brief(build.record(purpose=Purpose.INTEGRATION))
