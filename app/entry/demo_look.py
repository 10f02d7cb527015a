"""One look at the hub, through its API, and at what the runner has left on the disk."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.entry.local import Local
from app.entry.local_person import Person
from app.github.auth import AppCredential
from infra.local.clock import SystemClock

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """What there was to see."""

    issue: Json
    comments: list[Json]
    events: list[Json]
    pulls: list[Json]
    refs: Mapping[str, str]
    deliveries: list[Json]
    workspaces: list[str]

    @property
    def labels(self) -> set[str]:
        return {label["name"] for label in self.issue["labels"]}

    def labelled(self, name: str) -> Json | None:
        """Find the event of a label that was put on, whether or not it is still on."""
        return next((e for e in self.events if e["event"] == "labeled" and e["label"]["name"] == name), None)

    def status(self) -> Json | None:
        """Find the comment in which Orch says where the task stands."""
        return next((c for c in self.comments if c["user"]["type"] == "Bot"), None)


class Eyes:
    """Looks as a person with write access; the delivery log is the App's own to see."""

    def __init__(self, local: Local, number: int) -> None:
        about = local.hub.about
        self._person = local.person
        self._issue = f"/issues/{number}"
        self._app = AppCredential(about["app_id"], Path(about["key_file"]).read_text(), SystemClock())
        self._tasks = local.place.state / "orch" / "repositories"

    async def look(self) -> Look:
        """Read everything once."""
        person, issue = self._person, self._issue
        shown, comments, events, pulls, found, deliveries = await asyncio.gather(
            person.get(issue),
            person.every(f"{issue}/comments"),
            person.every(f"{issue}/events"),
            person.every("/pulls", state="all"),
            refs(person),
            self._deliveries(),
        )
        left = [path.name for path in self._tasks.glob("*/tasks/*")]
        return Look(shown, comments, events, pulls, found, deliveries, left)

    async def _deliveries(self) -> list[Json]:
        found: list[Json] = await self._person.ask(
            "GET", "/app/hook/deliveries", query={"per_page": "100"}, authorization=await self._app.header()
        )
        return found[::-1]


async def refs(person: Person) -> dict[str, str]:
    """Read branches and run refs."""
    found = await asyncio.gather(*(person.every(f"/git/matching-refs/{prefix}") for prefix in ("heads/", "orch/")))
    return {ref["ref"]: ref["object"]["sha"] for listed in found for ref in listed}
