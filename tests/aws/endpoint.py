"""An address of AWS on loopback that says what it is told to say, and keeps what it was asked."""

import json
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; `operation` is `SendMessage` and the like, or method and path where there is none."""

    operation: str
    body: bytes
    headers: Mapping[str, str]
    port: int
    """The port of the caller: the same for all requests over one connection."""

    @property
    def arguments(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Endpoint:
    """What is answered per operation: an object, or a list of such, the last of which is said again and again.

    `statuses` are those of the next answers, 200 after them; 0 hangs up instead. With `hangs_up` each connection is
    closed after its answer, without a word.
    """

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    hangs_up: bool = False
    asked: list[Asked] = field(default_factory=list)

    def count(self, operation: str) -> int:
        return sum(asked.operation == operation for asked in self.asked)

    @property
    def environment(self) -> dict[str, str]:
        """Return what Lambda sets, so that this is asked."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example-secret-key",
            "AWS_SESSION_TOKEN": "example-session-token",
        }

    def answer_to(self, operation: str) -> Any:
        answer = self.answers.get(operation, {})
        if not isinstance(answer, list):
            return answer
        return answer.pop(0) if len(answer) > 1 else answer[0]


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            target = headers.get("x-amz-target", "").rpartition(".")[2]
            body = self.rfile.read(int(headers.get("content-length", 0)))
            operation = target or f"{self.command} {self.path}"
            endpoint.asked.append(Asked(operation, body, headers, self.client_address[1]))
            status = endpoint.statuses.pop(0) if endpoint.statuses else 200
            self.close_connection = endpoint.hangs_up or not status
            if status:
                self._answer(status, json.dumps(endpoint.answer_to(operation)).encode())

        do_PUT = do_POST

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def serving(tls: ssl.SSLContext | None = None, **answers: Any) -> Iterator[Endpoint]:
    """Serve an endpoint on a free port, over TLS if a context is given; answers are by operation."""
    endpoint = Endpoint(answers=answers)
    with _Server(("127.0.0.1", 0), _handler(endpoint)) as server:
        endpoint.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":  # for benches: answers as JSON, the address to standard output, until killed
    with serving(**json.loads(sys.argv[1])) as opened:
        print(opened.url, flush=True)
        while True:
            opened.asked.clear()
            time.sleep(1)
