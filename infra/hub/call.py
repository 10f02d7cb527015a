"""One API call: who asks for what, with which values."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from infra.hub import access
from infra.hub.auth import Kind, Principal
from infra.hub.errors import ApiError, invalid, moved, not_found
from infra.hub.records import App, Departed, Issue, Repository, Role, User
from infra.hub.state import State
from infra.hub.wire import JSON, Answer, page
from infra.hub.world import World

T = TypeVar("T")

TOO_LONG = 65_536


@dataclass(slots=True)
class Call:
    """What a handler gets; its methods raise the ApiError that GitHub would answer."""

    world: World
    request: web.Request
    principal: Principal
    body: Any

    @property
    def state(self) -> State:
        return self.world.state

    @property
    def actor(self) -> User:
        return access.actor(self.principal)

    def param(self, name: str) -> str:
        return self.request.match_info[name]

    def number(self, name: str) -> int:
        text = self.param(name)
        if not (text.isascii() and text.isdigit()):
            raise not_found()
        return int(text)

    def query(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default)

    def repository(self) -> Repository:
        """Find the repository of the path, which the caller must be able to see."""
        owner, name = self.param("owner"), self.param("repo")
        renamed = access.find_renamed(self.world, self.principal, owner, name)
        if renamed is not None:
            rest = self.request.path_qs.partition(f"/{owner}/{name}")[2]
            raise moved(self.request.method, f"{self.world.base_url}/repos/{renamed.full_name}{rest}")
        return access.find_repository(self.world, self.principal, owner, name)

    def issue(self, repository: Repository, name: str = "number") -> Issue:
        """Find the issue or pull request of the path; both share numbers."""
        issue = self.state.find(Issue, str(self.number(name)), repository.id)
        if issue is None:
            raise self._departed(repository, self.number(name))
        return issue

    def _departed(self, repository: Repository, number: int) -> ApiError:
        """Say where an issue went: 404 if there never was one, 410 if it was deleted, else a redirect."""
        departed = self.state.find(Departed, str(number), repository.id)
        if departed is None:
            return not_found()
        issue = None if departed.target_id is None else self.state.get(Issue, departed.target_id)
        target = None if issue is None else self.state.get(Repository, issue.repository_id)
        if issue is None or target is None:
            return ApiError(410, "This issue was deleted")
        rest = self.request.path_qs.partition(f"/issues/{number}")[2]
        return moved(self.request.method, f"{self.world.base_url}/repos/{target.full_name}/issues/{issue.number}{rest}")

    def require(self, repository: Repository, role: Role, level: str, *permissions: str) -> None:
        access.require(self.world, self.principal, repository, role, level, *permissions)

    def allowed(self, repository: Repository, role: Role, level: str, *permissions: str) -> bool:
        return access.allowed(self.world, self.principal, repository, role, level, *permissions)

    def require_voice(self, repository: Repository, *permissions: str) -> None:
        """Let speak who may: on a public repository every person, and an App that reads."""
        if self.principal.kind is not Kind.INSTALLATION:
            self.require(repository, Role.READ, "write")
            return
        level = "write" if repository.private else "read"
        granted = any(access.grants(self.principal.permissions, name, level) for name in permissions)
        if not (granted and access.covers(self.principal, repository)):
            raise access.denied(self.principal)

    def require_app(self) -> App:
        """Give the App that calls. Raises ApiError 401."""
        if self.principal.kind is not Kind.APP or self.principal.app is None:
            raise ApiError(401, "A JSON web token could not be decoded")
        return self.principal.app

    def fields(self) -> JSON:
        """Give the body, which must be an object."""
        if not isinstance(self.body, dict):
            raise ApiError(422, "Invalid request.\n\nThe body must be a JSON object.")
        return self.body

    def has(self, name: str) -> bool:
        return isinstance(self.body, dict) and name in self.body

    def text(self, resource: str, name: str, *, limit: int | None = None) -> str:
        """Take a text that must be given and not blank."""
        value = self.fields().get(name)
        if value is None:
            raise invalid(resource, name, "missing_field")
        text = self._checked_text(resource, name, value, limit)
        if not text.strip():
            raise invalid(resource, name, "custom" if name == "body" else "missing_field", f"{name} cannot be blank")
        return text

    def maybe_text(self, resource: str, name: str, *, limit: int | None = None) -> str | None:
        """Take a text that may be missing or null."""
        value = self.fields().get(name)
        return None if value is None else self._checked_text(resource, name, value, limit)

    def integer(self, name: str) -> int:
        """Take a whole number that must be given."""
        value = self.fields().get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ApiError(422, f"Invalid request.\n\nFor 'properties/{name}', {value!r} is not of type integer.")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.fields().get(name, default)
        if not isinstance(value, bool):
            raise ApiError(422, f"Invalid request.\n\nFor 'properties/{name}', {value!r} is not a boolean.")
        return value

    def page(
        self, items: Sequence[T], show: Callable[[T], Any], wrap: Callable[[list[Any]], Any] | None = None
    ) -> Answer:
        return page(self.request, items, show, wrap)

    def fresh_enough(self, created: float) -> bool:
        """Tell whether a list shows an object of this age; with the lag fault on, not yet."""
        return created <= self.world.now() - self.world.faults.on.lag_seconds

    def _checked_text(self, resource: str, name: str, value: object, limit: int | None) -> str:
        if not isinstance(value, str):
            raise ApiError(422, f"Invalid request.\n\nFor 'properties/{name}', {value!r} is not a string.")
        if limit is not None and len(value) > limit:
            raise invalid(resource, name, "custom", f"{name} is too long (maximum is {limit} characters)")
        return value


Handler = Callable[[Call], Awaitable[Answer]]
Route = tuple[str, str, Handler]
