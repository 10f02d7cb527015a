"""ECS on loopback: tasks that are started once for each token, in lists that may lag behind; it starts nothing."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE = 3


@dataclass(slots=True)
class Task:
    """A task that was started; `ended` when it is none any more."""

    arn: str
    asked: dict[str, Any]
    since: datetime
    ended: bool = False


@dataclass(slots=True)
class Ecs:
    """What is started, and what goes wrong.

    `full` has no room, `refuses` is the code of every answer, and none comes until `answers` is set.
    """

    now: Callable[[], datetime]
    endpoint: str = ""
    lag: timedelta = timedelta()
    full: bool = False
    refuses: str = ""
    tasks: list[Task] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    def begin_again(self, now: Callable[[], datetime]) -> None:
        """Forget all, and go by another clock."""
        self.now, self.lag, self.full, self.refuses = now, timedelta(), False, ""
        self.tasks, self.asked = [], []
        self.answers.set()

    @property
    def alive(self) -> list[Task]:
        return [task for task in self.tasks if not task.ended]

    def answer(self, operation: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one call, in ECS's words."""
        self.answers.wait()
        if self.refuses:
            return 400, {"__type": self.refuses, "message": "as the test says"}
        return 200, (self._list(asked) if operation == "ListTasks" else self._run(asked))

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert (asked["family"], asked["desiredStatus"]) == ("runner", "RUNNING")
        start = int(asked.get("nextToken", 0))
        seen = [task.arn for task in self.alive if task.since + self.lag <= self.now()]
        more = {"nextToken": str(start + PAGE)} if len(seen) > start + PAGE else {}
        return {"taskArns": seen[start : start + PAGE], **more}

    def _run(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(asked)
        known = [task for task in self.tasks if task.asked["clientToken"] == asked["clientToken"]]
        if self.full and not known:
            return {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time"}]}
        if not known:
            arn = f"arn:aws:ecs:eu-central-1:000000000000:task/orch/{len(self.tasks)}"
            self.tasks.append(Task(arn, asked, self.now()))
            known = self.tasks[-1:]
        assert known[0].asked == asked, "ECS takes a token only for what it was given for"
        return {"tasks": [{"taskArn": known[0].arn}], "failures": []}


@contextmanager
def serving(ecs: Ecs) -> Iterator[Ecs]:
    """Answer boto3 on a port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(ecs))
    server.daemon_threads = True
    ecs.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield ecs
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(ecs: Ecs) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = ecs.answer(self.headers["X-Amz-Target"].rpartition(".")[2], asked)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    return Handler
