"""The gateway between an agent and a model server, over real HTTP: who gets through, what passes, what it costs."""

import asyncio
import json
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from app.domain.outcomes import Usage
from runner.agents.base import Wire
from runner.gateway.account import NOTHING, Upstream
from runner.prices import price
from tests.integration.gateway_stage import (
    ANSWERS,
    CHAT_ANSWER,
    COUNTED,
    KEY,
    PATHS,
    Stage,
    a_dollar,
    begin_stream,
    event,
    gives,
    new_stage,
)

MEGABYTE = 1 << 20
wires = pytest.mark.parametrize("wire", list(Wire))
KEY_HEADERS = {
    Wire.ANTHROPIC: ("x-api-key", KEY),
    Wire.OPENAI_CHAT: ("Authorization", f"Bearer {KEY}"),
    Wire.OPENAI_RESPONSES: ("Authorization", f"Bearer {KEY}"),
    Wire.GEMINI: ("x-goog-api-key", KEY),
}
GIVEN = {
    "bearer": lambda token: ({"Authorization": f"bearer {token}"}, {}),
    "x-api-key": lambda token: ({"X-Api-Key": token}, {}),
    "x-goog-api-key": lambda token: ({"x-goog-api-key": token}, {}),
    "query": lambda token: ({}, {"alt": "sse", "key": token}),
    "two at once": lambda token: ({"x-api-key": token, "Authorization": "Bearer of-another-server"}, {}),
}


def error_of(wire: Wire, said: dict[str, Any]) -> tuple[Any, str]:
    """Return what clients of the wire read: the kind of an error, and its message."""
    error = said["error"]
    assert said.get("type") == ("error" if wire is Wire.ANTHROPIC else None)
    return error["status" if wire is Wire.GEMINI else "type"], error["message"]


async def raw(stage: Stage, head: str) -> bytes:
    """Send a request as it stands, with the token, and return the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.gateway.port)
    token = stage.account.endpoint.key
    writer.write(f"{head}\r\nHost: x\r\nConnection: close\r\nx-api-key: {token}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


# Who gets through, and where to


@wires
@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
async def test_the_server_gets_the_key_and_never_the_token(wire: Wire, given: Any) -> None:
    async with new_stage(gives(), wire) as stage:
        token = stage.account.endpoint.key
        headers, query = given(token)
        async with stage.agent.post(stage.url, headers=headers, params=query, json={}) as answer:
            assert answer.status == 200
        (asked,) = stage.asked
        assert {name: value for name, value in asked.headers.items() if KEY in value} == dict([KEY_HEADERS[wire]])
        assert token not in repr(asked)
        assert "another-server" not in repr(asked)
        assert asked.line == f"POST /base{PATHS[wire]}" + ("?alt=sse" if query else "")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer no"}, {"Authorization": "Basic eDp5"}])
@wires
async def test_a_stranger_is_refused_in_words_that_its_client_reads(wire: Wire, headers: dict[str, str]) -> None:
    async with new_stage(gives(), wire) as stage, stage.agent.post(stage.url, headers=headers, json={}) as answer:
        assert answer.status == 401
        kind = "UNAUTHENTICATED" if wire is Wire.GEMINI else "authentication_error"
        assert error_of(wire, await answer.json()) == (kind, "This is not the token of a run that goes on.")
        assert stage.asked == []


async def test_each_token_reaches_its_own_server() -> None:
    async with new_stage(gives()) as stage, new_stage(gives({}, 404)) as other:
        account = stage.gateway.open(other.account.upstream, price=a_dollar)
        headers = {"Authorization": f"Bearer {account.endpoint.key}"}
        async with stage.agent.post(stage.url, headers=headers) as answer:
            assert answer.status == 404
        assert (len(stage.asked), len(other.asked)) == (0, 1)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/../admin",
        "/v1/%2e%2E/admin",
        "/v1/%252e%252e/admin",
        "/v1/..%2fadmin",
        "/v1/..%5cadmin",
        "/v1/..;/admin",
        "/v1/./models",
        "/models",
        "/",
        "/v1",
        "*",
        "http://127.0.0.1:9/v1/models",
        "//127.0.0.1:9/v1/models",
        "@127.0.0.1:9/v1/models",
    ],
)
async def test_nothing_but_what_lies_below_the_server_s_address_can_be_reached(target: str) -> None:
    async with new_stage(gives()) as stage:
        answer = await raw(stage, f"GET {target} HTTP/1.1")
        assert answer.split(b" ", 2)[1] in {b"400", b"404"}
        assert stage.asked == []


async def test_it_is_no_tunnel() -> None:
    async with new_stage(gives()) as stage:
        answer = await raw(stage, f"CONNECT 127.0.0.1:{stage.server.port} HTTP/1.1")
        assert answer.split(b" ", 2)[1] in {b"400", b"404"}
        assert stage.asked == []


@pytest.mark.parametrize("path", ["/v1/models/a%2Fb", "/v1/models/a..b", "/v1/files?after=a/../b&q=a%20b+c"])
async def test_an_ordinary_path_arrives_as_it_is_written(path: str) -> None:
    async with new_stage(gives()) as stage:
        await raw(stage, f"GET {path} HTTP/1.1")
        assert [asked.line for asked in stage.asked] == [f"GET /base{path.removeprefix('/v1')}"]


async def test_a_redirect_is_passed_on_and_not_followed() -> None:
    async with new_stage(gives()) as other, new_stage(gives(None, 307, Location=other.url)) as stage:
        async with stage.agent.post(stage.url, headers=stage.token, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (307, other.url)
        assert other.asked == []


async def test_agents_may_call_over_a_unix_socket(tmp_path: Path) -> None:
    socket = tmp_path / "gateway.sock"
    connector = aiohttp.UnixConnector(str(socket))
    async with (
        new_stage(gives(), socket=socket) as stage,
        aiohttp.ClientSession(connector=connector) as agent,
        agent.post("http://gateway/v1/chat/completions", headers=stage.token) as answer,
    ):
        assert answer.status == 200
    assert not socket.exists()


# What passes


async def test_status_headers_and_body_pass_as_they_are() -> None:
    body = {"error": {"message": "slow down", "type": "rate_limit_error"}}
    async with new_stage(gives(body, 429, Retry_After="7", X_Request_Id="r1")) as stage, stage.call() as answer:
        assert (answer.status, await answer.read()) == (429, json.dumps(body).encode())
        assert (answer.headers["retry-after"], answer.headers["x-request-id"]) == ("7", "r1")
        assert stage.account.status == 429


async def test_headers_of_the_agent_pass_but_for_those_of_its_connection() -> None:
    async with new_stage(gives()) as stage:
        headers = {**stage.token, "anthropic-beta": "x", "Cookie": "c=1", "Connection": "x-hop", "X-Hop": "1"}
        async with stage.agent.post(stage.url, headers=headers, data=b"{}", skip_auto_headers=["User-Agent"]):
            pass
        (asked,) = stage.asked
        assert asked.headers == {
            "Host": f"127.0.0.1:{stage.server.port}",
            "Accept": "*/*",
            "anthropic-beta": "x",
            "Content-Type": "application/octet-stream",
            "Content-Length": "2",
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {KEY}",
        }


async def test_each_piece_of_a_stream_comes_when_it_was_sent() -> None:
    arrived = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = await begin_stream(request)
        for number in range(3):
            await response.write(event(number))
            await arrived.wait()
            arrived.clear()
        return response

    async with new_stage(answer) as stage, stage.call() as stream:
        for number in range(3):
            assert await stream.content.readuntil(b"\n\n") == event(number)
            arrived.set()
        assert await stream.read() == b""


async def test_a_stream_of_50_megabytes_needs_little_memory() -> None:
    block = event({"choices": [{"delta": {"content": "x" * 1000}}], "usage": None}) * 64

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = await begin_stream(request)
        for _ in range(50 * MEGABYTE // len(block)):
            await response.write(block)
        await response.write(event(CHAT_ANSWER))
        return response

    async with new_stage(answer) as stage:
        tracemalloc.start()
        try:
            async with stage.call() as stream:
                size = sum([len(chunk) async for chunk in stream.content.iter_any()])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size > 49 * MEGABYTE
        assert peak < 8 * MEGABYTE
        assert stage.account.usage == COUNTED


async def test_an_agent_that_does_not_read_stops_the_stream() -> None:
    written = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal written
        response = await begin_stream(request)
        for _ in range(400):
            await response.write(b"x" * MEGABYTE)
            written += 1
        return response

    async with new_stage(answer) as stage, stage.call():
        while not written:  # noqa: ASYNC110 - looking is all that is told
            await asyncio.sleep(0.01)
        while await _grows(lambda: written):
            pass
        assert 0 < written < 100


async def _grows(count: Any) -> bool:
    before = count()
    await asyncio.sleep(0.2)
    return bool(count() > before)


async def test_a_stream_that_is_cut_off_is_cut_off_for_the_agent_too() -> None:
    heard = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = await begin_stream(request)
        await response.write(event({"type": "message_start", "message": {"usage": {"input_tokens": 9}}}))
        await heard.wait()  # what is cut off takes what was not yet read with it
        assert request.transport
        request.transport.abort()
        return response

    async with new_stage(answer, Wire.ANTHROPIC) as stage, stage.call() as stream:
        assert b"message_start" in await stream.content.readuntil(b"\n\n")
        heard.set()
        with pytest.raises(aiohttp.ClientPayloadError):
            await stream.read()
        assert stage.account.at_least.tokens_in == 9
        assert stage.account.usage == Usage(tokens_in=9)


async def test_a_call_that_its_agent_gives_up_ends_at_the_server() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async with new_stage(answer) as stage:
        call = asyncio.create_task(stage.said())
        await begun.wait()
        call.cancel()
        await asyncio.wait_for(ended.wait(), 60)
        assert stage.account.usage == Usage()  # the server may have worked until then


async def test_a_key_that_the_server_says_aloud_does_not_pass() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = await begin_stream(request, Echo=f"Bearer {KEY}")
        for piece in (KEY[:7], KEY[7:] + ".", KEY):
            await response.write(piece.encode())
            await asyncio.sleep(0.02)
        return response

    async with new_stage(answer) as stage, stage.call() as stream:
        assert stream.headers["Echo"] == "Bearer " + "*" * len(KEY)
        assert await stream.text() == "*" * len(KEY) + "." + "*" * len(KEY)


@wires
async def test_a_server_that_cannot_be_reached_is_named_without_its_key(wire: Wire) -> None:
    async with new_stage(gives(), wire) as stage:
        await stage.server.close()
        status, body = await stage.said()
        assert (status, *error_of(wire, json.loads(body))) == (
            502,
            "UNAVAILABLE" if wire is Wire.GEMINI else "api_error",
            f"Orch cannot reach the model server {stage.account.upstream.host}: Connection refused.",
        )


async def test_a_server_that_speaks_no_http_is_an_error_of_the_server() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com\r\n")
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server, new_stage(gives()) as stage:
        port = server.sockets[0].getsockname()[1]
        stage.account.upstream = Upstream(f"http://127.0.0.1:{port}", KEY, Wire.OPENAI_CHAT)
        status, body = await stage.said()
        assert (status, b"its answer is not HTTP" in body) == (502, True)


async def test_a_request_that_is_too_large_is_refused_before_it_is_sent() -> None:
    async with new_stage(gives()) as stage:
        answer = await raw(stage, f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {65 * MEGABYTE}")
        assert answer.split(b" ", 2)[1] == b"413"


# What it costs


async def test_many_calls_at_once_are_all_counted() -> None:
    async with new_stage(gives()) as stage:
        answers = await asyncio.gather(*(stage.said() for _ in range(50)))
        assert {status for status, _ in answers} == {200}
        assert stage.account.calls == 50
        assert stage.account.usage == Usage(tokens_in=500, tokens_out=250, tokens_cached=100, cost=Decimal(50))


async def test_what_is_no_model_call_is_not_counted() -> None:
    async with new_stage(gives({"data": []})) as stage:
        async with stage.agent.get(f"{stage.account.endpoint.url}/models", headers=stage.token) as answer:
            assert answer.status == 200
        assert stage.account.usage == NOTHING
        assert (stage.account.calls, stage.account.status) == (0, None)


async def test_a_call_of_a_kind_unknown_here_makes_the_usage_unknown() -> None:
    async with new_stage(gives({"id": "batch_1"})) as stage:
        async with stage.agent.post(f"{stage.account.endpoint.url}/batches", headers=stage.token, json={}):
            pass
        assert (stage.account.usage, stage.account.calls) == (Usage(), 0)


async def test_a_server_is_asked_to_tell_the_usage_of_a_stream() -> None:
    async with new_stage(gives()) as stage:
        await stage.said(model="m", stream=True, stream_options={"x": 1}, messages=["é"])
        assert json.loads(stage.asked[0].body) == {
            "model": "m",
            "stream": True,
            "stream_options": {"x": 1, "include_usage": True},
            "messages": ["é"],
        }


@pytest.mark.parametrize(
    "body", [{"stream": False}, {}, {"stream": True, "stream_options": {"include_usage": True}}, {"stream": "yes"}]
)
async def test_a_request_that_needs_no_asking_arrives_as_it_was_written(body: dict[str, Any]) -> None:
    async with new_stage(gives()) as stage:
        await stage.said(**body)
        assert stage.asked[0].body == json.dumps(body).encode()


async def test_a_server_that_does_not_want_to_be_asked_is_asked_no_more() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({}, status=422 if b"stream_options" in await request.read() else 200)

    async with new_stage(answer) as stage:
        statuses = [(await stage.said(stream=True))[0] for _ in range(2)]
        assert statuses == [200, 200]
        assert [b"stream_options" in asked.body for asked in stage.asked] == [True, False, False]
        assert stage.account.usage == Usage()


async def test_an_answer_compressed_against_our_wish_passes_and_is_not_counted() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.json_response(CHAT_ANSWER)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with new_stage(answer) as stage, stage.call() as said:
        assert (said.headers["Content-Encoding"], await said.json()) == ("gzip", CHAT_ANSWER)
        assert stage.account.usage == Usage()
        assert stage.account.unmetered == "an answer did not tell how many tokens it took"


@wires
async def test_a_limit_in_dollars_ends_the_run_at_the_call_after(wire: Wire) -> None:
    async with new_stage(gives(ANSWERS[wire]), wire, max_cost=Decimal(2)) as stage:
        assert [(await stage.said())[0] for _ in range(2)] == [200, 200]
        assert stage.account.spent.is_set()
        status, body = await stage.said()
        assert status == (403 if wire is Wire.ANTHROPIC else 400)
        assert error_of(wire, json.loads(body))[1] == "Orch refuses this call: the run has spent $2.00 of $2.00."
        assert (len(stage.asked), stage.account.calls) == (2, 2)
        assert stage.account.usage == Usage(tokens_in=20, tokens_out=10, tokens_cached=4, cost=Decimal(2))


async def test_a_limit_in_tokens_counts_those_in_and_out() -> None:
    async with new_stage(gives(), max_tokens=30) as stage:
        assert [(await stage.said())[0] for _ in range(3)] == [200, 200, 400]
        assert stage.account.refusal == "the run has used 30 of 30 tokens"


async def test_a_limit_in_answers_holds_whatever_they_cost() -> None:
    async with new_stage(gives(), max_calls=2) as stage:
        assert [(await stage.said())[0] for _ in range(2)] == [200, 200]
        assert not stage.account.spent.is_set()  # whoever needs no more is done
        assert (await stage.said())[0] == 400
        assert stage.account.spent.is_set()
        assert stage.account.refusal == "the model has answered 2 times, which is the limit"


async def test_an_unknown_price_stops_nobody_and_is_told() -> None:
    async with new_stage(gives(), price=lambda *_, **__: None, max_cost=Decimal(1)) as stage:
        assert [(await stage.said(model="y"))[0] for _ in range(2)] == [200, 200]
        assert stage.account.usage == Usage(tokens_in=20, tokens_out=10, tokens_cached=4, cost=None)
        assert stage.account.at_least.cost == 0
        assert stage.account.unmetered == "the price of y is not known"
        assert not stage.account.spent.is_set()


async def test_the_known_part_of_the_cost_keeps_the_limit() -> None:
    prices = iter([None, Decimal(3)])
    async with new_stage(gives(), price=lambda *_, **__: next(prices), max_cost=Decimal(3)) as stage:
        assert [(await stage.said())[0] for _ in range(3)] == [200, 200, 400]
        assert stage.account.usage.cost is None


async def test_the_model_that_was_asked_for_has_a_price_where_the_one_that_answered_has_none() -> None:
    said = {**ANSWERS[Wire.GEMINI], "modelVersion": "internal-name"}
    async with new_stage(gives(said), Wire.GEMINI, price=price) as stage:
        url = stage.url.replace("gemini-x", "gemini-3.8-flash")
        async with stage.agent.post(url, headers=stage.token, json={}) as answer:
            assert answer.status == 200
        assert stage.account.usage.cost is not None


async def test_errors_cost_nothing() -> None:
    async with new_stage(gives({"error": {}}, 500)) as stage:
        assert (await stage.said())[0] == 500
        assert stage.account.usage == NOTHING
        assert (stage.account.status, stage.account.unmetered) == (500, None)


# How it ends


async def test_after_a_refusal_no_call_gets_through() -> None:
    async with new_stage(gives()) as stage:
        stage.account.refuse("somebody cancelled the run")
        stage.account.refuse("another reason")
        status, body = await stage.said()
        assert (status, b"somebody cancelled the run" in body) == (400, True)
        assert (stage.asked, stage.account.spent.is_set()) == ([], False)


async def test_with_its_account_a_running_call_ends_and_the_token_is_no_longer_known() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await (await begin_stream(request)).write(event(1))
        await asyncio.Event().wait()
        raise AssertionError

    async with new_stage(answer) as stage:
        async with stage.call() as stream:
            await stream.content.readuntil(b"\n\n")
            stage.gateway.close(stage.account)
            with pytest.raises(aiohttp.ClientError):
                await stream.read()
        assert (await stage.said())[0] == 401


async def test_a_gateway_that_closes_waits_for_nobody() -> None:
    begun = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with aiohttp.ClientSession() as agent:
        async with asyncio.timeout(60), new_stage(answer) as stage:
            call = asyncio.create_task(_status(agent, stage))
            await begun.wait()
        with pytest.raises(aiohttp.ClientError):
            await call


async def _status(agent: aiohttp.ClientSession, stage: Stage) -> int:
    async with agent.post(stage.url, headers=stage.token, json={}) as answer:
        return answer.status


# What people may see


def test_no_key_is_in_the_repr_of_anything() -> None:
    assert KEY not in repr(Upstream("https://api.example.com", KEY, Wire.ANTHROPIC))


async def test_no_token_is_in_the_repr_of_an_account() -> None:
    async with new_stage(gives()) as stage:
        assert stage.account.endpoint.key not in repr(stage.account) + repr(stage.account.endpoint)


@pytest.mark.parametrize(
    "url",
    [
        "api.example.com",
        "ftp://a.example",
        "https://",
        "https://u:p@a.example",
        "https://a.example/?x=1",
        "http://a/#x",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the address of a model server"):
        Upstream(url, KEY, Wire.ANTHROPIC)


@pytest.mark.parametrize("key", ["", "two words", "a\nb", "schlüssel"])
def test_a_key_that_fits_no_header_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="the key of a model server is one word") as refused:
        Upstream("https://a.example", key, Wire.ANTHROPIC)
    assert not key or key not in str(refused.value)
