"""A visit to a page: who looks, at what, and what was typed into a form."""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from jinja2 import Environment

from infra.hub.auth import Kind, Principal
from infra.hub.call import Call
from infra.hub.errors import ApiError, not_found
from infra.hub.pages.guard import form_token
from infra.hub.records import Issue, Repository, Role, User
from infra.hub.world import World

ACTS_AS = "hub_acts_as"
ID = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Visit:
    """What a page's handler gets.

    Looking shows everything: whoever reaches the hub's page also reaches everybody's tokens. Acting is done as the
    chosen person, with that person's rights. `problem` says why a form was refused; the page is then shown again.
    """

    world: World
    request: web.Request
    templates: Environment
    form: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    status: int = 200

    @property
    def person(self) -> User:
        """Give the person acted as: the one chosen before, or else the first there is."""
        chosen = self.request.cookies.get(ACTS_AS, "")
        found = self.world.state.get(User, int(chosen)) if ID.fullmatch(chosen) else None
        if found is None or found.type != "User":
            found = next(iter(self.people), None)
        if found is None:
            raise ApiError(404, "This hub has no people yet: make one with POST /_hub/users")
        return found

    @property
    def people(self) -> list[User]:
        return [user for user in self.world.state.rows(User) if user.type == "User"]

    def param(self, name: str) -> str:
        return self.request.match_info[name]

    def typed(self, name: str) -> str:
        """Give what was typed: a form's field, or before it was sent what the address's query fills in."""
        return (self.form if self.request.method == "POST" else self.request.query).get(name, "")

    @property
    def here(self) -> str:
        """Give the address of this page, to come back to."""
        return "/" if self.request.method == "POST" else str(self.request.rel_url)

    def repository(self) -> Repository:
        """Find the repository of the path. Raises ApiError 404."""
        found = self.world.state.find(Repository, f"{self.param('owner')}/{self.param('repo')}")
        if found is None:
            raise not_found()
        return found

    def issue(self, repository: Repository) -> Issue:
        """Find the issue or pull request of the path. Raises ApiError 404."""
        found = self.world.state.find(Issue, str(int(self.param("number"))), repository.id)
        if found is None:
            raise not_found()
        return found

    def call(self, **body: Any) -> Call:
        """Make the API call of the chosen person that a form stands for."""
        return Call(self.world, self.request, Principal(Kind.USER, user=self.person), body)

    def page(self, template: str, repository: Repository | None = None, **shown: Any) -> web.Response:
        """Answer with a page."""
        nonce = secrets.token_urlsafe(16)
        people = self.people
        person = self.person if people else None
        html = self.templates.get_template(template).render(
            visit=self,
            world=self.world,
            repository=repository,
            people=people,
            person=person,
            role=self.world.role(person, repository) if person and repository else Role.NONE,
            form_token=form_token(self.world),
            nonce=nonce,
            **shown,
        )
        return web.Response(status=self.status, text=html, content_type="text/html", headers=_headers(nonce))

    def go(self, path: str) -> web.Response:
        """Send the browser on to a page of the hub."""
        return web.Response(status=303, headers={"Location": path})


PageHandler = Callable[[Visit], Awaitable[web.Response]]


def _headers(nonce: str) -> dict[str, str]:
    rules = {
        "default-src": "'none'",
        "script-src": f"'nonce-{nonce}'",
        "style-src": "'self'",
        # The colours of labels; what people write keeps no style attribute.
        "style-src-attr": "'unsafe-inline'",
        "img-src": "data:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in rules.items()),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        # With no-referrer, browsers would send forms with the origin "null".
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
