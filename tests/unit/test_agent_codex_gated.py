import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.agents.base import (
    AgentEvent,
    Asked,
    Assignment,
    Ended,
    Endpoint,
    EndStatus,
    Hangup,
    Lane,
    Limited,
    Prompt,
    Refused,
    Retry,
    Send,
    Session,
    Started,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    UsageReport,
)
from runner.agents.codex import CodexAgent
from runner.supervision import Stream
from tests.unit.mutations import recorded

COMMAND = {"command": "/bin/bash -lc 'echo hello > hello.txt'"}
OWN = UsageReport(1000, 50, 200)
GATED = Assignment(
    Prompt("Fix it.\nPlease.", "Please."),
    Path("/room"),
    Path("/home"),
    Path("/tmp"),
    model="mock-model",
    endpoint=Endpoint("http://127.0.0.1:1/v1", "token"),
    lane=Lane.GATED,
)
LIMITED = Ended(EndStatus.PROVIDER_LIMITED, "exceeded retry limit, last status: 429 Too Many Requests")


def started(work: Assignment = GATED) -> CodexAgent:
    agent = CodexAgent("/opt/codex")
    agent.command(work)
    return agent


def told(name: str, work: Assignment = GATED) -> list[AgentEvent]:
    agent = started(work)
    return [event for line in recorded(f"codex-appserver-{name}") for event in agent.parse(line, Stream.STDOUT)]


def of(kind: type[AgentEvent], events: Iterable[AgentEvent]) -> list[AgentEvent]:
    return [event for event in events if isinstance(event, kind)]


def hear(agent: CodexAgent, method: str, params: dict[str, Any], **more: Any) -> Iterable[AgentEvent]:
    return agent.parse(json.dumps({"method": method, "params": params} | more).encode(), Stream.STDOUT)


def sent(events: Iterable[AgentEvent]) -> list[dict[str, Any]]:
    data = b"".join(event.data for event in events if isinstance(event, Send))
    return [json.loads(line) for line in data.splitlines()]


def test_a_gated_run_from_beginning_to_end() -> None:
    call, command = "call_0d8dbd4b96eb43878d63", COMMAND | {"cwd": "/workspace"}
    events = [event for event in told("allow") if not isinstance(event, Send | Unknown)]
    assert events == [
        Started("01a1f7e9-827d-7dd1-b870-7ad101e2c0cf", "mock-model"),
        ToolCall("command_execution", command, call),
        Asked("0", "command_execution", command),
        ToolResult(True, "", call),
        OWN,
        Text("Done: hello.txt now says hello."),
        OWN,
        Ended(EndStatus.COMPLETED, "completed"),
        Hangup(),
    ]


def test_it_opens_a_thread_that_asks_for_everything_and_says_its_prompt() -> None:
    initialized, thread, turn = sent(told("allow"))
    assert initialized == {"method": "initialized"}
    assert (thread["method"], thread["params"]) == (
        "thread/start",
        {"cwd": "/room", "sandbox": "danger-full-access", "approvalPolicy": "untrusted", "model": "mock-model"},
    )
    thread_id = "01a1f7e9-827d-7dd1-b870-7ad101e2c0cf"
    say = {"threadId": thread_id, "input": [{"type": "text", "text": "Fix it.\nPlease."}]}
    assert (turn["method"], turn["params"]) == ("turn/start", say)


def test_it_goes_on_with_a_thread_and_reports_only_its_own() -> None:
    events = told("resume", replace(GATED, session=Session("01a1")))
    assert [each["method"] for each in sent(events)] == ["initialized", "thread/resume", "turn/start"]
    assert sent(events)[1]["params"]["threadId"] == "01a1"
    assert of(UsageReport, events) == [OWN]


def test_a_change_of_files_is_asked_for_with_what_it_changes() -> None:
    asked = of(Asked, told("filechange"))
    change = {"path": "/workspace/hello.txt", "kind": {"type": "add"}, "diff": "hello\n"}
    assert asked == [Asked("0", "file_change", {"changes": [change]})]


def test_an_interrupted_turn_is_cancelled() -> None:
    assert of(Ended, told("cancel")) == [Ended(EndStatus.CANCELLED, "it was interrupted")]


def test_an_exhausted_rate_limit_is_known_by_its_status() -> None:
    events = told("e429")
    assert {event for event in events if isinstance(event, Retry)} == {Retry(429)}
    assert of(Ended, events)[-1] == LIMITED


@pytest.mark.parametrize(
    ("info", "status"),
    [
        ("usageLimitExceeded", EndStatus.PROVIDER_LIMITED),
        ("serverOverloaded", EndStatus.PROVIDER_LIMITED),
        ({"httpConnectionFailed": {"httpStatusCode": 529}}, EndStatus.PROVIDER_LIMITED),
        ({"httpConnectionFailed": {"httpStatusCode": 401}}, EndStatus.FAILED),
        ("sessionBudgetExceeded", EndStatus.BUDGET_SPENT),
        ("somethingNew", EndStatus.FAILED),
        (None, EndStatus.FAILED),
    ],
)
def test_what_ended_a_turn_is_read_from_its_kind(info: object, status: EndStatus) -> None:
    error = {"message": "x", "codexErrorInfo": info}
    said = {"threadId": "", "turn": {"status": "failed", "error": error}}
    assert list(hear(started(), "turn/completed", said)) == [Ended(status, "x"), Hangup()]


def test_the_end_of_another_agents_thread_is_not_the_end() -> None:
    said = {"threadId": "another", "turn": {"status": "completed"}}
    assert list(hear(started(), "turn/completed", said)) == []


def test_a_request_of_ours_that_fails_ends_it() -> None:
    line = b'{"id":2,"error":{"code":-32600,"message":"no rollout found"}}'
    assert list(started().parse(line, Stream.STDOUT)) == [Ended(EndStatus.FAILED, "no rollout found"), Hangup()]


# What it asks


@pytest.mark.parametrize(("allowed", "decision"), [(True, "accept"), (False, "decline")])
def test_the_answer_decides_on_one_call(allowed: bool, decision: str) -> None:
    answer = started().answer(Asked("0", "command_execution", {}), allowed, "because")
    assert json.loads(answer) == {"id": 0, "result": {"decision": decision}}


def test_a_refusal_of_ours_is_not_told_as_the_agents_own() -> None:
    agent = started()
    refused = []
    for line in recorded("codex-appserver-deny"):
        for event in agent.parse(line, Stream.STDOUT):
            refused += [event] if isinstance(event, Refused) else []
            if isinstance(event, Asked):
                agent.answer(event, False, "no")
    assert refused == []


def test_a_refusal_of_its_own_is_told() -> None:
    assert of(Refused, told("deny")) == [Refused("command_execution")]


@pytest.mark.parametrize(
    ("more", "tool"),
    [({"kind": "writeStdin"}, "command_execution/writeStdin"), ({"networkApprovalContext": {"host": "x"}}, "network")],
)
def test_what_is_asked_about_something_else_is_not_taken_for_the_call(more: dict[str, Any], tool: str) -> None:
    agent = started()
    item = {"id": "7", "type": "commandExecution", "command": "ls"}
    list(hear(agent, "item/started", {"item": item}))
    (asked,) = hear(agent, "item/commandExecution/requestApproval", {"itemId": "7", **more}, id=1)
    assert isinstance(asked, Asked)
    assert asked.tool.endswith(tool)
    assert asked.input == {"itemId": "7", **more}


def test_a_question_about_an_item_nobody_knows_names_no_tool() -> None:
    (asked,) = hear(started(), "item/fileChange/requestApproval", {"itemId": "7"}, id="a")
    assert asked == Asked('"a"', "unknown", {})


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("item/permissions/requestApproval", {"permissions": {}}),
        ("item/tool/requestUserInput", {"answers": {}}),
        ("mcpServer/elicitation/request", {"action": "decline"}),
    ],
)
def test_what_nobody_is_there_to_give_is_refused(method: str, result: dict[str, Any]) -> None:
    events = list(hear(started(), method, {"reason": "why not"}, id=5))
    assert sent(events) == [{"id": 5, "result": result}]
    assert of(Refused, events) == [Refused(method, "why not")]


def test_a_request_that_is_not_known_is_answered_with_an_error() -> None:
    events = list(hear(started(), "attestation/generate", {}, id=5))
    assert sent(events) == [{"id": 5, "error": {"code": -32601, "message": "not supported"}}]
    assert of(Unknown, events) == [Unknown("attestation/generate")]


def test_a_question_too_long_to_be_read_is_refused() -> None:
    line = b'{"method":"item/commandExecution/requestApproval","id":3,"params":{"kind":"command","thr'
    events = list(started().parse(line, Stream.STDOUT))
    assert sent(events) == [{"id": 3, "result": {"decision": "decline"}}]
    assert of(Refused, events) == [
        Refused("item/commandExecution/requestApproval", "the request was too long to be read")
    ]


def test_a_turn_is_interrupted_once_there_is_one() -> None:
    agent = started()
    assert agent.cancel() == b""
    for line in recorded("codex-appserver-allow")[:-1]:
        list(agent.parse(line, Stream.STDOUT))
    turn = {"threadId": "01a1f7e9-827d-7dd1-b870-7ad101e2c0cf", "turnId": "01a1f7e9-8295-7100-8dfe-5ed20c32483c"}
    assert json.loads(agent.cancel()) == {"id": 4, "method": "turn/interrupt", "params": turn}


@pytest.mark.parametrize(
    ("windows", "limits"),
    [
        ({"primary": {"usedPercent": 100, "resetsAt": 1771390800}, "secondary": None}, (Limited(1771390800),)),
        ({"primary": {"usedPercent": 99.5, "resetsAt": 1771390800}}, ()),
        ({"secondary": {"usedPercent": 100, "resetsAt": None}}, ()),
    ],
)
def test_a_window_that_is_used_up_is_told_with_its_end(windows: dict[str, Any], limits: tuple[AgentEvent, ...]) -> None:
    assert tuple(hear(started(), "account/rateLimits/updated", {"rateLimits": windows})) == limits
