"""A person at the hub's page, without the browser: what they see, and the forms they send."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from typing import Any

from tests.contract.hub.stage import Stage

Attributes = dict[str, str]


class Elements(HTMLParser):
    """The elements of a page, as a browser would find them, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Attributes]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words += data.split()


@dataclass(frozen=True)
class Shown:
    """A page as it was answered."""

    status: int
    headers: Mapping[str, str]
    html: str

    @cached_property
    def parsed(self) -> Elements:
        return Elements(self.html)

    @property
    def text(self) -> str:
        return " ".join(self.parsed.words)

    def elements(self, *tags: str) -> Iterator[tuple[str, Attributes]]:
        return ((tag, attributes) for tag, attributes in self.parsed.found if tag in tags or not tags)

    def hrefs(self) -> list[str]:
        return [attributes["href"] for _, attributes in self.elements("a") if "href" in attributes]

    def actions(self) -> set[str]:
        return {attributes["action"] for _, attributes in self.elements("form")}

    def value(self, name: str) -> str:
        """Give what the first input of a name holds."""
        return next(a["value"] for _, a in self.elements("input") if a.get("name") == name)


@dataclass(slots=True)
class Browser:
    """Somebody who looks at pages and sends forms; acts as a role of the stage after `act_as`."""

    stage: Stage
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> str:
        return f"/{self.stage.name}"

    def get(self, path: str, **headers: str) -> Shown:
        return self._send("GET", path, None, headers)

    def act_as(self, role: str) -> "Browser":
        """Choose the person on the page, as the select in its head does."""
        shown = self.get(f"{self.home}/issues")
        person = self.stage.hub.request("GET", f"/users/{self.stage.login(role)}").body["id"]
        sent = self.post("/_hub/act-as", form_token=shown.value("form_token"), person=str(person), back=self.home)
        assert (sent.status, sent.headers["Location"]) == (303, self.home)
        self.headers["Cookie"] = sent.headers["Set-Cookie"].partition(";")[0]
        return self

    def send(self, path: str, **fields: str) -> Shown:
        """Send a form of the page, with its token and from its origin."""
        return self.post(path, form_token=self.get("/").value("form_token"), **fields)

    def post(self, path: str, origin: str | None = "own", **fields: str) -> Shown:
        """Send a form with exactly these fields."""
        given = {"Origin": self.stage.hub.url if origin == "own" else origin} if origin else {}
        return self._send("POST", path, fields, given)

    def _send(self, method: str, path: str, fields: Any, headers: dict[str, str]) -> Shown:
        async def exchange() -> Shown:
            hub = self.stage.hub
            async with hub.session.request(
                method, hub.url + path, data=fields, headers=self.headers | headers, allow_redirects=False
            ) as response:
                return Shown(response.status, response.headers, await response.text())

        return self.stage.hub.run(exchange())
