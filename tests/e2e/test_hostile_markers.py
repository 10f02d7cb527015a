"""Living comments that were tampered with while Orch was stopped and its store was gone: GitHub is the record."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e import picture
from tests.e2e.forked import Zygote
from tests.e2e.hostile_stage import BROKEN, Stage
from tests.e2e.picture import Picture
from tests.e2e.world import World, new_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

TELLS = "take the label `orch` off and put it on again"
CHANGED = "signature does not match: the comment was changed, or copied from elsewhere"
TAMPERED: dict[str, tuple[Callable[[str, str], str], str]] = {
    "spent attempts are taken back": (lambda mine, other: mine.replace('"attempt":1', '"attempt":0'), CHANGED),
    "a status is made up": (lambda mine, other: mine.replace('"needs_review"', '"done"'), CHANGED),
    "another issue's marker": (lambda mine, other: other, CHANGED),
    "a second marker behind the first": (lambda mine, other: mine + other, CHANGED),
    "a key that is not Orch's": (
        lambda mine, other: re.sub(" key=[0-9a-f]{8} ", " key=00000000 ", mine),
        "signed with key 00000000, which this Orch does not have",
    ),
    "a stranger's copy of it": (lambda mine, other: "", "the issue's label was missed"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What there is after the start with an empty store: `older` is the issue whose older marker was put back."""

    numbers: dict[str, int]
    older: int
    before: Picture
    after: Picture
    log: str


async def _tamper(stage: Stage, number: int, new: str) -> None:
    """Put something in the place of a living comment; nothing: a stranger's copy of it takes its place."""
    comment = await stage.living(number)
    path = f"/repos/{stage.world.repository}/issues/comments/{comment['id']}"
    if new:
        await stage.world.call("PATCH", path, {"body": new}, "writer")
    else:
        await stage.world.call("DELETE", path)
        await stage.world.say(number, comment["body"], "triager")


async def _parked(world: World) -> int:
    return await world.open_issue("Broken", BROKEN)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote, template: Path) -> AsyncIterator[Found]:
    async with new_world(tmp_path_factory.mktemp("markers"), zygote.launch, template) as world:
        settings: dict[str, Any] = {"MAX_ATTEMPTS": 1, "SLOTS": 3, "REDELIVER_EVERY": 3600}
        await world.start_orch(**settings)
        stage, older, other = Stage(world), await _parked(world), await _parked(world)
        numbers = {name: await _parked(world) for name in TAMPERED}
        await world.until_idle()
        before = (await stage.living(older))["body"]
        await world.say(older, "/retry")
        await world.until_text(older, "Runs: 2")
        await world.until_idle()
        await world.kill_orch()
        world.delete_store()
        foreign = (await stage.living(other))["body"]
        for name, (tamper, _) in TAMPERED.items():
            await _tamper(stage, numbers[name], tamper((await stage.living(numbers[name]))["body"], foreign))
        await _tamper(stage, older, before)
        await world.call("GET", "/_hub/idle")
        tampered, written = await picture.take(world), len(world.log.read_text())
        await world.start_orch(**settings)
        await world.until_idle()
        yield Found(numbers, older, tampered, await picture.take(world), world.log.read_text()[written:])


@pytest.mark.parametrize("name", TAMPERED)
async def test_a_record_that_cannot_be_trusted_is_given_up_and_a_person_told(found: Found, name: str) -> None:
    number, (_, logged) = found.numbers[name], TAMPERED[name]
    mine = [change for change in picture.changes(found.before, found.after) if change.split()[0] == f"#{number}"]
    assert mine == [f"#{number} by orch[bot]", f"#{number} labels"]
    assert found.after[f"#{number} labels"] == ["orch"]
    said = [
        fact for about, fact in found.after.items() if about not in found.before and about.startswith(f"#{number} ")
    ]
    assert TELLS in said[-1]
    assert any(logged in line for line in found.log.splitlines() if re.search(rf"#{number}\b", line))


async def test_an_older_marker_counts_and_what_was_said_since_is_followed_once_more(found: Found) -> None:
    """A stated limit: who may write could put back an older signed record."""
    changes = picture.changes(found.before, found.after)
    mine = [change for change in changes if change.split()[0] == f"#{found.older}"]
    assert mine == [f"#{found.older} by orch[bot]", f"#{found.older} living"]
    assert "missed: `writer` wrote `/retry`" in found.log
    assert "Runs: 2" in found.after[f"#{found.older} living"]
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert "could put back an older signed record" in readme


async def test_nothing_else_is_there(found: Found) -> None:
    assert [name for name in found.after if name.startswith("refs/")] == ["refs/heads/main"]
    assert not [name for name in found.after if name.endswith(" pull")]
