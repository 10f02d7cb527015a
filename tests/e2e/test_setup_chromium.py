"""From no App to a task that is done: `orch setup`, GitHub's pages, `orch serve`, an installation, a label."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.onboarding import TITLE
from tests.e2e.chromium import Tab, find_chromium, open_tab
from tests.e2e.forked import Zygote
from tests.e2e.processes import healthy
from tests.e2e.world import World, new_world

PROGRAM = find_chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="SKIPPED: no Chromium here (Debian: apt-get install chromium)")

OF_THE_APP = ("ORCH_APP_ID", "ORCH_PRIVATE_KEY_FILE", "ORCH_WEBHOOK_SECRET")
FORM = """
document.querySelector('[name=owner][value=organization]').checked = true;
document.querySelector('[name=organization]').value = 'acme';
document.getElementById('name').value = 'Acme Orch';
webhook.value = 'http://127.0.0.1:{port}';
document.forms[0].requestSubmit();
"""
ACT_AS = """
[...person.options].find((one) => one.text.startsWith('maintainer')).selected = true;
person.form.requestSubmit();
"""
INSTALL = (
    "document.querySelector('input[type=checkbox]').checked = true; document.querySelector('main form').requestSubmit()"
)


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    assert PROGRAM is not None
    async with open_tab(PROGRAM, tmp_path / "profile") as opened:
        yield opened


@pytest.fixture
async def world(tmp_path: Path, zygote: Zygote, template: Path) -> AsyncIterator[World]:
    """Make a world whose App hears nothing, as it is not the one that is made here."""
    async with new_world(tmp_path / "world", zygote.launch, template, webhooks=False) as made:
        yield made


def settings(world: World) -> dict[str, str]:
    """Return what Orch is told besides its App."""
    given = world.settings(ONBOARDING="true")
    return {name: value for name, value in given.items() if name not in OF_THE_APP}


def words(log: Path) -> list[str]:
    return log.read_text().split()


async def until_address(world: World, log: Path) -> str:
    """Wait for the address that `orch setup` prints."""

    async def probe() -> str | None:
        return next((word for word in words(log) if "/setup?key=" in word), None)

    found: str = await world.until("the address of the page", probe)
    return found


async def make_app(world: World, tab: Tab) -> str:
    """Make the App on the pages, and return where it is installed."""
    log = world.folder / "setup.log"
    setup = await world.launch(["setup"], settings(world), log)
    await tab.send("Page.navigate", url=await until_address(world, log))
    await tab.until("location.search === '' && document.forms.length === 1")
    await tab.run(FORM.format(port=world.port))
    await tab.until("location.pathname === '/organizations/acme/settings/apps/new'")
    await tab.run("document.querySelector('main form').requestSubmit()")
    await tab.until("location.pathname === '/setup/done'")
    address: str = await tab.run("document.getElementById('install').href")
    assert await setup.wait() == 0, log.read_text()
    return address


async def install(world: World, tab: Tab, address: str) -> None:
    """Install the App on the one repository, as somebody who may."""
    await tab.go(f"{world.about['web_url']}/acme/widgets/issues/new")
    await tab.run(ACT_AS)
    await tab.until("document.querySelector('button.main').textContent === 'Open as maintainer'")
    await tab.go(address)
    await tab.run(INSTALL)
    await tab.until("location.pathname.startsWith('/settings/installations/')")


async def until_pull(world: World, branch: str) -> dict[str, Any]:
    """Wait for a pull request from a branch that begins so."""

    async def probe() -> dict[str, Any] | None:
        return next((pull for pull in await world.pulls() if pull["head"]["ref"].startswith(branch)), None)

    found: dict[str, Any] = await world.until(f"a pull request from {branch}", probe)
    return found


async def test_whoever_has_nothing_has_a_task_done(world: World, tab: Tab) -> None:
    address = await make_app(world, tab)
    assert tab.complaints == []
    orch = await world.launch(["serve"], settings(world), world.log)
    world.orch.append(orch)
    await healthy(f"http://127.0.0.1:{world.port}", orch, world.log)
    await install(world, tab, address)
    onboarding = await until_pull(world, "orch/onboarding")
    assert (onboarding["title"], onboarding["user"]["login"]) == (TITLE, "acme-orch[bot]")
    number = await world.open_issue()
    pull = await until_pull(world, f"orch/{number}-")
    await world.until_status(number, "in_review")
    await world.merge(pull["number"])
    await world.until_status(number, "done")
    assert (await world.read(f"/issues/{number}"))["state"] == "closed"
