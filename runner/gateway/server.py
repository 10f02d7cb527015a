"""The gateway itself: takes the calls of agents, passes them to the model server of their run, and counts."""

import asyncio
import hmac
import os
import secrets
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from runner.agents.base import Endpoint, Wire
from runner.gateway import wires
from runner.gateway.account import Account, Price, Upstream
from runner.gateway.call import Call, Refused, end_to_end, read_call
from runner.gateway.counting import Counter, Told
from runner.gateway.mask import Mask

CONNECT_SECONDS = 10
LINGER_SECONDS = 1
LARGEST_HEADER = 1 << 16
READ_AHEAD = 1 << 18
ACCEPTED = 300
_NOT_UNDERSTOOD = {400, 422}
_REASONS = (
    (aiohttp.ClientConnectorDNSError, "its name is not known"),
    (aiohttp.ClientConnectorCertificateError, "its certificate cannot be trusted"),
    (aiohttp.ClientConnectorSSLError, "it does not speak TLS as it should"),
    (TimeoutError, f"no connection within {CONNECT_SECONDS} s"),
    ((aiohttp.ServerDisconnectedError, ConnectionError), "it closed the connection"),
)
_UNASKED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Gateway:
    """Lets agents use model servers without ever holding a key.

    It listens on a port of 127.0.0.1 and, if a path is given, on a unix socket; both serve all accounts, which their
    tokens tell apart. Entering raises OSError where it cannot listen.
    """

    def __init__(self, socket: Path | None = None) -> None:
        self.port = 0
        self._socket = socket
        self._accounts: dict[bytes, Account] = {}
        self._session: aiohttp.ClientSession
        self._runner: web.ServerRunner

    async def __aenter__(self) -> Self:
        server = web.Server(
            self._serve,
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            lingering_time=LINGER_SECONDS,
            read_bufsize=READ_AHEAD,
            max_line_size=LARGEST_HEADER,
            max_field_size=LARGEST_HEADER,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=1)
        self._session = _new_session()
        try:
            await self._listen()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for account in list(self._accounts.values()):
            self.close(account)
        await self._stop()

    def open(
        self,
        upstream: Upstream,
        *,
        price: Price,
        max_cost: Decimal | None = None,
        max_tokens: int | None = None,
        max_calls: int | None = None,
    ) -> Account:
        """Return a new account, under a token of its own.

        Limits are in US dollars, in tokens in and out, cached ones too, and in answers; None is no limit.
        """
        token = f"sk-orch-{secrets.token_hex(24)}"
        endpoint = Endpoint(f"http://127.0.0.1:{self.port}{wires.prefix(upstream.wire)}", token)
        account = Account(upstream, endpoint, price, max_cost=max_cost, max_tokens=max_tokens, max_calls=max_calls)
        self._accounts[token.encode()] = account
        return account

    def close(self, account: Account) -> None:
        """Cut the account's calls under way, and know its token no longer."""
        self._accounts.pop(account.endpoint.key.encode(), None)
        for connection in list(account.connections):
            connection.abort()

    async def _listen(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        if self._socket is not None:
            await web.UnixSite(self._runner, self._socket).start()
            self._socket.chmod(0o666)  # agents may run as others; the port is open to them, too

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        account = self._account(wires.credentials(request.headers, query))
        if account is None:
            return _refuse(wires.guess(request.headers, path), 401, "This is not the token of a run that goes on.")
        try:
            return await self._pass_on(request, account, await read_call(request, account.upstream))
        except Refused as refused:
            return _refuse(account.upstream.wire, refused.status, str(refused))

    def _account(self, offered: Iterable[str]) -> Account | None:
        """Look at every account, so that the time it takes says nothing of any token."""
        tokens = [each.encode("utf-8", "surrogateescape") for each in offered]
        found = None
        for token, account in self._accounts.items():
            for each in tokens:
                if hmac.compare_digest(token, each):
                    found = account
        return found

    async def _pass_on(self, request: web.BaseRequest, account: Account, call: Call) -> web.StreamResponse:
        if (refusal := account.knock()) is not None:
            raise Refused(wires.refused(account.upstream.wire), f"Orch refuses this call: {refusal}.")
        connection = request.transport
        if connection is None or account.endpoint.key.encode() not in self._accounts:
            raise Refused(401, "This run is over.")  # since the reading of the call began
        account.connections.add(connection)
        try:
            async with await self._ask(account, call) as answer:
                return await self._relay(request, account, call, answer)
        finally:
            account.connections.discard(connection)

    async def _ask(self, account: Account, call: Call) -> aiohttp.ClientResponse:
        account.calls += call.wire is not None
        asking = None if account.plain else call.asking_for_usage()
        answer = await self._send(account, call, asking or call.body)
        if asking and answer.status in _NOT_UNDERSTOOD:
            answer.close()
            answer = await self._send(account, call, call.body)
            account.plain = answer.status < ACCEPTED
        return answer

    async def _send(self, account: Account, call: Call, body: bytes) -> aiohttp.ClientResponse:
        upstream = account.upstream
        headers = (*call.headers, wires.authorization(upstream.wire, upstream.key))
        try:
            return await self._session.request(
                call.method, call.url, headers=headers, data=body or None, allow_redirects=False
            )
        except asyncio.CancelledError:
            _count(account, call, Counter(account.upstream.wire))
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Refused(502, f"Orch cannot reach the model server {upstream.host}: {_reason(error)}.") from None

    async def _relay(
        self, request: web.BaseRequest, account: Account, call: Call, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """Pass an answer on as it comes; what the agent gets is cut off where the answer was."""
        mask, counter = Mask(account.upstream.key), Counter(call.wire or account.upstream.wire)
        headers = [(name, mask.text(value)) for name, value in end_to_end(answer.headers)]
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        if call.wire is not None:
            account.status = answer.status
        try:
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                counter.feed(chunk)
                await response.write(mask.feed(chunk))
            await response.write(mask.rest())
        except (aiohttp.ClientError, OSError):
            if request.transport is not None:
                request.transport.close()
        finally:
            if answer.status < ACCEPTED:
                _count(account, call, counter)
        return response


def _new_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=_UNASKED,
        read_bufsize=READ_AHEAD,
        max_line_size=LARGEST_HEADER,
        max_field_size=LARGEST_HEADER,
    )


def _refuse(wire: Wire, status: int, sentence: str) -> web.Response:
    return web.json_response(wires.error(wire, status, sentence), status=status)


def _count(account: Account, call: Call, counter: Counter) -> None:
    if call.takes_tokens:
        told = counter.told()
        account.count(told, _models(told, call))


def _models(told: Told, call: Call) -> Iterator[str]:
    """Yield the names by which a price may be known; the body of a call is read only if the answer's own is not."""
    if told.model:
        yield told.model
    if asked := call.model:
        yield asked


def _reason(error: Exception) -> str:
    """Say what is wrong without the words of an error, which may hold the request."""
    for kinds, reason in _REASONS:
        if isinstance(error, kinds):
            return reason
    if isinstance(error, aiohttp.ClientConnectorError) and error.errno:
        return os.strerror(error.errno)
    return "it cannot be connected to, or its answer is not HTTP"
