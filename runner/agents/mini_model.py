"""The model of the `mini` agent: two protocols, one way to ask with patience. Standard library only."""

import http.client
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, NoReturn
from urllib.parse import SplitResult, urlsplit

KEY = "ORCH_MODEL_KEY"
LIMITED = {429, 529}
_PASSING = {408, 409, *LIMITED}
_ANSWER_BYTES = 64 << 20
_REASON_CHARACTERS = 500
_KNOWN_BLOCKS = {"text", "tool_use", "thinking", "redacted_thinking"}

Tool = tuple[str, dict[str, str]]
"""What a tool does, and what each of its arguments is; all are texts."""


class Orders(NamedTuple):
    """What the adapter asks for; seconds and bytes are per command, per answer and per pause."""

    prompt: str
    wire: str
    url: str
    model: str | None
    turns: int
    command_seconds: float
    output_bytes: int
    answer_seconds: float
    answer_tokens: int
    retries: int
    first_delay: float
    longest_delay: float


class Call(NamedTuple):
    """A tool call; `arguments` is None where what was `said` is no JSON object."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    said: Any


class Reply(NamedTuple):
    """What the model answered; `stop` is why it ended there, in the word of its wire."""

    text: str
    calls: list[Call]
    stop: str | None


class ModelError(Exception):
    """The model did not answer; `wait` is how long the provider asks to wait, in seconds."""

    def __init__(self, reason: str, status: int | None = None, passes: bool = False, wait: float | None = None) -> None:
        super().__init__(reason)
        self.status, self.passes, self.wait = status, passes, wait


def tell(kind: str, /, **said: object) -> None:
    """Print one event."""
    sys.stdout.write(json.dumps({"type": kind} | said) + "\n")
    sys.stdout.flush()


# The two protocols


class Chat:
    """A conversation as OpenAI chat completions."""

    path = "/chat/completions"

    def __init__(self, orders: Orders, system: str, tools: dict[str, Tool]) -> None:
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": system}]
        self._tools = [
            {"type": "function", "function": {"name": name, "description": text, "parameters": _schema(fields)}}
            for name, (text, fields) in tools.items()
        ]
        self.add_user(orders.prompt)

    def headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def body(self) -> dict[str, Any]:
        return {"messages": self.messages, "tools": self._tools}

    def add_user(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def add_answer(self, answer: dict[str, Any]) -> Reply:
        choice = answer["choices"][0]
        message = choice["message"]
        asked = message.get("tool_calls") or []
        calls = [_call(each["id"], each["function"]["name"], each["function"]["arguments"]) for each in asked]
        for call, each in zip(calls, asked, strict=True):
            if call.arguments is None:  # some servers refuse a conversation in which it stands
                each["function"]["arguments"] = "{}"
        reply = Reply(_words(message.get("content")), calls, choice.get("finish_reason"))
        # Models that think want their own thoughts back.
        kept = {name: message[name] for name in ("reasoning_content", "tool_calls") if message.get(name)}
        if reply.text or calls:
            self.messages.append({"role": "assistant", "content": reply.text or None} | kept)
        return reply

    def add_results(self, results: list[tuple[Call, bool, str]]) -> None:
        for call, _, output in results:
            self.messages.append({"role": "tool", "tool_call_id": call.id, "content": output})

    def usage(self, answer: dict[str, Any]) -> dict[str, int | None]:
        used = answer.get("usage") or {}
        cached = _count(used.get("prompt_tokens_details") or {}, "cached_tokens")
        return _used(_count(used, "prompt_tokens"), _count(used, "completion_tokens"), cached)


class Messages:
    """A conversation as Anthropic Messages."""

    path = "/v1/messages"

    def __init__(self, orders: Orders, system: str, tools: dict[str, Tool]) -> None:
        self._system, self._tokens = system, orders.answer_tokens
        self.messages: list[dict[str, Any]] = []
        self._tools = [
            {"name": name, "description": text, "input_schema": _schema(fields)}
            for name, (text, fields) in tools.items()
        ]
        self.add_user(orders.prompt)

    def headers(self, key: str) -> dict[str, str]:
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}

    def body(self) -> dict[str, Any]:
        """Mark the end of the conversation, so that the next call reads it from the provider's cache."""
        *before, last = self.messages
        *blocks, block = last["content"]
        marked = last | {"content": [*blocks, block | {"cache_control": {"type": "ephemeral"}}]}
        return {
            "system": self._system,
            "messages": [*before, marked],
            "tools": self._tools,
            "max_tokens": self._tokens,
        }

    def add_user(self, text: str) -> None:
        self.messages.append({"role": "user", "content": [{"type": "text", "text": text}]})

    def add_answer(self, answer: dict[str, Any]) -> Reply:
        blocks = answer["content"]
        uses = [block for block in blocks if block.get("type") == "tool_use"]
        calls = [_call(block["id"], block["name"], block["input"]) for block in uses]
        if blocks:
            self.messages.append({"role": "assistant", "content": blocks})
        return Reply(_words(blocks), calls, answer.get("stop_reason"))

    def add_results(self, results: list[tuple[Call, bool, str]]) -> None:
        content = [
            {"type": "tool_result", "tool_use_id": call.id, "content": output, "is_error": not ok}
            for call, ok, output in results
        ]
        self.messages.append({"role": "user", "content": content})

    def usage(self, answer: dict[str, Any]) -> dict[str, int | None]:
        """Return what was used; Anthropic counts what it read from or wrote to its cache beside `input_tokens`."""
        used = answer.get("usage") or {}
        fresh, cached = _count(used, "input_tokens"), _count(used, "cache_read_input_tokens")
        total = None if fresh is None else fresh + (cached or 0) + (_count(used, "cache_creation_input_tokens") or 0)
        return _used(total, _count(used, "output_tokens"), cached)


def _schema(fields: dict[str, str]) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": text} for name, text in fields.items()}
    return {"type": "object", "properties": properties, "required": list(fields)}


def _call(id_: str, name: str, said: Any) -> Call:
    """Return a call, whose arguments come as an object or as JSON text."""
    arguments = said
    if isinstance(said, str):
        with suppress(ValueError, RecursionError):
            arguments = json.loads(said)
    return Call(id_, name, arguments if isinstance(arguments, dict) else None, said)


def _words(content: Any) -> str:
    """Return the text of an answer, which is plain or in blocks."""
    if not isinstance(content, list):
        return content or ""
    for kind in {str(block.get("type")) for block in content} - _KNOWN_BLOCKS:
        tell("unknown", kind=kind)
    return "\n".join(block["text"] for block in content if block.get("type") == "text")


def _count(used: dict[str, Any], name: str) -> int | None:
    return used[name] if type(used.get(name)) is int else None


def _used(tokens_in: int | None, tokens_out: int | None, tokens_cached: int | None) -> dict[str, int | None]:
    return {"tokens_in": tokens_in, "tokens_out": tokens_out, "tokens_cached": tokens_cached}


# The model


class Model:
    """The provider behind an address, with its patience and ours."""

    def __init__(self, orders: Orders, key: str) -> None:
        self._orders, self._key = orders, key
        self._url = _split(orders.url)
        self._host = self._url.netloc.rpartition("@")[2]
        if not (key.isascii() and key.isprintable()):
            raise ModelError(f"the key in {KEY} holds characters that no HTTP header takes")

    def answer(self, talk: Chat | Messages) -> Reply:
        """Ask for the next answer, again after what may pass; raises ModelError when it does not."""
        model = {"model": self._orders.model} if self._orders.model else {}
        answer = self._ask_patiently(talk, json.dumps(talk.body() | model).encode())
        try:
            tell("usage", **talk.usage(answer))
            return talk.add_answer(answer)
        except (LookupError, TypeError, AttributeError) as error:
            raise ModelError(f"the model's answer is none of its protocol ({type(error).__name__}: {error})") from error

    def _ask_patiently(self, talk: Chat | Messages, body: bytes) -> dict[str, Any]:
        left, delay = self._orders.retries, self._orders.first_delay
        while True:
            try:
                return self._ask(talk, body)
            except ModelError as error:
                wait = max(delay, error.wait or 0.0)
                if not (error.passes and left) or wait > self._orders.longest_delay:
                    raise
                tell("retry", status=error.status, delay=wait, reason=str(error))
            time.sleep(wait)
            left, delay = left - 1, min(2 * delay, self._orders.longest_delay)

    def _ask(self, talk: Chat | Messages, body: bytes) -> dict[str, Any]:
        secure = self._url.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self._url.hostname or "", self._url.port)
        headers = {"Content-Type": "application/json", "User-Agent": "orch-mini"} | talk.headers(self._key)
        try:
            with _deadline(self._orders.answer_seconds):
                connection.request("POST", self._url.path.rstrip("/") + talk.path, body, headers)
                response = connection.getresponse()
                data = response.read(_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            raise ModelError(f"no answer from {self._host}: {why}", passes=True) from error
        finally:
            connection.close()
        return self._read(response, data)

    def _read(self, response: http.client.HTTPResponse, data: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(data)
        except ValueError:
            answer = None
        error = answer.get("error") if isinstance(answer, dict) else None
        if response.status != 200 or error:
            self._refuse(response, error, data)
        if not isinstance(answer, dict):
            said = self._shown(data.decode("utf-8", "replace"))
            raise ModelError(f"{self._host} answered with no JSON object; is its address right? It said: {said}")
        return answer

    def _refuse(self, response: http.client.HTTPResponse, error: Any, data: bytes) -> NoReturn:
        """Raise what a refusal means; some gateways send it with status 200 and their own status in the error."""
        details = error if isinstance(error, dict) else {}
        code = details.get("code")
        status = code if response.status == 200 and type(code) is int else response.status
        said = self._shown(str(details.get("message") or error or data.decode("utf-8", "replace")))
        what = " the key" if status == 401 else ""
        raise ModelError(
            f"the model server refused{what} with HTTP status {status}: {said}",
            status,
            passes=status in _PASSING or status >= 500,
            wait=read_retry_after(response.headers.get("Retry-After")),
        )

    def _shown(self, text: str) -> str:
        """Return the beginning of what a server said, without our key, which some repeat."""
        return (text.replace(self._key, "***") if self._key else text)[:_REASON_CHARACTERS]


def _split(url: str) -> SplitResult:
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return parts
    raise ModelError(f"`{url}` is no address of a model server: http or https, a host, and perhaps a port and a path")


def read_retry_after(value: str | None) -> float | None:
    """Return the seconds in a Retry-After header, which holds seconds or a date."""
    if value is None:
        return None
    with suppress(ValueError):
        return max(0.0, float(value))
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after so many seconds, whatever a server trickles meanwhile."""

    def too_late(*_: object) -> None:
        raise TimeoutError(f"it took longer than {seconds:g} s")

    signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
