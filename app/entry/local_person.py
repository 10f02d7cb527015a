"""A person at the local hub: what the commands for people do there."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from app.domain.errors import Permanent, Retryable

PER_PAGE = 100
TIMEOUT = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with write access to the repository `repository` of a hub."""

    session: aiohttp.ClientSession
    api_url: str
    repository: str
    token: str

    async def call(self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Any:
        """Call the API below the repository."""
        return await self.ask(method, f"/repos/{self.repository}{path}", body, query)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        authorization: str | None = None,
    ) -> Any:
        """Call the API; the answer's JSON, None for 404 or where there is none.

        Raises Retryable when the hub cannot be reached, Permanent with its words when it refuses.
        """
        headers = {"Authorization": authorization or f"Bearer {self.token}"}
        url = f"{self.api_url}{path}"
        try:
            async with self.session.request(method, url, json=body, params=query, headers=headers) as answer:
                said: Any = await answer.json(content_type=None) if answer.status != 204 else None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Retryable(f"the hub at {self.api_url} does not answer: {type(error).__name__}") from error
        if answer.status == 404:
            return None
        if answer.status >= 400:
            raise Permanent(f"the hub refused {method} {path}: {answer.status} {said.get('message', '')}")
        return said

    async def get(self, path: str) -> Any:
        return await self.call("GET", path)

    async def every(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Read a list to its end."""
        found: list[dict[str, Any]] = []
        for page in range(1, 10_000):
            more = await self.call("GET", path, query={**query, "per_page": str(PER_PAGE), "page": str(page)})
            found += more
            if len(more) < PER_PAGE:
                break
        return found

    async def write_issue(self, title: str, body: str, labels: list[str]) -> dict[str, Any]:
        """Open an issue with its labels, and return it."""
        issue: dict[str, Any] = await self.call("POST", "/issues", {"title": title, "body": body, "labels": labels})
        return issue


@asynccontextmanager
async def open_person(about: Mapping[str, Any], login: str = "writer") -> AsyncIterator[Person]:
    """Be somebody at the hub that says this about itself."""
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        yield Person(session, about["api_url"], about["repository"], about["tokens"][login])
