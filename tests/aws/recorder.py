"""A proxy before AWS on loopback that writes down who calls what, and on what: one JSON object per line."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.aws.faulty import forward

S3 = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
IN_A_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
"""IAM knows a transaction by what it consists of."""


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """One call. `role` is the access key's id, `operation` as IAM calls the action, `prefix` that of a listing."""

    role: str
    service: str
    operation: str
    resource: str
    prefix: str = ""


def read_calls(file: Path) -> set[Call]:
    """Read what was written down."""
    return {Call(**json.loads(line)) for line in file.read_text().splitlines()}


@asynccontextmanager
async def recording(endpoint: str, file: Path) -> AsyncIterator[str]:
    """Start a proxy before an endpoint, and yield its address; calls are appended to the file."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def answer(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            with file.open("a") as lines:
                lines.writelines(json.dumps(asdict(call)) + "\n" for call in calls_of(request, body))
            return await forward(session, endpoint, request, body)

        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", answer)
        async with TestServer(app) as server:
            yield str(server.make_url("")).rstrip("/")


def calls_of(request: web.BaseRequest, body: bytes) -> Iterator[Call]:
    """Yield what a request asks for; who asks and which service is in its signature."""
    _, _, credential = request.headers["Authorization"].partition("Credential=")
    role, _, _, service, _ = credential.partition(",")[0].split("/")
    if service == "s3":
        yield _of_s3(role, request)
        return
    if service == "lambda":
        yield Call(role, service, "InvokeFunction", unquote(request.path.split("/")[3]))
        return
    operation = request.headers["X-Amz-Target"].rpartition(".")[2]
    asked = json.loads(body)
    if operation == "TransactWriteItems":
        for kind, item in (pair for each in asked["TransactItems"] for pair in each.items()):
            yield Call(role, service, IN_A_TRANSACTION[kind], item["TableName"])
        return
    yield Call(role, service, operation, _resource(operation, asked))


def _of_s3(role: str, request: web.BaseRequest) -> Call:
    bucket, _, key = unquote(request.path).lstrip("/").partition("/")
    if key:
        return Call(role, "s3", S3[request.method], f"{bucket}/{key}")
    assert (request.method, request.query.get("list-type")) == ("GET", "2"), request.url
    return Call(role, "s3", "ListBucket", bucket, request.query.get("prefix", ""))


def _resource(operation: str, asked: Mapping[str, Any]) -> str:
    match asked:
        case {"QueueUrl": str(address)}:
            return urlsplit(address).path.rpartition("/")[2]
        case {"TableName": str(table)}:
            return table
        case {"RequestItems": dict(tables)}:
            (table,) = tables
            return str(table)
        case {"SecretId": str(name)} | {"Path": str(name)}:
            return name
        case {"taskDefinition": str(definition)}:
            return definition.rpartition("/")[2]
        case {"cluster": str(cluster)}:
            return cluster.rpartition("/")[2]
        case _:
            raise AssertionError(f"on what is {operation}?")
