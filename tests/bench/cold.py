"""The first delivery to a new container of Lambda: Orch's web function, the least one can do, and Probot's adapter."""

import asyncio
import json
import shutil
import time
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles

from tests.bench.figures import Bench, Figure, at_most
from tests.bench.payload import SECRET, deliveries
from tests.bench.processes import TREE, output_of, pinned, python

TIMES = 5
"""Processes of each per run."""
WARM = 500
ADAPTER = "@probot/adapter-aws-lambda-serverless"
REQUIRE = Path(__file__).with_name("probot_lambda.mjs")
HANDLERS = {"Orch": "app.entry.aws_web", "plain": "tests.bench.plain_lambda"}
MOST_PLAIN, MOST_PROBOT, MOST_WARM_MS = 2.5, 1 / 3, 3.0
COLD = "web Lambda {}, import and first event"
Values = Mapping[str, list[float]]


async def measure(bench: Bench) -> Sequence[Figure]:
    """Start each in turn in a process of its own, with AWS on loopback."""
    event = bench.scratch / "event.json"
    event.write_text(json.dumps(_event()))
    values: dict[str, list[float]] = defaultdict(list)
    async with _aws(bench) as url:
        container = _Containers(bench, event, _environment(url))
        for _ in range(TIMES * bench.runs):
            for name in HANDLERS:
                begin = time.perf_counter()
                values[name] += await container.run(name)
                values[f"{name} process"].append((time.perf_counter() - begin) * 1000)
            if _has_probot(bench):
                values["Probot"].append(float(await output_of(["node", str(REQUIRE), str(bench.tools)], bench.cpus[0])))
        warm = [(await container.run("Orch", WARM))[1:] for _ in range(bench.runs)]
    return [*_cold(values), *_warm(warm)]


class _Containers:
    """Starts containers, each of which hands its function a first event and `more`, and ends."""

    def __init__(self, bench: Bench, event: Path, environment: Mapping[str, str]) -> None:
        self._bench, self._event = bench, event
        self._env = ["env", *(f"{name}={value}" for name, value in environment.items())]

    async def run(self, name: str, more: int = 0) -> list[float]:
        """Return how many milliseconds each event took."""
        argv = [*self._env, *python("tests.bench.cold_process"), HANDLERS[name], str(self._event), str(more)]
        found: list[float] = json.loads(await output_of(argv, self._bench.cpus[0]))
        return found


def _event() -> dict[str, object]:
    """Make what API Gateway hands over."""
    payload = deliveries()[0]
    return {
        "version": "2.0",
        "rawPath": "/webhook",
        "headers": {
            "content-type": "application/json",
            "x-github-event": "issues",
            "x-hub-signature-256": payload.signature,
        },
        "requestContext": {"http": {"method": "POST", "path": "/webhook"}},
        "body": payload.body.decode(),
        "isBase64Encoded": False,
    }


def _environment(url: str) -> dict[str, str]:
    queue = "https://sqs.eu-central-1.amazonaws.com/1/events.fifo"
    return {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "eu-central-1",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "ORCH_AWS_EVENTS_QUEUE": queue,
        "ORCH_AWS_SECRET": "orch",
        "PLAIN_QUEUE": queue,
        "PLAIN_SECRET": SECRET.decode(),
    }


@asynccontextmanager
async def _aws(bench: Bench) -> AsyncIterator[str]:
    """Start what stands for AWS, and return its address."""
    answers = {"GetSecretValue": {"SecretString": json.dumps({"webhook_secret": SECRET.decode()})}, "SendMessage": {}}
    with pinned(bench.cpus[1]):
        process = await asyncio.create_subprocess_exec(
            *python("tests.aws.endpoint"), json.dumps(answers), stdout=PIPE, cwd=TREE
        )
    assert process.stdout
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()


def _has_probot(bench: Bench) -> bool:
    return shutil.which("node") is not None and (bench.tools / "node_modules" / ADAPTER).is_dir()


def _cold(values: Values) -> list[Figure]:
    ratio = [own / plain for own, plain in zip(values["Orch"], values["plain"], strict=True)]
    figures = [
        *(Figure(COLD.format(name), values[name], "ms") for name in HANDLERS),
        *(Figure(f"web Lambda {name}, whole process", values[f"{name} process"], "ms") for name in HANDLERS),
        Figure("web Lambda cold, Orch / plain", ratio, "x", at_most(MOST_PLAIN)),
    ]
    if "Probot" in values:
        ratio = [own / other for own, other in zip(values["Orch"], values["Probot"], strict=True)]
        figures.append(Figure("Probot's adapter for Lambda, require alone", values["Probot"], "ms"))
        figures.append(Figure("web Lambda cold, Orch / Probot's require", ratio, "x", at_most(MOST_PROBOT)))
    return figures


def _warm(times: Sequence[Sequence[float]]) -> list[Figure]:
    return [
        Figure("web Lambda Orch, warm, p50", [median(each) for each in times], "ms", at_most(MOST_WARM_MS)),
        Figure("web Lambda Orch, warm, p99", [quantiles(each, n=100)[98] for each in times], "ms"),
    ]
