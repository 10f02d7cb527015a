"""What a wire is to the model server: a request read, an answer in one piece or as server-sent events."""

from collections.abc import Iterator
from typing import Any, Protocol

from runner.agents.base import Wire
from tests.model import anthropic, chat, gemini, responses
from tests.model.parts import Event
from tests.model.script import Ask, Reply


class Dialect(Protocol):
    """One protocol between agents and model servers."""

    def read(self, body: dict[str, Any]) -> Ask: ...

    def answer(self, reply: Reply, model: str) -> dict[str, Any]: ...

    def stream(self, reply: Reply, model: str) -> Iterator[Event]: ...

    def refuse(self, status: int) -> dict[str, Any]: ...


DIALECTS: dict[Wire, Dialect] = {
    Wire.ANTHROPIC: anthropic,
    Wire.OPENAI_CHAT: chat,
    Wire.OPENAI_RESPONSES: responses,
    Wire.GEMINI: gemini,
}
