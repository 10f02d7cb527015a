"""Put load on a webhook from a process of its own: so many connections, each with one delivery under way."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle

from tests.bench.payload import Payload, deliveries

WARM_UP = 1.0


@dataclass(slots=True)
class Tally:
    """What was answered after `since`; durations in seconds.

    `refused` counts answers that are not 2xx, `answered` all answers, those before `since` too.
    """

    since: float
    until: float
    durations: list[float] = field(default_factory=list)
    answered: int = 0
    refused: int = 0

    def note(self, sent: float, status: int) -> None:
        now = time.perf_counter()
        self.answered += 1
        if self.since <= sent and now <= self.until:
            if 200 <= status < 300:
                self.durations.append(now - sent)
            else:
                self.refused += 1


class Caller(asyncio.Protocol):
    """One connection: send, wait for the whole answer, send the next."""

    def __init__(self, path: str, name: str, payloads: Iterator[Payload], tally: Tally) -> None:
        self._path, self._name, self._payloads, self._tally = path, name, payloads, tally
        self._sent = 0.0
        self._count = 0
        self._answer = b""
        self._transport: asyncio.Transport
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not _is_whole(self._answer):
            return
        self._tally.note(self._sent, int(self._answer[9:12]))
        self._answer = b""
        if time.perf_counter() < self._tally.until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if time.perf_counter() < self._tally.until:
            self.ended.set_exception(error or ConnectionError("the server closed the connection"))
        else:
            self.ended.set_result(None)

    def _send(self) -> None:
        payload = next(self._payloads)
        self._count += 1
        head = (
            f"POST {self._path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: GitHub-Hookshot/bench\r\nAccept: */*\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(payload.body)}\r\nX-GitHub-Event: issues\r\n"
            f"X-GitHub-Hook-ID: 1\r\nX-GitHub-Delivery: {self._name}-{self._count:012d}\r\n"
            f"X-GitHub-Hook-Installation-Target-ID: 1\r\nX-GitHub-Hook-Installation-Target-Type: integration\r\n"
            f"X-Hub-Signature-256: {payload.signature}\r\n\r\n"
        )
        self._sent = time.perf_counter()
        self._transport.write(head.encode() + payload.body)


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    fields = head.lower()
    if b"transfer-encoding: chunked" in fields:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0])


async def put_load(port: int, path: str, connections: int, seconds: float) -> dict[str, float]:
    """Return rate and latencies (milliseconds) of what was answered after the warm-up."""
    payloads = cycle(deliveries())
    begin = time.perf_counter() + WARM_UP
    tally = Tally(begin, begin + seconds)
    loop = asyncio.get_running_loop()
    callers = []
    for number in range(connections):
        name = f"{os.getpid():08x}-{number:04d}"
        _, caller = await loop.create_connection(partial(Caller, path, name, payloads, tally), "127.0.0.1", port)
        callers.append(caller)
    await asyncio.gather(*(caller.ended for caller in callers))
    return _summary(tally, seconds)


def _summary(tally: Tally, seconds: float) -> dict[str, float]:
    durations = sorted(tally.durations)
    if not durations:
        raise RuntimeError(f"no delivery was taken, {tally.refused} were refused")
    last = len(durations) - 1
    p50, p99 = (durations[round(last * share)] * 1000 for share in (0.5, 0.99))
    rate = len(durations) / seconds
    return {"rate": rate, "p50": p50, "p99": p99, "answered": tally.answered, "refused": tally.refused}


def main() -> None:
    port, path, connections, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(put_load(int(port), path, int(connections), float(seconds)))))


if __name__ == "__main__":
    main()
