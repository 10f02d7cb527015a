"""What goes over the wire: answers, pages, entity tags."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiohttp import web

from infra.hub.errors import ApiError

JSON = dict[str, Any]
T = TypeVar("T")

DEFAULT_VERSION = "2022-11-28"
VERSIONS = (DEFAULT_VERSION, "2026-03-10")
# Fields of 2022-11-28 that the published schema of 2026-03-10 lacks.
REMOVED = ("assignee", "has_downloads", "merge_commit_sha")
PER_PAGE = 30
MAX_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with a JSON body, with plain text, or with nothing where both are None."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None


def timestamp(moment: float) -> str:
    """Write a moment as GitHub does: UTC, whole seconds."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe_timestamp(moment: float | None) -> str | None:
    return None if moment is None else timestamp(moment)


def to_response(request: web.Request, answer: Answer) -> web.Response:
    """Turn an answer into a response; a GET whose entity tag the client has already gets 304."""
    if answer.text is not None:
        return web.Response(status=answer.status, text=answer.text, headers=answer.headers, content_type="text/plain")
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    content = json.dumps(answer.body, ensure_ascii=False).encode()
    headers = dict(answer.headers)
    if request.method == "GET" and answer.status == 200:
        tag = f'W/"{hashlib.sha256(content).hexdigest()}"'
        headers |= {"ETag": tag, "Cache-Control": "private, max-age=60, s-maxage=60"}
        if tag in (known.strip() for known in request.headers.get("If-None-Match", "").split(",")):
            return web.Response(status=304, headers=headers)
    return web.Response(
        status=answer.status, body=content, headers=headers, content_type="application/json", charset="utf-8"
    )


def page(
    request: web.Request, items: Sequence[T], show: Callable[[T], Any], wrap: Callable[[list[Any]], Any] | None = None
) -> Answer:
    """Answer one page of a list, with a Link header to the others."""
    per_page = min(max(_number(request, "per_page", PER_PAGE), 1), MAX_PER_PAGE)
    number = max(_number(request, "page", 1), 1)
    shown = [show(item) for item in items[(number - 1) * per_page : number * per_page]]
    last = max(1, -(-len(items) // per_page))
    links = []
    if number > 1:
        links += [("prev", min(number - 1, last)), ("first", 1)]
    if number < last:
        links += [("next", number + 1), ("last", last)]
    headers = {"Link": link_header(request, links, "page")} if links else {}
    return Answer(200, shown if wrap is None else wrap(shown), headers)


def link_header(request: web.Request, links: Sequence[tuple[str, object]], key: str) -> str:
    """Write a Link header: this request's URL with one query parameter changed per relation."""
    base = request.url
    return ", ".join(f'<{base.update_query({key: str(value)})}>; rel="{relation}"' for relation, value in links)


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    return int(text) if text and text.isascii() and text.isdigit() else default


def as_of(version: str, body: Any) -> Any:
    """Leave out what an API version no longer shows."""
    if version == DEFAULT_VERSION:
        return body
    if isinstance(body, dict):
        return {key: as_of(version, value) for key, value in body.items() if key not in REMOVED}
    return [as_of(version, item) for item in body] if isinstance(body, list) else body


def check_version(request: web.Request) -> str:
    """Give the API version the request asks for. Raises ApiError 400 for one that does not exist."""
    version = request.headers.get("X-GitHub-Api-Version", DEFAULT_VERSION)
    if version not in VERSIONS:
        raise ApiError(400, f"The API version '{version}' is not supported. Supported versions: {', '.join(VERSIONS)}")
    return version
