"""What an ACP agent does between a prompt and its answer, and what the answer is worth."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from app.domain.outcomes import Usage
from runner.agents.acp_calls import Call, Calls, InputFrom
from runner.agents.acp_reading import Tokens, answered, dollars, tokens
from runner.agents.base import AgentEvent, Ended, EndStatus, Retry, Text, Unknown, UsageReport
from runner.agents.reading import count, mapping, text
from runner.agents.telling import failure

NOTHING_USED = Usage(tokens_in=0, tokens_out=0, tokens_cached=0, cost=Decimal(0))
_NO_LOGIN = -32000
_TEXT_LIMIT = 16_384
_TOO_MANY = "too many requests"
_TURN_LIMIT = "maximum number of turns"
_STOPS = {
    "max_turn_requests": EndStatus.LIMIT_REACHED,
    "max_tokens": EndStatus.LIMIT_REACHED,
    "cancelled": EndStatus.CANCELLED,
}
# Known, but nothing that the events of a run have a word for.
_QUIET = {
    "agent_thought_chunk",
    "user_message_chunk",
    "plan",
    "available_commands_update",
    "current_mode_update",
    "config_option_update",
}


class Speech:
    """Join the pieces of what the agent says into whole messages."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._message = ""

    def add(self, piece: str, message: str) -> Iterator[Text]:
        """Take in a piece; return the message before it if this is another's."""
        if message != self._message or self._length > _TEXT_LIMIT:
            yield from self.take()
        self._message = message
        self._pieces.append(piece)
        self._length += len(piece)

    def take(self) -> Iterator[Text]:
        """Return what was said and not yet returned."""
        said = "".join(self._pieces).strip()
        self._pieces.clear()
        self._length = 0
        if said:
            yield Text(said)


class Turn:
    """One turn. What comes before `begin` is an old session told again: it is no event of this run."""

    def __init__(self, inputs: InputFrom, counts_tokens: bool) -> None:
        self._calls = Calls(inputs)
        self._counts_tokens = counts_tokens
        self._speech = Speech()
        self._begun = False
        self._before = NOTHING_USED
        self._cost: Decimal | None = None
        self._counted = False
        self._last_word = False
        self._broken = self._limited = False
        self.refused = False

    def resume(self, usage: Usage) -> None:
        """Count from what the session's earlier runs used."""
        self._before = usage

    def begin(self) -> None:
        """Take what follows for this run's own."""
        self._begun = True
        if self._cost is not None:  # told by the agent itself as it took the session up again
            self._before = self._before.model_copy(update={"cost": self._cost})

    def update(self, update: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """Return the events of one session/update."""
        kind = text(update.get("sessionUpdate"))
        if kind == "usage_update":
            self._cost = dollars(update.get("cost")) if "cost" in update else self._cost
        elif kind == "session_info_update":
            yield from self._informed(mapping(mapping(update.get("_meta")).get("codex")))
        elif not self._begun or kind in _QUIET:
            return
        elif kind == "agent_message_chunk":
            yield from self._said(update)
        elif kind in {"tool_call", "tool_call_update"}:
            yield from self._worked(update)
            yield from self._calls.update(update)
        else:
            yield Unknown(f"session/update {kind}")

    def ask(self, piece: Mapping[str, Any]) -> tuple[Call, list[AgentEvent]]:
        """Return the tool call that leave is asked for, and the events that come before it."""
        before: list[AgentEvent] = list(self._worked(piece))
        call, told = self._calls.ask(piece)
        return call, [*before, *told]

    def flush(self) -> Iterator[AgentEvent]:
        """Return what the agent was about to say."""
        yield from self._speech.take()

    def stop(self, answer: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """Return the end that the answer to the prompt amounts to."""
        yield from self._speech.take()
        yield from self._usage(answered(answer))
        yield self._judge(text(answer.get("stopReason")) or "no stop reason")

    def fail(self, method: str, error: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """Return the end that an error in place of an answer amounts to."""
        yield from self._speech.take()
        if self._begun:
            yield from self._usage(Tokens())
        yield _failure(method, error)

    def _said(self, update: Mapping[str, Any]) -> Iterator[AgentEvent]:
        piece = text(mapping(update.get("content")).get("text"))
        self._last_word = self._last_word or bool(piece.strip())
        yield from self._speech.add(piece, text(update.get("messageId")))
        if usage := mapping(mapping(update.get("_meta")).get("usage")):  # qwen's, after each call of its model
            self._counted = True
            yield UsageReport(*tokens(usage))

    def _worked(self, piece: Mapping[str, Any]) -> Iterator[AgentEvent]:
        yield from self._speech.take()
        if text(piece.get("toolCallId")) not in self._calls:  # not by a late word on a call from before
            self._last_word = False

    def _informed(self, codex: Mapping[str, Any]) -> Iterator[AgentEvent]:
        """Take note of the trouble that codex-acp tells of in no other place."""
        if status := text(mapping(codex.get("threadStatus")).get("type")):
            self._broken = status == "systemError"
        if error := mapping(codex.get("error")):
            status_code = _http_status(mapping(error.get("codexErrorInfo")))
            self._limited = status_code == 429
            if error.get("willRetry") is True:
                yield Retry(status_code)

    def _judge(self, stop: str) -> Ended:
        """Judge the end of a turn, which some agents also report of one that their provider cut off."""
        if stop != "end_turn":
            return Ended(_STOPS.get(stop, EndStatus.FAILED), f"the turn ended: {stop}")
        if self._broken:
            status = EndStatus.PROVIDER_LIMITED if self._limited else EndStatus.FAILED
            return Ended(status, "the turn ended after an error of the agent's own")
        if not self._last_word:
            why = "a tool call was refused" if self.refused else "no reason was given"
            return Ended(EndStatus.FAILED, f"the turn ended without a last word ({why})")
        return Ended(EndStatus.COMPLETED, stop)

    def _usage(self, said: Tokens) -> Iterator[UsageReport]:
        if not self._counted:
            before = Tokens(self._before.tokens_in, self._before.tokens_out, self._before.tokens_cached)
            used = said.since(before) if self._counts_tokens else Tokens()
            yield UsageReport(used.tokens_in, used.tokens_out, used.tokens_cached, self._spent())

    def _spent(self) -> Decimal | None:
        """Return the cost since the turn began; none at all is what agents say that know no price."""
        if self._cost is None or self._before.cost is None:
            return None
        return self._cost - self._before.cost if self._cost > self._before.cost else None


def _failure(method: str, error: Mapping[str, Any]) -> Ended:
    """Judge an error: its code is JSON-RPC's below zero, and an HTTP status above it in gemini."""
    data, code = mapping(error.get("data")), error.get("code")
    words = [text(error.get("message")), text(data.get("details"))]
    said = f"{method}: {': '.join(each for each in words if each) or 'an error without words'} (error {code})"
    if code == _NO_LOGIN:
        return Ended(EndStatus.FAILED, f"not authenticated: {said}")
    if _TURN_LIMIT in said:
        return Ended(EndStatus.LIMIT_REACHED, said)
    if data.get("errorKind") == "rate_limit" or _TOO_MANY in said.lower():
        return Ended(EndStatus.PROVIDER_LIMITED, said)
    return Ended(failure(" ".join(words), count(code)), said)


def _http_status(info: Mapping[str, Any]) -> int | None:
    return count(next((mapping(each).get("httpStatusCode") for each in info.values()), None))
