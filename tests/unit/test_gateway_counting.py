"""Counting: what each wire tells of a call, whole, in pieces, cut off, or not at all."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.outcomes import Usage
from runner.agents.base import Wire
from runner.gateway.counting import LONGEST, Counter, Told
from runner.gateway.mask import Mask

KEY = "key-of-the-provider"
ANTHROPIC_USAGE = {
    "input_tokens": 1000,
    "cache_read_input_tokens": 200,
    "cache_creation_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    "output_tokens": 1,
}
CHAT_USAGE = {"prompt_tokens": 1200, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 200}}
RESPONSES_USAGE = {"input_tokens": 1200, "output_tokens": 50, "input_tokens_details": {"cached_tokens": 200}}
GEMINI_USAGE = {
    "promptTokenCount": 1100,
    "toolUsePromptTokenCount": 100,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 30,
    "cachedContentTokenCount": 200,
}
USAGE = Usage(tokens_in=1200, tokens_out=50, tokens_cached=200)


def sse(*events: Any) -> bytes:
    return b"".join(
        b"event: x\ndata: " + (each.encode() if isinstance(each, str) else json.dumps(each).encode()) + b"\n\n"
        for each in events
    )


STREAMS: dict[Wire, tuple[bytes, Told]] = {
    Wire.ANTHROPIC: (
        sse(
            {"type": "message_start", "message": {"model": "m", "usage": ANTHROPIC_USAGE}},
            {"type": "content_block_delta", "delta": {"text": 'says "usage": {'}},
            {"type": "message_delta", "usage": {"output_tokens": 50}},
            {"type": "message_stop"},
        ),
        Told("m", Usage(tokens_in=1230, tokens_out=50, tokens_cached=200), written=30, written_1h=20),
    ),
    Wire.OPENAI_CHAT: (
        sse(
            {"model": "m", "choices": [{"delta": {"content": "a"}}], "usage": None},
            {"model": "m", "choices": [], "usage": CHAT_USAGE},
            "[DONE]",
        ),
        Told("m", USAGE),
    ),
    Wire.OPENAI_RESPONSES: (
        sse(
            {"type": "response.created", "response": {"model": "m", "usage": None}},
            {"type": "response.completed", "response": {"model": "m", "usage": RESPONSES_USAGE}},
        ),
        Told("m", USAGE),
    ),
    Wire.GEMINI: (
        sse(
            {"modelVersion": "m", "usageMetadata": {"promptTokenCount": 1100, "totalTokenCount": 1100}},
            {"modelVersion": "m", "usageMetadata": GEMINI_USAGE},
        ),
        Told("m", USAGE),
    ),
}
WHOLE: dict[Wire, tuple[Any, Told]] = {
    Wire.ANTHROPIC: (
        {"model": "m", "usage": ANTHROPIC_USAGE},
        Told("m", Usage(tokens_in=1230, tokens_out=1, tokens_cached=200), written=30, written_1h=20),
    ),
    Wire.OPENAI_CHAT: ({"model": "m", "usage": CHAT_USAGE}, Told("m", USAGE)),
    Wire.OPENAI_RESPONSES: ({"object": "response", "model": "m", "usage": RESPONSES_USAGE}, Told("m", USAGE)),
    Wire.GEMINI: (
        [{"candidates": [], "modelVersion": "m"}, {"modelVersion": "m", "usageMetadata": GEMINI_USAGE}],
        Told("m", USAGE),
    ),
}
wires = pytest.mark.parametrize("wire", list(Wire))


def pieces(data: bytes, cuts: set[int]) -> list[bytes]:
    return [data[begin:end] for begin, end in pairwise([0, *sorted(cuts), len(data)])]


def told(wire: Wire, *chunks: bytes) -> Told:
    counter = Counter(wire)
    for chunk in chunks:
        counter.feed(chunk)
    return counter.told()


@wires
def test_a_stream_tells_model_and_tokens(wire: Wire) -> None:
    stream, expected = STREAMS[wire]
    assert told(wire, stream) == expected


@wires
def test_a_whole_answer_tells_model_and_tokens(wire: Wire) -> None:
    said, expected = WHOLE[wire]
    assert told(wire, json.dumps(said, indent=1).encode()) == expected


@wires
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@given(cuts=st.sets(st.integers(0, 900)))
def test_it_does_not_matter_where_a_stream_is_cut_into_pieces(wire: Wire, newline: bytes, cuts: set[int]) -> None:
    stream, expected = STREAMS[wire]
    assert told(wire, *pieces(stream.replace(b"\n", newline), cuts)) == expected


def test_what_was_told_before_a_stream_was_cut_off_counts() -> None:
    stream = STREAMS[Wire.ANTHROPIC][0]
    assert told(Wire.ANTHROPIC, stream[: stream.index(b"message_delta") + 5]).usage == Usage(
        tokens_in=1230, tokens_out=1, tokens_cached=200
    )


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert told(Wire.OPENAI_CHAT, sse({"model": "m", "usage": CHAT_USAGE})[:-2]) == Told("m", USAGE)


def test_an_event_may_have_several_lines_of_data() -> None:
    lines = json.dumps({"model": "m", "usage": CHAT_USAGE}, indent=1).replace("\n", "\ndata: ")
    assert told(Wire.OPENAI_CHAT, f": ping\n\ndata: {lines}\n\n".encode()) == Told("m", USAGE)


@pytest.mark.parametrize(
    ("extra", "cached"),
    [
        ({}, None),
        ({"prompt_cache_hit_tokens": 7}, 7),
        ({"cached_tokens": 7}, 7),
        ({"prompt_tokens_details": None}, None),
    ],
)
def test_servers_of_openai_s_chat_tell_cached_tokens_in_ways_of_their_own(extra: Any, cached: int | None) -> None:
    said = {"usage": {"prompt_tokens": 9, "completion_tokens": 1, **extra}}
    assert told(Wire.OPENAI_CHAT, json.dumps(said).encode()).usage == Usage(
        tokens_in=9, tokens_out=1, tokens_cached=cached
    )


def test_gemini_leaves_out_what_is_zero() -> None:
    said = {"usageMetadata": {"promptTokenCount": 9}}
    assert told(Wire.GEMINI, json.dumps(said).encode()).usage == Usage(tokens_in=9, tokens_out=0, tokens_cached=0)


@wires
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff\xfe\x00",
        b"<html>usage</html>",
        b"[" * 100_000 + b'"usage":{',
        b'{"usage": 7}',
        b'{"usage": {"input_tokens": "7", "prompt_tokens": -1, "promptTokenCount": true}, "model": ["m"]}',
        b'data: {"usage": {\n\n',
        b"data: nothing to see\n\n",
        b'{"choices": []}',
        b"7",
        b"\x1f\x8b\x08\x00",
    ],
)
def test_an_answer_that_tells_nothing_leaves_everything_unknown(wire: Wire, answer: bytes) -> None:
    assert told(wire, answer) == Told(None, Usage())


@wires
@given(
    chunks=st.lists(st.binary(max_size=40) | st.sampled_from([b'"usage":{', b"data:", b"\n\n", b"\r\n", b"}", b"{"]))
)
def test_it_survives_any_bytes(wire: Wire, chunks: list[bytes]) -> None:
    assert told(wire, *chunks).usage.cost is None


def test_an_event_that_is_too_long_is_skipped_and_the_next_one_is_read() -> None:
    piece = b"x" * (1 << 20)
    long = [b'data: {"a": "', *[piece] * (LONGEST // len(piece) + 1), b'"}\n\n']
    assert told(Wire.OPENAI_CHAT, *long, STREAMS[Wire.OPENAI_CHAT][0]) == Told("m", USAGE)


def test_a_whole_answer_that_is_too_long_tells_nothing() -> None:
    said = json.dumps({"text": "x" * LONGEST, "usage": CHAT_USAGE}).encode()
    assert told(Wire.OPENAI_CHAT, said[:100], said[100:]) == Told(None, Usage())


@given(cuts=st.sets(st.integers(0, 100)))
def test_a_secret_is_masked_however_it_is_cut(cuts: set[int]) -> None:
    text = f"{KEY[:5]}{KEY}{KEY} and {KEY[:-1]}".encode()
    mask = Mask(KEY)
    passed = b"".join(mask.feed(piece) for piece in pieces(text, cuts)) + mask.rest()
    assert passed == text.replace(KEY.encode(), b"*" * len(KEY))


def test_a_placeholder_for_a_key_is_no_secret() -> None:
    mask = Mask("ollama")
    assert (mask.feed(b"ollama"), mask.text("ollama")) == (b"ollama", "ollama")


def test_what_cannot_be_a_secret_is_passed_on_at_once() -> None:
    assert Mask(KEY).feed(b"data: {}\n\n") == b"data: {}\n\n"
