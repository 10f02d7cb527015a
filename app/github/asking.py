"""What every part of the GitHub port stands on: one client for each installation, and how a repository is asked."""

from collections.abc import Mapping
from typing import Any

from cachetools import LRUCache

from app.domain.errors import Missing, Permanent, Retryable
from app.domain.names import Repository
from app.github.auth import AppCredential, InstallationCredential, Scope, Tokens
from app.github.client import Client, Credential, Transport
from app.github.faults import LIMIT_WORDS, SECONDARY_DELAY, Limited, Rejected

CLIENTS = 64
ROOT = "/repos/{owner}/{repo}"
GRAPHQL = "/graphql"
# What GraphQL says under status 200 where REST answers 5xx.
WENT_WRONG = "Something went wrong while executing your query"


class Asking:
    """Ask GitHub about repositories, each with its installation's token."""

    def __init__(self, transport: Transport, app: AppCredential) -> None:
        self._transport = transport
        self._app_id = app.app_id
        self._app = Client(transport, app)
        self._tokens = Tokens(self._app, transport.clock)
        self._clients: LRUCache[int, Client] = LRUCache(CLIENTS)

    async def close(self) -> None:
        await self._tokens.close()

    async def _ask(self, repository: Repository, method: str, path: str, data: Any = b"", **names: Any) -> Any:
        client = self._client(repository.installation_id)
        return await client.ask(method, ROOT + path, data, owner=repository.owner, repo=repository.name, **names)

    async def _list(self, repository: Repository, path: str, items: str | None = None, **names: Any) -> list[Any]:
        client = self._client(repository.installation_id)
        return await client.pages(ROOT + path, items, owner=repository.owner, repo=repository.name, **names)

    async def _graphql(self, repository: Repository, document: str, /, **variables: Any) -> Any:
        """Send a named operation and return its data; raises Missing, Limited or Permanent for errors in the answer.

        GraphQL tells its errors under status 200 (docs.github.com, "Rate limits and query limits").
        """
        answer = await self._operate(repository, document, variables)
        for error in answer.get("errors") or []:
            raise _fault(error)
        return answer["data"]

    async def _graphql_seen(self, repository: Repository, document: str, /, **variables: Any) -> Any:
        """Send a named query whose lists may have null for what the App may not see."""
        answer = await self._operate(repository, document, variables)
        for error in answer.get("errors") or []:
            if not _is_unseen(error):
                raise _fault(error)
        return answer["data"]

    async def _operate(self, repository: Repository, document: str, variables: Mapping[str, Any]) -> Any:
        client = self._client(repository.installation_id)
        return await client.ask("POST", GRAPHQL, {"query": document, "variables": variables})

    def _client(self, installation: int) -> Client:
        client = self._clients.get(installation)
        if client is None:
            client = self._signed(InstallationCredential(self._tokens, Scope(installation)))
            self._clients[installation] = client
        return client

    def _signed(self, credential: Credential) -> Client:
        return Client(self._transport, credential)


def _is_unseen(error: Any) -> bool:
    """Say whether an error is about an entry of a list; paths name entries by number."""
    path = error.get("path") or []
    return error.get("type") in ("FORBIDDEN", "NOT_FOUND") and any(isinstance(step, int) for step in path)


def _fault(error: Any) -> Retryable | Permanent:
    said = str(error.get("message", "no message"))
    if any(words in said.lower() for words in LIMIT_WORDS):
        return Limited(f"GraphQL: {said}", SECONDARY_DELAY)
    if said.startswith(WENT_WRONG):
        return Retryable(f"GraphQL: {said}")
    match error.get("type"):
        case "NOT_FOUND":
            return Missing(f"GraphQL: {said}")
        case "RATE_LIMITED":
            return Limited(f"GraphQL: {said}", SECONDARY_DELAY)
        case "FORBIDDEN":
            return Rejected("GraphQL", 403, said)
        case _:
            return Rejected("GraphQL", 422, said)


def is_refused(error: Rejected, because: str) -> bool:
    """Say whether GitHub refused a request (422) for that reason."""
    return error.status == 422 and because in error.said
