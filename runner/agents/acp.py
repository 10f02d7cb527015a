"""The gated lane over the Agent Client Protocol, version 1: JSON-RPC 2.0 in lines on standard input and output.

One client for every CLI that speaks it. An adapter composes it: `command()` gives `start()` as its `stdin` with
`talks`, and `parse`, `answer`, `cancel` and `close` hand on what they get.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from runner.agents.acp_calls import InputFrom
from runner.agents.acp_reading import cut_request
from runner.agents.acp_turn import NOTHING_USED, Turn
from runner.agents.base import (
    AgentEvent,
    Asked,
    Assignment,
    Ended,
    EndStatus,
    Hangup,
    Refused,
    Send,
    Started,
    TakesNoWord,
    Unknown,
)
from runner.agents.reading import mapping, mappings, read_object, text, write_object
from runner.agents.telling import plain_prompt

_VERSION = 1
_METHOD_NOT_FOUND = -32601
_MODEL = re.compile(r"[\w./:@+-]+")
"""Not qwen's `$runtime|openai|name(openai)`, which names no model to anybody else."""
_CANCELLED = {"outcome": {"outcome": "cancelled"}}


@dataclass(frozen=True, slots=True)
class _Request:
    """A permission request that waits for its answer: the option to choose by its kind."""

    id: int | str
    options: Mapping[str, str]


class AcpDialogue:
    """One prompt in one session, without I/O.

    `mode` is the session mode in which the agent asks, demanded before the prompt. `inputs` says where the inputs of
    tools stand. Without `counts_tokens` the agent counts its last model call only, so the run's tokens are unknown.
    """

    _work: Assignment

    def __init__(
        self, *, mode: str | None = None, inputs: InputFrom = InputFrom.RAW, counts_tokens: bool = True
    ) -> None:
        self._mode = mode
        self._turn = Turn(inputs, counts_tokens)
        self._numbers = count()
        self._sent: dict[int, str] = {}
        self._open: dict[str, _Request] = {}
        self._session = ""
        self._cancelled = self._over = False

    def start(self, work: Assignment) -> bytes:
        """Return the first message, to stand on the agent's standard input when it starts."""
        self._work = work
        nothing = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
        client = {"name": "orch", "title": "Orch", "version": "1"}
        params = {"protocolVersion": _VERSION, "clientCapabilities": nothing, "clientInfo": client}
        return self._request("initialize", params)

    def receive(self, line: bytes) -> Iterable[AgentEvent]:
        """Return the events of one line of standard output; there are none after the end."""
        return () if self._over else tuple(self._events(line))

    def answer(self, asked: Asked, allowed: bool, reason: str) -> bytes:
        """Return the answer to this one call, for which ACP has no place to put a reason.

        Where the agent does not offer it, the call is refused. What was answered or cancelled before gets none.
        """
        request = self._open.pop(asked.id, None)
        if request is None:
            return b""
        option = request.options.get("allow_once" if allowed else "reject_once")
        self._turn.refused = self._turn.refused or not (allowed and option)
        outcome = {"outcome": {"outcome": "selected", "optionId": option}} if option else _CANCELLED
        return _message(id=request.id, result=outcome)

    def cancel(self) -> bytes:
        """Return what ends the turn in order and answers all that waits; empty while there is no session."""
        self._cancelled = True
        if not self._session or self._over:
            return b""
        answers = [_message(id=request.id, result=_CANCELLED) for request in self._open.values()]
        self._open.clear()
        return b"".join([_message(method="session/cancel", params={"sessionId": self._session}), *answers])

    def close(self, code: int | None) -> Iterable[AgentEvent]:
        """Return what the agent had begun to say; a prompt without an answer stays without a last word."""
        return () if self._over else tuple(self._turn.flush())

    def _request(self, method: str, params: Mapping[str, Any]) -> bytes:
        number = next(self._numbers)
        self._sent[number] = method
        return _message(id=number, method=method, params=params)

    # What the agent writes

    def _events(self, line: bytes) -> Iterator[AgentEvent]:
        said = read_object(line)
        if said is None:
            yield from self._unreadable(line)
        elif not isinstance(said.get("id", ""), int | str) or isinstance(said.get("id"), bool):
            yield Unknown("message")
        elif "method" not in said:
            yield from self._answered(said)
        elif "id" in said:
            yield from self._asked(said["id"], text(said["method"]), mapping(said.get("params")))
        elif said["method"] == "session/update":
            yield from self._turn.update(mapping(mapping(said.get("params")).get("update")))
        else:
            yield Unknown(text(said["method"]) or "message")

    def _unreadable(self, line: bytes) -> Iterator[AgentEvent]:
        yield Unknown("line")
        request = cut_request(line)
        if request is not None:  # or the agent would wait for ever
            yield Refused("unknown", "the request is longer than a line may be")
            yield Send(_message(id=request, result=_CANCELLED))

    def _asked(self, request: int | str, method: str, params: Mapping[str, Any]) -> Iterator[AgentEvent]:
        if method != "session/request_permission":
            yield Unknown(method or "message")
            yield Send(_message(id=request, error={"code": _METHOD_NOT_FOUND, "message": "not offered"}))
            return
        call, before = self._turn.ask(mapping(params.get("toolCall")))
        yield from before
        if self._cancelled:
            yield Send(_message(id=request, result=_CANCELLED))
            return
        options = {text(each.get("kind")): text(each.get("optionId")) for each in mappings(params.get("options"))}
        key = json.dumps(request)
        self._open[key] = _Request(request, options)
        yield Asked(key, call.tool, call.input)

    def _answered(self, said: Mapping[str, Any]) -> Iterator[AgentEvent]:
        number, result = said.get("id"), mapping(said.get("result"))
        method = self._sent.pop(number, "") if isinstance(number, int) else ""
        if not method:
            yield Unknown("answer")
        elif said.get("error") is not None:
            yield from self._failed(method, mapping(said["error"]))
        elif method == "initialize":
            yield from self._initialized(result)
        elif method == "session/prompt":
            yield from self._end(self._turn.stop(result))
        elif method == "session/set_mode":
            yield from self._prompt()
        else:
            yield from self._opened(method, result)

    # The way to the prompt, and from it

    def _initialized(self, result: Mapping[str, Any]) -> Iterator[AgentEvent]:
        version = result.get("protocolVersion")
        if version != _VERSION:
            yield from self._end([Ended(EndStatus.FAILED, f"the agent speaks version {version} of ACP")])
            return
        way_back = _way_back(mapping(result.get("agentCapabilities")))
        if self._work.session and way_back:
            self._turn.resume(self._work.session.usage)
            yield self._open_session(way_back, sessionId=self._work.session.id)
        else:
            yield self._open_session("session/new")

    def _open_session(self, method: str, **more: str) -> Send:
        return Send(self._request(method, {"cwd": str(self._work.workspace), "mcpServers": [], **more}))

    def _opened(self, method: str, result: Mapping[str, Any]) -> Iterator[AgentEvent]:
        taken_up = self._work.session.id if self._work.session and method != "session/new" else ""
        self._session = taken_up or text(result.get("sessionId"))
        if not self._session:
            yield from self._end([Ended(EndStatus.FAILED, "the agent opened no session")])
            return
        yield Started(self._session, self._work.model or _model(result))
        if self._mode is None or self._mode == text(mapping(result.get("modes")).get("currentModeId")):
            yield from self._prompt()
        else:
            params = {"sessionId": self._session, "modeId": self._mode}
            yield Send(self._request("session/set_mode", params))

    def _prompt(self) -> Iterator[AgentEvent]:
        if self._cancelled:
            yield from self._end([Ended(EndStatus.CANCELLED, "cancelled before the prompt")])
            return
        self._turn.begin()
        words = [{"type": "text", "text": plain_prompt(self._work.prompt.text)}]
        yield Send(self._request("session/prompt", {"sessionId": self._session, "prompt": words}))

    def _failed(self, method: str, error: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """End the run, unless it is an old session that is gone: then a new one does."""
        if method in {"session/resume", "session/load"}:
            yield Unknown(f"{method}: {text(error.get('message'))}")
            self._turn.resume(NOTHING_USED)
            yield self._open_session("session/new")
        else:
            yield from self._end(self._turn.fail(method, error))

    def _end(self, last: Iterable[AgentEvent]) -> Iterator[AgentEvent]:
        yield from last
        self._over = True
        yield Hangup()


def _way_back(capabilities: Mapping[str, Any]) -> str | None:
    """Return how the agent takes a session up again; resume tells the old messages not once more, so it is better."""
    if "resume" in mapping(capabilities.get("sessionCapabilities")):
        return "session/resume"
    return "session/load" if capabilities.get("loadSession") is True else None


def _model(result: Mapping[str, Any]) -> str | None:
    options = (each for each in mappings(result.get("configOptions")) if each.get("category") == "model")
    chosen = next((text(each.get("currentValue")) for each in options), "")
    name = chosen or text(mapping(result.get("models")).get("currentModelId"))
    return name if _MODEL.fullmatch(name) else None


def _message(**fields: Any) -> bytes:
    return write_object({"jsonrpc": "2.0", **fields})


class AcpLane(TakesNoWord):
    """The part of an adapter whose gated lane is a dialogue over ACP; there is none in the exec lane."""

    _dialogue: AcpDialogue | None = None

    def answer(self, asked: Asked, allowed: bool, reason: str) -> bytes:
        if self._dialogue is None:
            raise NotImplementedError("the exec lane asks nobody")
        return self._dialogue.answer(asked, allowed, reason)

    def cancel(self) -> bytes:
        return self._dialogue.cancel() if self._dialogue else b""
