"""Read what a model's answer tells of itself while it passes by: which model it was and how many tokens it took."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.domain.outcomes import Usage
from runner.agents.base import Wire

LONGEST = 8 << 20
"""Bytes of one event, or of an answer that is no stream, which are kept to be read; a longer one tells nothing."""

_BLANK_LINE = b"\n\n"
_JSON = (b"{", b"[")

# Where each wire tells a count: paths below its usage object, of which the first that holds a number is taken.
_COUNTS: dict[Wire, dict[str, tuple[str, ...]]] = {
    Wire.ANTHROPIC: {
        "fresh": ("input_tokens",),
        "cached": ("cache_read_input_tokens",),
        "written": ("cache_creation_input_tokens",),
        "written_1h": ("cache_creation.ephemeral_1h_input_tokens",),
        "out": ("output_tokens",),
    },
    Wire.OPENAI_CHAT: {
        "in": ("prompt_tokens",),
        "cached": ("prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens", "cached_tokens"),
        "out": ("completion_tokens",),
    },
    Wire.OPENAI_RESPONSES: {
        "in": ("input_tokens",),
        "cached": ("input_tokens_details.cached_tokens",),
        "out": ("output_tokens",),
    },
    Wire.GEMINI: {
        "in": ("promptTokenCount",),
        "tools": ("toolUsePromptTokenCount",),
        "cached": ("cachedContentTokenCount",),
        "out": ("candidatesTokenCount",),
        "thoughts": ("thoughtsTokenCount",),
    },
}
# What every event of the wire that tells a count holds. It is no "usage": many servers send that as null all the time.
_SIGNS = {
    Wire.ANTHROPIC: b'put_tokens"',
    Wire.OPENAI_CHAT: b'prompt_tokens"',
    Wire.OPENAI_RESPONSES: b'input_tokens"',
    Wire.GEMINI: b'promptTokenCount"',
}


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer told; `written` of the tokens in went into a cache, `written_1h` of these for an hour."""

    model: str | None
    usage: Usage
    written: int = 0
    written_1h: int = 0


class Counter:
    """Reads one answer, a stream of server-sent events or JSON, in pieces that may end anywhere."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._held = b""
        self._is_json: bool | None = None
        self._gave_up = False
        self._model: str | None = None
        self._counts: dict[str, int] = {}

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the answer; never raises on what they are."""
        if self._gave_up:
            return
        searched, data = len(self._held), self._held + chunk
        if self._is_json is None and (start := data.lstrip()[:1]):
            self._is_json = start in _JSON
        if not self._is_json:
            data = self._take_events(data, searched)
        if len(data) > LONGEST:
            self._gave_up = bool(self._is_json)
            data = b""
        self._held = data

    def told(self) -> Told:
        """Return what was told so far; what was not is None."""
        if self._is_json:
            self._read(self._held)
        else:
            self._read_events(self._held)
        counts = self._counts
        return Told(self._model, _usage(self._wire, counts), counts.get("written", 0), counts.get("written_1h", 0))

    def _take_events(self, data: bytes, searched: int) -> bytes:
        """Read the events that are whole and return the rest."""
        if b"\r" in data:
            searched, data = 0, data.replace(b"\r\n", b"\n")
        end = data.rfind(_BLANK_LINE, max(0, searched - 1))
        if end < 0:
            return data
        self._read_events(data[:end])
        return data[end + len(_BLANK_LINE) :]

    def _read_events(self, events: bytes) -> None:
        """Read those events that tell a count: to parse every one would take longer than to pass it on."""
        sign = _SIGNS[self._wire]
        if sign not in events:
            return
        for event in events.split(_BLANK_LINE):
            if sign in event:
                lines = (line.rstrip(b"\r") for line in event.split(b"\n"))
                self._read(b"\n".join(line[5:] for line in lines if line.startswith(b"data:")))

    def _read(self, text: bytes) -> None:
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):  # cut off, or no JSON at all
            return
        for part in said if isinstance(said, list) else [said]:
            for holder in _holders(part):
                self._note(holder)

    def _note(self, holder: dict[str, Any]) -> None:
        model = holder.get("model") or holder.get("modelVersion")
        if isinstance(model, str) and model:
            self._model = model
        usage = holder.get("usage") or holder.get("usageMetadata")
        if not isinstance(usage, dict):
            return
        for name, paths in _COUNTS[self._wire].items():
            told = next((count for path in paths if (count := _number(usage, path)) is not None), None)
            if told is not None:  # what a stream tells again is the sum so far
                self._counts[name] = max(told, self._counts.get(name, 0))


def _holders(part: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects that may hold a usage: an answer itself, or the one in an event of a stream."""
    if isinstance(part, dict):
        yield part
        for name in ("message", "response"):
            if isinstance(part.get(name), dict):
                yield part[name]


def _number(usage: dict[str, Any], path: str) -> int | None:
    found: Any = usage
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _usage(wire: Wire, counts: dict[str, int]) -> Usage:
    tokens_in, tokens_out, cached = (counts.get(name) for name in ("in", "out", "cached"))
    match wire:
        case Wire.ANTHROPIC:  # tells apart what OpenAI and Gemini tell as one
            if "fresh" in counts:
                tokens_in = sum(counts.get(name, 0) for name in ("fresh", "cached", "written"))
        case Wire.GEMINI if tokens_in is not None:  # its JSON leaves out whatever is zero
            tokens_in += counts.get("tools", 0)
            tokens_out = (tokens_out or 0) + counts.get("thoughts", 0)
            cached = cached or 0
    return Usage(tokens_in=tokens_in, tokens_out=tokens_out, tokens_cached=cached)
