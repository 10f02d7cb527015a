"""AWS on loopback: ministack as a process, and a clock that runs as fast as its own."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

from infra.aws.clients import Clients

REGION = "eu-central-1"
ACCOUNT = "000000000000"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
PATIENCE = 120.0


@dataclass(slots=True)
class Stack:
    """A ministack that runs. `environment` is what boto3 in a process needs to reach it."""

    endpoint: str
    process: "subprocess.Popen[str]"
    late: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def clients(self) -> Iterator[Clients]:
        """Open clients that reach it."""
        clients = Clients(region=REGION, endpoint=self.endpoint)
        try:
            yield clients
        finally:
            clients.close()

    def pass_time(self, seconds: float) -> None:
        """Put the clock forward, and return when it is."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        while self.process.stdout.readline().strip() != "later":
            assert self.process.poll() is None, "ministack is gone"
        self.late += seconds

    def now(self) -> datetime:
        """Return the time of its clock."""
        return datetime.now(UTC) + timedelta(seconds=self.late)


@dataclass(frozen=True, slots=True)
class StackClock:
    """Implement `app.ports.Clock`: the time of a stack. What sleeps notices soon that the clock was put forward."""

    stack: Stack

    def now(self) -> datetime:
        return self.stack.now()

    async def sleep(self, seconds: float) -> None:
        until = self.now() + timedelta(seconds=seconds)
        while (left := (until - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - a clock is no event
            await asyncio.sleep(min(left, 0.05))


@contextmanager
def started(folder: Path) -> Iterator[Stack]:
    """Start ministack on a free port of loopback, and stop it at the end. Its log is in the folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **CREDENTIALS,
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
    }
    command = [sys.executable, "-m", "tests.aws.warped"]
    with (folder / "ministack.log").open("w") as log, _process(command, environment, log) as process:
        stack = Stack(f"http://127.0.0.1:{port}", process)
        stack.environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": stack.endpoint}
        _await_start(stack)
        yield stack


@contextmanager
def _process(command: list[str], environment: dict[str, str], log: IO[str]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def _await_start(stack: Stack) -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        assert stack.process.poll() is None, "ministack ended; see ministack.log"
        try:
            with urllib.request.urlopen(f"{stack.endpoint}/_ministack/health", timeout=5) as answer:  # noqa: S310 - loopback
                assert json.load(answer)["services"]["sqs"] == "available"
        except OSError:
            assert time.monotonic() < ends, "ministack does not start"
            time.sleep(0.05)
        else:
            return


def unique(name: str) -> str:
    """Return a name that no other test uses."""
    return f"{name}-{token_hex(4)}"


async def make_queue(clients: Clients, name: str, **attributes: str) -> str:
    """Make a queue and return its address; a name that ends in `.fifo` makes it FIFO, with groups deduped apart."""
    fifo = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    made = await clients.call(
        "sqs", "create_queue", QueueName=name, Attributes={**(fifo if name.endswith(".fifo") else {}), **attributes}
    )
    address: str = made["QueueUrl"]
    return address


async def make_table(clients: Clients) -> str:
    """Make a table as the template has it, and return its name."""
    name = unique("orch")
    keys = (("partition", "HASH"), ("key", "RANGE"))
    await clients.call(
        "dynamodb",
        "create_table",
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
    )
    return name


async def make_bucket(clients: Clients) -> str:
    """Make a bucket and return its name."""
    name = unique("orch")
    place: Any = {"LocationConstraint": REGION}
    await clients.call("s3", "create_bucket", Bucket=name, CreateBucketConfiguration=place)
    return name
