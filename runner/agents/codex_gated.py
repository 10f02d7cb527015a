"""Codex's app server, which asks before each command and each change of a file: JSON-RPC over lines.

Measured with 0.169.0; `codex app-server generate-json-schema` says what the messages hold.
"""

import json
import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any

from runner.agents.base import (
    AgentEvent,
    Asked,
    Assignment,
    Ended,
    EndStatus,
    Hangup,
    Limited,
    Refused,
    Retry,
    Send,
    Started,
    Unknown,
)
from runner.agents.codex_items import Items, Tokens, failed, read_tokens, status_in
from runner.agents.reading import count, mapping, number, read_object, text, write_object

_CLIENT = {"name": "orch", "title": "Orch", "version": "1"}
_APPROVALS = {"item/commandExecution/requestApproval", "item/fileChange/requestApproval"}
# Nobody is there to give these, and without an answer it would wait for ever.
_REFUSALS: dict[str, dict[str, Any]] = {
    "item/permissions/requestApproval": {"permissions": {}},
    "item/tool/requestUserInput": {"answers": {}},
    "mcpServer/elicitation/request": {"action": "decline"},
}
_CUT_REQUEST = re.compile(rb'^\{"method":"(item/\w+/requestApproval)","id":(\d{1,18}|"[\w-]{1,100}"),')
_TOO_LONG = "the request was too long to be read"
_LIMITED = {"usageLimitExceeded", "rateLimitExceeded", "serverOverloaded", "flexUnavailable"}
_SILENT = {
    "item/agentMessage/delta",
    "item/commandExecution/outputDelta",
    "item/fileChange/outputDelta",
    "item/reasoning/summaryTextDelta",
    "item/reasoning/textDelta",
    "serverRequest/resolved",
    "thread/started",
    "thread/status/changed",
    "turn/diff/updated",
    "turn/plan/updated",
}


class Request(IntEnum):
    """What Orch asks for, by the ids of its requests."""

    INITIALIZE = 1
    THREAD = 2
    TURN = 3
    INTERRUPT = 4


class Dialogue:
    """One thread and one turn on an app server."""

    def __init__(self, work: Assignment, sandbox: str) -> None:
        self._work, self._sandbox = work, sandbox
        self._thread = self._turn = ""
        self._items = Items()
        self._tokens: dict[str, Tokens] = {}
        self._asked: dict[str, str] = {}
        self._notified: dict[str, Callable[[dict[str, Any]], Iterator[AgentEvent]]] = {
            "error": self._error,
            "item/completed": lambda params: self._items.events(mapping(params.get("item")), True),
            "item/started": lambda params: self._items.events(mapping(params.get("item")), False),
            "thread/tokenUsage/updated": self._used,
            "turn/completed": self._completed,
            "turn/started": self._began,
        }

    def first(self) -> bytes:
        """Return what is said first."""
        return _call(Request.INITIALIZE, "initialize", {"clientInfo": _CLIENT})

    def read(self, line: bytes) -> Iterator[AgentEvent]:
        """Yield what a line means, and what is to be sent."""
        said = read_object(line)
        if said is None:
            yield from _cut_off(line)
        elif "method" not in said:
            yield from self._answered(said)
        elif "id" in said:
            yield from self._requested(text(said["method"]), said["id"], mapping(said.get("params")))
        else:
            yield from self._told(text(said["method"]), mapping(said.get("params")))

    def answer(self, asked: Asked, allowed: bool) -> bytes:
        """Return the decision on one call, for this once."""
        if not allowed:
            self._items.denied.add(self._asked.get(asked.id, ""))
        return _reply(json.loads(asked.id), {"decision": "accept" if allowed else "decline"})

    def cancel(self) -> bytes:
        """Return what interrupts the turn, nothing before there is one."""
        if not self._turn:
            return b""
        return _call(Request.INTERRUPT, "turn/interrupt", {"threadId": self._thread, "turnId": self._turn})

    def _answered(self, said: dict[str, Any]) -> Iterator[AgentEvent]:
        result = mapping(said.get("result"))
        match said.get("id"):
            case number if "error" in said and number != Request.INTERRUPT:
                yield failed(text(mapping(said["error"]).get("message")))
                yield Hangup()
            case Request.INITIALIZE:
                yield Send(write_object({"method": "initialized"}) + self._open_thread())
            case Request.THREAD:
                self._thread = text(mapping(result.get("thread")).get("id"))
                yield Started(self._thread or None, text(result.get("model")) or None)
                say = [{"type": "text", "text": self._work.prompt.text}]
                yield Send(_call(Request.TURN, "turn/start", {"threadId": self._thread, "input": say}))
            case Request.TURN:
                self._turn = text(mapping(result.get("turn")).get("id"))

    def _open_thread(self) -> bytes:
        params: dict[str, Any] = {
            "cwd": str(self._work.workspace),
            "sandbox": self._sandbox,
            "approvalPolicy": "untrusted",  # the only one under which it asks for everything
        }
        if self._work.model:
            params["model"] = self._work.model
        if self._work.session is None:
            return _call(Request.THREAD, "thread/start", params)
        resumed = {"threadId": self._work.session.id, "excludeTurns": True}
        return _call(Request.THREAD, "thread/resume", params | resumed)

    def _requested(self, method: str, request: object, params: dict[str, Any]) -> Iterator[AgentEvent]:
        if method in _APPROVALS:
            yield self._ask(request, params)
        elif method in _REFUSALS:
            yield Send(_reply(request, _REFUSALS[method]))
            yield Refused(method, text(params.get("reason")))
        else:
            error = {"code": -32601, "message": "not supported"}
            yield Send(write_object({"id": request, "error": error}))
            yield Unknown(method)

    def _ask(self, request: object, params: dict[str, Any]) -> Asked:
        """Ask with what the item itself said: a request for a change of files holds none of it."""
        name, item = json.dumps(request), text(params.get("itemId"))
        self._asked[name] = item
        tool, begun = self._items.begun(item)
        kind = "network" if params.get("networkApprovalContext") else text(params.get("kind")) or "command"
        if kind != "command":  # about something else than the call itself, such as what is typed into its terminal
            return Asked(name, f"{tool}/{kind}", params)
        told = {field: params[field] for field in ("command", "cwd") if params.get(field) is not None}
        return Asked(name, tool or "unknown", begun | told)

    def _told(self, method: str, params: dict[str, Any]) -> Iterator[AgentEvent]:
        if known := self._notified.get(method):
            yield from known(params)
        elif method == "account/rateLimits/updated":
            yield from _limits(mapping(params.get("rateLimits")))
        elif method not in _SILENT:
            yield Unknown(method)

    def _began(self, params: dict[str, Any]) -> Iterator[AgentEvent]:
        if params.get("threadId") == self._thread:
            self._turn = text(mapping(params.get("turn")).get("id"))
        yield from ()

    def _used(self, params: dict[str, Any]) -> Iterator[AgentEvent]:
        """Report what a thread used since; what a resumed one had used is told before its turn, and is not ours."""
        usage, thread = mapping(params.get("tokenUsage")), text(params.get("threadId"))
        total, last = read_tokens(mapping(usage.get("total"))), read_tokens(mapping(usage.get("last")))
        before = self._tokens.get(thread)
        self._tokens[thread] = total
        if self._turn:
            yield last.since(Tokens(0, 0, 0)) if before is None else total.since(before)

    def _error(self, params: dict[str, Any]) -> Iterator[AgentEvent]:
        error = mapping(params.get("error"))
        if params.get("willRetry") is True:
            yield Retry(_status(error) or status_in(text(error.get("additionalDetails"))))
        elif params.get("threadId") == self._thread:
            yield _ended_by(error)

    def _completed(self, params: dict[str, Any]) -> Iterator[AgentEvent]:
        """End with our own turn: agents that the agent started have threads of theirs."""
        if params.get("threadId") != self._thread:
            return
        turn = mapping(params.get("turn"))
        match turn.get("status"):
            case "completed":
                yield Ended(EndStatus.COMPLETED, "completed")
            case "interrupted":
                yield Ended(EndStatus.CANCELLED, "it was interrupted")
            case _:
                yield _ended_by(mapping(turn.get("error")))
        yield Hangup()


def _ended_by(error: dict[str, Any]) -> Ended:
    message = text(error.get("message"))
    if error.get("codexErrorInfo") == "sessionBudgetExceeded":
        return Ended(EndStatus.BUDGET_SPENT, message)
    known = isinstance(kind := error.get("codexErrorInfo"), str) and kind in _LIMITED
    return failed(message, 429 if known else _status(error))


def _status(error: dict[str, Any]) -> int | None:
    """Return the HTTP status in the one variant of an error's info that it has."""
    info = mapping(error.get("codexErrorInfo"))
    return next((count(mapping(each).get("httpStatusCode")) for each in info.values()), None)


def _cut_off(line: bytes) -> Iterator[AgentEvent]:
    """Refuse a question that was too long to come whole: nobody could judge it."""
    if found := _CUT_REQUEST.match(line):
        yield Send(_reply(json.loads(found[2]), {"decision": "decline"}))
        yield Refused(found[1].decode(), _TOO_LONG)
    else:
        yield Unknown("unreadable")


def _call(number: Request, method: str, params: dict[str, Any]) -> bytes:
    return write_object({"id": number, "method": method, "params": params})


def _reply(request: object, result: dict[str, Any]) -> bytes:
    return write_object({"id": request, "result": result})


def _limits(windows: dict[str, Any]) -> Iterator[AgentEvent]:
    """Tell until when a window of the account is used up; how full another one is means nothing yet."""
    for name in ("primary", "secondary"):
        window = mapping(windows.get(name))
        until, used = number(window.get("resetsAt")), number(window.get("usedPercent"))
        if until and used is not None and used >= 100:
            yield Limited(until)
