"""Repositories whose `.orch.yml` is an enemy: no guard of the operator's gets looser, and tasks say what is wrong."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.domain.labels import repository_labels
from tests.e2e.forked import Zygote
from tests.e2e.test_hostile_agents import LIVE_MENTION
from tests.e2e.world import World, new_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATOR: dict[str, Any] = {"MAX_ATTEMPTS": 2, "MERGERS": "admin", "BUDGET_APPROVERS": "maintain", "OUTSIDERS": "omit"}
LOOSE = """\
max_attempts: 99
max_rounds: 99
max_parallel: 99
wall_seconds: 999999
max_cost: 999.5
max_task_cost: 9999
max_day_cost: 9999
profile: trusted
outsiders: quote
mergers: [write, "@writer"]
budget_approvers: [write]
"""
NOT_ALLOWED = "names people whom the operator does not allow; those who count: people with the role"
LOOSENED = {
    "max_attempts": "is 99, more than the operator allows; 2 is used",
    "max_rounds": "is 99, more than the operator allows; 5 is used",
    "max_parallel": "is 99, more than the operator allows; 4 is used",
    "wall_seconds": "is 999999.0, more than the operator allows; 3600.0 is used",
    "max_cost": "is 999.5, more than the operator allows; 20 is used",
    "max_task_cost": "is 9999, more than the operator allows; 100 is used",
    "max_day_cost": "is 9999, more than the operator allows; 200 is used",
    "profile": "is `trusted`, looser than the operator allows; `headless-permissive` is used",
    "outsiders": "is `quote`, looser than the operator allows; `omit` is used",
    "mergers": f"{NOT_ALLOWED} `admin`",
    "budget_approvers": f"{NOT_ALLOWED} `maintain`",
}
PUSHED = {"2 MB": "yes 'trigger: orch' | head -c 2000000 > .orch.yml", "a link": "ln -s /etc/passwd .orch.yml"}
"""What makes a file that is pushed, as it cannot be made on GitHub's page."""
COMMIT = "git -c user.name=writer -c user.email=writer@example.com commit -q -m Link"
BOMB = "a: &a [lol, lol]\n" + "".join(
    f"{one}: &{one} [*{before}, *{before}]\n" for before, one in zip("abc", "bcd", strict=True)
)
BAD = {
    "a prefix out of the tree": ("branch_prefix: ../x\n", "line 1: `branch_prefix` must be the first part"),
    "a prefix that is a ref": ("branch_prefix: refs/heads\n", "line 1: `branch_prefix` must be the first part"),
    "a prefix that is an option": ("branch_prefix: --force\n", "line 1: `branch_prefix` must be the first part"),
    "a status as the trigger": ("trigger: status:done\n", "line 1: `trigger` must be the name of one label"),
    "two labels as the trigger": ("trigger: a, b\n", "line 1: `trigger` must be the name of one label"),
    "an agent that is not allowed": ("agent: '@acme/team'\n", "is not one that the operator allows"),
    "less than nothing": ("max_attempts: -1\n", "line 1: `max_attempts` must be a whole number of at least 1"),
    "no end": ("wall_seconds: .inf\n", "line 1: `wall_seconds` must be a number of seconds above 0"),
    "nobody": ("mergers: []\n", "line 1: `mergers` must be a list of"),
    "a bomb": (BOMB, "line 1: anchors and aliases (`&`, `*`) are not allowed"),
    "a tower": ("trigger: " + "[" * 5000 + "\n", "this is nested more than 20 deep"),
    "a tag": ("trigger: !!python/object/apply:os.system [id]\n", "line 1: tags (`!`) are not allowed"),
    "a key twice": ("max_attempts: 1\nmax_attempts: 99\n", "line 2: `max_attempts` is there twice"),
    "tabs": ("mergers:\n\t- write\n", "line 2: this is not YAML"),
    "a character that nobody sees": ("trigger: a\x07b\n", "line 1: the character U+0007 is not allowed"),
    "a key that calls people": ("'<!-- @acme/team Closes #1': 1\n", "is not a key of this file"),
    "100 KB": (f"trigger: orch # {'x' * 100_000}\n", "is larger than 64 KiB"),
    "2 MB": ("", "larger than"),
    "a link": ("", "the file must have keys and values"),
}


@dataclass(frozen=True, slots=True)
class Read:
    """What the living comment of a task says in each of the repositories."""

    world: World
    living: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote, template: Path) -> AsyncIterator[Read]:
    async with new_world(tmp_path_factory.mktemp("config"), zygote.launch, template) as world:
        texts = {"loose": LOOSE} | {name: text for name, (text, _) in BAD.items()}
        names = {name: _named(name) for name in texts}
        for name, text in texts.items():
            await _make(world, names[name], {".orch.yml": text} if text else {})
            if name in PUSHED:
                await _push(world, names[name], PUSHED[name])
        added = {"add": list(names.values())}
        await world.call("PATCH", f"/_hub/installations/{world.about['installation_id']}", added)
        await world.start_orch("serve", "--no-runner", REDELIVER_EVERY=3600, EVENT_LEASE=120, **OPERATOR)
        await _rest(world)
        for world.repository in names.values():
            await world.open_issue()
        await _rest(world)
        living = {}
        for name, world.repository in names.items():
            living[name] = "\n".join(await world.comments(1))
        yield Read(world, living)


def _named(name: str) -> str:
    return f"acme/{name.replace(' ', '-').lower()}"


async def _make(world: World, repository: str, files: dict[str, str]) -> None:
    owner, name = repository.split("/")
    made = {"owner": owner, "name": name, "files": {"README.md": "# Here\n", **files}}
    await world.call("POST", "/_hub/repositories", made)
    path = f"/_hub/repositories/{repository}/collaborators/writer"
    await world.call("PUT", path, {"permission": "write"})


async def _push(world: World, repository: str, make: str) -> None:
    url = f"http://x:{world.about['tokens']['writer']}@127.0.0.1:{world.hub_port}/{repository}.git"
    folder = repository.replace("/", "-")
    script = f"git clone -q {url} {folder} && cd {folder} && {make}; git add . && {COMMIT} && git push -q"
    child = await asyncio.create_subprocess_exec("sh", "-c", script, cwd=world.folder)
    assert await child.wait() == 0


async def _rest(world: World) -> None:
    """Wait until no event waits; the runs wait for a runner, which there is none of."""
    await world.until_only("jobs")


@pytest.mark.parametrize(("key", "reason"), LOOSENED.items(), ids=LOOSENED.keys())
async def test_i11_no_guard_gets_looser(told: Read, key: str, reason: str) -> None:
    line = LOOSE[: LOOSE.index(f"{key}:")].count("\n") + 1
    assert f"`.orch.yml` line {line}: `{key}` {reason}." in told.living["loose"]


@pytest.mark.parametrize(("name", "reason"), [(name, reason) for name, (_, reason) in BAD.items()], ids=BAD.keys())
async def test_what_cannot_be_followed_changes_nothing(told: Read, name: str, reason: str) -> None:
    said = told.living[name]
    assert reason in said
    assert "Until that is mended, what the operator set stays in force." in said
    assert LIVE_MENTION.search(re.sub("`[^`]*`", "", said.split("<!-- orch:record")[0])) is None
    assert "Closes #1" not in said


@pytest.mark.parametrize(
    ("command", "who"),
    [
        ("/merge", "only people with the role `admin` have pull requests merged here"),
        ("/approve budget 50", "only people with the role `maintain` approve budgets here"),
    ],
)
async def test_i11_who_counts_is_whom_the_operator_allows(told: Read, command: str, who: str) -> None:
    world = told.world
    world.repository = "acme/loose"
    before = await world.replies(1)
    await world.say(1, command)
    await _rest(world)
    [reply] = (await world.replies(1))[len(before) :]
    assert f"was not done: {who}." in reply


async def test_no_repository_has_another_branch_or_label(told: Read) -> None:
    world = told.world
    for name in told.living:
        world.repository = _named(name)
        assert await world.refs() == ["refs/heads/main"]
        labels = {label["name"] for label in await world.read("/labels?per_page=100")}
        assert labels == {label.name for label in repository_labels("orch")}
