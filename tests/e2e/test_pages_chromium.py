"""The hub's pages in a real browser: forms, the content policy, small screens, and looking again by themselves."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.hub.server import RunningHub, start_hub
from infra.hub.settings import HubSettings
from tests.e2e.chromium import Tab, find_chromium, open_tab

PROGRAM = find_chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="SKIPPED: no Chromium here (Debian: apt-get install chromium)")

ISSUES = "/acme/widgets/issues"
LONG = "x" * 120
HOSTILE = "<img src=x onerror=document.title='ran'><script>document.title='ran'</script>"
SCRIPT = "javascript:document.title='ran'"


@pytest.fixture
async def hub() -> AsyncIterator[RunningHub]:
    running = await start_hub(HubSettings())
    yield running
    await running.stop()


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    assert PROGRAM is not None
    async with open_tab(PROGRAM, tmp_path / "profile") as opened:
        yield opened


async def call(hub: RunningHub, method: str, path: str, body: dict[str, Any]) -> None:
    """Call the API as the writer."""
    headers = {"Authorization": f"Bearer {hub.describe()['writer_token']}"}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{hub.base_url}/repos/acme/widgets{path}", json=body, headers=headers) as answer,
    ):
        assert answer.status < 300, await answer.text()


async def test_a_person_opens_an_issue_and_answers_as_somebody_else(hub: RunningHub, tab: Tab) -> None:
    await tab.go(f"{hub.base_url}{ISSUES}/new")
    await tab.run("title.value = 'A crack'; labels.value = 'orch'; document.querySelector('main form').requestSubmit()")
    await tab.until(f"location.pathname === '{ISSUES}/1'")
    await tab.run("person.selectedIndex = 3; person.form.requestSubmit()")
    await tab.until("document.querySelector('label[for=comment]').textContent === 'Comment as stranger'")
    await tab.run("comment.value = 'Here too'; comment.form.requestSubmit()")
    await tab.until("document.querySelectorAll('article.text').length === 2")
    shown = await tab.run("timeline.innerText.replace(/\\s+/g, ' ')")
    assert "writer added the label orch just now" in shown
    assert "stranger commented just now Here too" in shown
    assert tab.complaints == []


async def test_a_page_looks_again_by_itself_and_keeps_what_is_typed(hub: RunningHub, tab: Tab) -> None:
    await call(hub, "POST", "/issues", {"title": "A crack"})
    await tab.go(f"{hub.base_url}{ISSUES}/1")
    await tab.run("comment.value = 'half a sen'")
    await call(hub, "POST", "/issues/1/comments", {"body": "New here"})
    await tab.until("timeline.innerText.includes('New here')")
    assert await tab.run("comment.value") == "half a sen"
    assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_wider_than_a_small_phone(hub: RunningHub, tab: Tab, scheme: str) -> None:
    body = f"{LONG} `{LONG}`\n\n| {LONG} | {LONG} |\n| - | - |\n| a | b |\n\n```\n{LONG}\n```\n"
    await call(hub, "POST", "/issues", {"title": LONG, "body": body, "labels": [LONG[:50]]})
    await call(hub, "PUT", f"/contents/{LONG}.txt", {"message": LONG, "content": "eHh4Cg==", "branch": "main"})
    await tab.look(320, scheme)
    for path in ("/", ISSUES, f"{ISSUES}/1", f"{ISSUES}/new", "/_hub/deliveries"):
        await tab.go(hub.base_url + path)
        assert await tab.run("document.documentElement.scrollWidth") == 320, path
    assert await tab.run("matchMedia('(prefers-color-scheme: dark)').matches") is (scheme == "dark")


async def test_hostile_texts_do_not_run(hub: RunningHub, tab: Tab) -> None:
    await call(hub, "POST", "/issues", {"title": HOSTILE, "body": f"{HOSTILE}\n\n<a href={SCRIPT}>a</a>"})
    for path in ("/", ISSUES, f"{ISSUES}/1"):
        await tab.go(hub.base_url + path)
        assert await tab.run("document.title") != "ran"
        assert await tab.run("document.scripts.length") == 1
    await tab.run("document.querySelectorAll('main a').forEach((one) => { if (!one.href) one.click(); })")
    assert await tab.run("document.title") != "ran"
    assert tab.complaints == []
