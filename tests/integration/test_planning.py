"""Runs that plan an issue, and runs that check what all of a plan came to."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.domain.complexity import Complexity
from app.domain.grants import ChildWork
from app.domain.instructions import Told
from app.domain.jobs import Purpose
from app.domain.outcomes import Outcome, RunResult
from app.domain.plan import Criterion, PlannedChild, Verdict
from app.domain.policy import RunLimits
from runner.agents.base import Wire
from runner.agents.mini import MiniAgent
from runner.agents.script import ScriptAgent
from runner.equipment import AgentSetup
from runner.gateway.account import Upstream
from runner.gateway.server import Gateway
from tests.integration.git_server import git_server
from tests.integration.run_stage import SECRET, Stage
from tests.model.script import Scenario, Turn
from tests.model.server import ModelServer, model_server

KEY = "sk-the-key-of-this-test"
FILES = {"README.md": b"hello\n"}
MODEL = {"key": "model", "title": "Add the model", "body": "Write `model.py`.", "acceptance": ["It can be imported."]}
VIEW = {"key": "view", "title": "Add the view", "body": "Write `view.py`.", "acceptance": ["It shows the model."]}
PLAN = {
    "summary": "Model first, then the view.",
    "children": [
        MODEL | {"paths": ["model.py"], "complexity": "simple"},
        VIEW | {"paths": ["view.py"], "depends_on": ["model"]},
    ],
}
RING = {**PLAN, "children": [MODEL | {"depends_on": ["view"]}, VIEW | {"depends_on": ["model"]}]}
VERDICT = {"summary": "It works.", "criteria": [{"text": "It runs.", "met": True, "why": "`make test` passed."}]}
RING_SAID = "children.depends_on: model -> view -> model is a ring, so none of them could begin; break it."


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with git_server(tmp_path, FILES) as server:
        yield Stage(server, tmp_path / "root")


def fenced(language: str, value: object) -> str:
    return f"Please:\n\n```bash\necho work > work.txt\n```\n\n```{language}\n{json.dumps(value, indent=1)}\n```\n"


def told(text: str) -> Told:
    return Told(key="c1", author="writer", text=text)


# The script agent


async def test_the_script_agent_plans_what_the_issue_holds_and_works_on_nothing(stage: Stage) -> None:
    result = await stage.run_agent(ScriptAgent(), purpose=Purpose.PLAN, body=fenced("plan", PLAN))
    assert (result.outcome, result.text) == (Outcome.PLANNED, "Model first, then the view.")
    assert (result.reason, result.head_sha, stage.server.pushes) == ("the agent planned 2 sub-issues.", None, 0)
    assert result.plan is not None
    assert result.plan.children == (
        PlannedChild(**MODEL | {"paths": ("model.py",), "complexity": Complexity.SIMPLE}),
        PlannedChild(**VIEW | {"paths": ("view.py",), "depends_on": ("model",)}),
    )
    assert not (stage.workspace.tree / "work.txt").exists()


async def test_the_script_agent_amends_its_plan_to_what_it_is_told_last(stage: Stage) -> None:
    better = fenced("plan", {**PLAN, "summary": "Otherwise."})
    body = fenced("plan", PLAN)
    result = await stage.run_agent(ScriptAgent(), purpose=Purpose.PLAN, body=body, instructions=(told(better),))
    assert (result.outcome, result.text, result.delivered) == (Outcome.PLANNED, "Otherwise.", ("c1",))


async def test_the_script_agent_answers_with_what_its_block_prints(stage: Stage) -> None:
    body = f"```verdict\n#!/bin/bash\ngrep -q hello README.md && echo '{json.dumps(VERDICT)}'\n```\n"
    result = await stage.run_agent(ScriptAgent(), purpose=Purpose.INTEGRATION, body=body)
    assert (result.outcome, result.text, result.plan) == (Outcome.CHECKED, "It works.", None)
    assert result.verdict == Verdict(
        summary="It works.", criteria=(Criterion(text="It runs.", met=True, why="`make test` passed."),)
    )


async def test_the_script_agent_without_a_plan_has_nothing_to_say(stage: Stage) -> None:
    result = await stage.run_agent(ScriptAgent(), purpose=Purpose.PLAN, body=fenced("verdict", VERDICT))
    assert (result.outcome, result.reason) == (Outcome.AGENT_FAILED, "nothing_to_run (exit code 4)")


# Answers that cannot be used


def braced(script: str) -> str:
    """Write braces so that the `command` agent takes them as they are."""
    return script.replace("{", "{{").replace("}", "}}")


def answers(*each: object) -> str:
    """A script that gives another answer each time, and the last one for ever; it counts what it was told in HOME."""
    cases = "".join(f"{number}) echo '{json.dumps(said)}';;\n" for number, said in enumerate(each[:-1], 1))
    count = "cat > $HOME/told; echo >> $HOME/count; set -- $(wc -l < $HOME/count); cp $HOME/told $HOME/told-$1"
    return braced(f"{count}\ncase $1 in\n{cases}*) echo '{json.dumps(each[-1])}';;\nesac")


async def test_a_plan_that_cannot_be_used_is_mended_in_the_same_run(stage: Stage) -> None:
    result = await stage.run(answers(RING, "no plan", PLAN), purpose=Purpose.PLAN, body="Add it.")
    assert (result.outcome, result.text) == (Outcome.PLANNED, "Model first, then the view.")
    said = [(stage.workspace.home / f"told-{turn}").read_text() for turn in (1, 2, 3)]
    assert [RING_SAID in one for one in said] == [False, True, False]
    assert [" there is no JSON object in the answer" in one for one in said] == [False, False, True]
    assert all("# Do it\n\nAdd it." in one for one in said)  # it keeps no session


async def test_a_plan_that_stays_unusable_fails_with_all_that_is_wrong(stage: Stage) -> None:
    wrong = {**RING, "children": [*RING["children"], MODEL | {"agent": "nobody"}]}
    result = await stage.run(answers(wrong), purpose=Purpose.PLAN, agents=("command", "mini"))
    assert (result.outcome, result.plan) == (Outcome.AGENT_FAILED, None)
    assert result.reason.startswith("the agent's plan cannot be used: children[2].key: `model` is the key of")
    assert (stage.workspace.home / "count").read_text() == "\n" * 3


async def test_a_verdict_that_says_nothing_fails(stage: Stage) -> None:
    result = await stage.run("echo It works.", purpose=Purpose.INTEGRATION)
    assert result.outcome is Outcome.AGENT_FAILED
    assert result.reason.startswith("the agent's verdict cannot be used: there is no JSON object in the answer")


async def test_an_agent_and_a_role_are_those_that_there_are(stage: Stage) -> None:
    wrong = {**PLAN, "children": [MODEL | {"agent": "nobody", "role": "king"}]}
    names = {"agents": ("command", "mini"), "roles": ("tester",)}
    result = await stage.run(answers(wrong), purpose=Purpose.PLAN, **names)
    assert result.reason == (
        "the agent's plan cannot be used: "
        "children[0].agent: `nobody` is none of `command`, `mini`; name one of these or none. "
        "children[0].role: `king` is none of `tester`; name one of these or none."
    )


@dataclass(frozen=True)
class InTurn(Scenario):
    """A model that says one thing after another, each to a conversation of its own, and the last one for ever."""

    says: list[str] = field(default_factory=list)

    def turn(self, step: int) -> Turn:
        return Turn(text=self.says.pop(0) if len(self.says) > 1 else self.says[0])


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with model_server() as server:
        yield server


async def plan_with_mini(stage: Stage, model: ModelServer, *says: str) -> RunResult:
    model.scenarios["plans"] = InTurn(says=list(says))
    upstream = Upstream(model.url("plans", Wire.OPENAI_CHAT), KEY, Wire.OPENAI_CHAT)
    async with Gateway() as gateway:
        stage.gateway = gateway
        limits = RunLimits(wall_seconds=30, silence_seconds=60, cost=None)
        setup = AgentSetup(MiniAgent, model="mock", upstream=upstream)
        return await stage.run_setup(setup, purpose=Purpose.PLAN, limits=limits)


async def test_a_model_mends_its_plan(stage: Stage, model: ModelServer) -> None:
    good = f"Now it is right:\n\n```json\n{json.dumps(PLAN, indent=2)}\n```"
    result = await plan_with_mini(stage, model, f"Here:\n{json.dumps(RING)}", good)
    assert (result.outcome, result.text, model.calls["plans"]) == (Outcome.PLANNED, "Model first, then the view.", 2)
    assert result.usage.tokens_in == 2000
    assert model.last
    assert RING_SAID in model.last.body["messages"][1]["content"]


async def test_a_model_that_never_gets_it_right_has_failed(stage: Stage, model: ModelServer) -> None:
    result = await plan_with_mini(stage, model, json.dumps(RING))
    assert (result.outcome, model.calls["plans"]) == (Outcome.AGENT_FAILED, 3)
    assert result.reason == f"the agent's plan cannot be used: {RING_SAID}"


# What a plan must not do


async def test_what_a_planner_changes_is_thrown_away(stage: Stage) -> None:
    result = await stage.run(f"echo mine > README.md; {answers(PLAN)}", purpose=Purpose.PLAN)
    assert (result.outcome, result.head_sha, result.touched) == (Outcome.PLANNED, None, ())
    again = await stage.run("cat README.md", purpose=Purpose.REVIEW, start_sha=await stage.server.head())
    assert (again.text, stage.server.pushes) == ("hello\n", 0)


async def test_i5_a_plan_holds_no_secret(stage: Stage) -> None:
    child = MODEL | {"body": f"Use {SECRET} there.", "acceptance": [SECRET]}
    result = await stage.run(
        answers({**PLAN, "summary": f"It is {SECRET}.", "children": [child]}), purpose=Purpose.PLAN
    )
    assert (result.outcome, SECRET in result.model_dump_json()) == (Outcome.PLANNED, False)
    assert (result.plan and result.plan.children[0].body) == "Use [redacted] there."


async def test_a_name_in_a_plan_is_no_secret(stage: Stage) -> None:
    result = await stage.run(answers({**PLAN, "children": [MODEL | {"key": SECRET}]}), purpose=Purpose.PLAN)
    assert result.outcome is Outcome.AGENT_FAILED
    assert "a key, role or agent in it looks like a secret; name it otherwise." in result.reason


# What they are told, and what else runs say


async def test_a_check_is_told_the_children_and_sees_the_base_branch(stage: Stage) -> None:
    await stage.branch("main", {"merged.txt": b"all\n"})
    children = (ChildWork(number=7, title="Add the model", completed=True, pull=9),)
    script = f"cat > $HOME/told; cat merged.txt; echo '{json.dumps(VERDICT)}'"
    more: dict[str, Any] = {"purpose": Purpose.INTEGRATION, "children": children, "body": "* It runs."}
    result = await stage.run(braced(script), **more)
    said = (stage.workspace.home / "told").read_text()
    assert (result.outcome, result.text) == (Outcome.CHECKED, "It works.")
    assert "# Its sub-issues" in said
    assert "* #7 Add the model (closed as completed, by pull request #9)" in said


async def test_a_delivery_names_the_paths_that_it_touched(stage: Stage) -> None:
    result = await stage.run("mkdir src; echo a > src/a.py; rm README.md")
    assert (result.outcome, result.touched) == (Outcome.DELIVERED, ("README.md", "src/a.py"))


async def test_a_merge_touched_what_conflicted(stage: Stage) -> None:
    head = await stage.branch("orch/5", {"README.md": b"ours\n"})
    await stage.branch("main", {"README.md": b"theirs\n", "new.txt": b"new\n"})
    result = await stage.run("echo both > README.md", purpose=Purpose.REBASE, start_sha=head)
    assert (result.outcome, result.touched) == (Outcome.DELIVERED, ("README.md",))
