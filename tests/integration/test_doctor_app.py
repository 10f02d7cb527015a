"""What `orch doctor` says of the App: each failure with its advice, and the whole of it on the hub."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from app.domain.permissions import EVENTS, NEEDED
from app.entry.check import Check, Result
from app.entry.doctor import examine_set_up
from app.entry.doctor_app import (
    check_clock,
    check_deliveries,
    check_events,
    check_hook,
    check_installation,
    check_permissions,
    examine_app,
)
from app.github.inspection import AppView, Attempt, HookView, InstallationView
from app.settings import ServeSettings
from infra.hub.delivering import settled
from infra.hub.records import Installation, User
from infra.hub.server import RunningHub, start_hub
from infra.hub.settings import HubSettings
from infra.hub.webhooks import emit_installation
from infra.local.clock import SystemClock
from tests.e2e.processes import free_port

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PAGE = "https://github.com/settings/apps/orch"
GRANTED = {one.name: one.access.value for one in NEEDED}
APP = AppView("orch", "", GRANTED, frozenset(EVENTS))
HOOK = HookView("https://orch.example.org/webhook", "json", signed=True, checks_tls=True)
HERE = InstallationView("acme", "https://github.com/settings/installations/1", GRANTED, suspended=False)


def said(check: Check) -> tuple[Result, str]:
    return check.result, f"{check.detail}; {check.advice}"


def assert_says(check: Check, result: Result, *words: str) -> None:
    assert (check.result, [word for word in words if word not in said(check)[1]]) == (result, []), check


@pytest.mark.parametrize(("off", "result"), [(29, Result.OK), (32, Result.FAILED), (-32, Result.FAILED)])
def test_a_clock_is_wrong_from_30_seconds_on(off: int, result: Result) -> None:
    assert check_clock(NOW, NOW + timedelta(seconds=off)).result is result


def test_the_app_is_told_what_it_lacks_and_what_it_has_too_much() -> None:
    assert check_permissions(APP, PAGE).result is Result.OK
    few = replace(APP, permissions={**GRANTED, "issues": "read"})
    assert_says(
        check_permissions(few, PAGE), Result.FAILED, "issues: write is missing", "Sets labels", f"{PAGE}/permissions"
    )
    many = replace(APP, permissions={**GRANTED, "workflows": "write"})
    assert_says(check_permissions(many, PAGE), Result.NOTE, "no use for workflows: write")


def test_events_that_are_not_subscribed_to_are_named() -> None:
    assert check_events(APP, PAGE).result is Result.OK
    assert_says(check_events(replace(APP, events=frozenset({"push"})), PAGE), Result.FAILED, "issues", "subscribe at")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": ""}, "the App has no webhook address"),
        ({"url": "https://localhost/webhook"}, "GitHub cannot reach https://localhost/webhook"),
        ({"url": "http://orch.example.org/webhook"}, "others can read"),
        ({"checks_tls": False}, "with SSL verification"),
        ({"content_type": "form"}, "application/json"),
        ({"signed": False}, "the value of ORCH_WEBHOOK_SECRET"),
    ],
)
def test_a_webhook_that_cannot_work_is_told_how_to_mend(change: dict[str, Any], words: str) -> None:
    assert check_hook(HOOK, PAGE, local=False).result is Result.OK
    assert_says(check_hook(replace(HOOK, **change), PAGE, local=False), Result.FAILED, words, PAGE)


def test_a_webhook_with_a_path_of_its_own_may_be_right() -> None:
    assert_says(
        check_hook(replace(HOOK, url="https://a.example/x"), PAGE, local=False), Result.NOTE, "leads to /webhook"
    )


def attempts(*codes: int) -> list[Attempt]:
    """Make attempts, the latest first, an hour apart."""
    return [Attempt(NOW - timedelta(hours=hours), code, "") for hours, code in enumerate(codes, 1)]


@pytest.mark.parametrize(
    ("codes", "result", "words"),
    [
        ((), Result.NOTE, "none in the last days"),
        ((202, 200), Result.OK, "2 succeeded; the last success was 1 hour ago"),
        ((202, 503), Result.NOTE, "1 of the latest 2 failed: 1 times 503"),
        ((401, 202), Result.FAILED, "ORCH_WEBHOOK_SECRET is not the secret"),
        ((404,), Result.FAILED, "takes deliveries at /webhook"),
        ((502, 502), Result.FAILED, "2 times 502; none succeeded; start `orch serve`"),
    ],
)
def test_the_latest_delivery_says_whether_they_arrive(codes: tuple[int, ...], result: Result, words: str) -> None:
    assert_says(check_deliveries(attempts(*codes), NOW), result, words)


def test_an_owner_must_accept_what_the_app_asks_for_by_now() -> None:
    assert check_installation(HERE, APP).result is Result.OK
    few = replace(HERE, permissions={"metadata": "read"})
    assert_says(
        check_installation(few, APP), Result.FAILED, "an owner of acme must accept it at https://github.com/settings"
    )
    both = replace(APP, permissions=few.permissions)
    assert_says(check_installation(few, both), Result.FAILED, "first grant it to the App itself")
    more = replace(APP, permissions={**GRANTED, "members": "read"})
    assert_says(check_installation(HERE, more), Result.NOTE, "asks for more: members: read", "must accept")
    assert_says(check_installation(replace(HERE, suspended=True), APP), Result.NOTE, "suspended")


@pytest.fixture
async def hub() -> AsyncIterator[RunningHub]:
    running = await start_hub(HubSettings())
    yield running
    await running.stop()


def settings(hub: RunningHub, **more: Any) -> ServeSettings:
    about = hub.describe()
    given: dict[str, Any] = {
        "github_api_url": hub.base_url,
        "github_web_url": hub.base_url,
        "app_id": about["app_id"],
        "private_key_file": Path(about["key_file"]),
        "webhook_secret": SecretStr(about["webhook_secret"]),
        "agents": ["script"],
    }
    return ServeSettings(**given | more)


async def arrange(hub: RunningHub) -> None:
    """Let the App have what it needs, an owner have granted less, and a delivery find nobody."""
    world, state = hub.world, hub.world.state
    nowhere = f"http://127.0.0.1:{free_port()}/webhook"
    with state.transaction():
        app = state.put(replace(world.app(), permissions=GRANTED, events=list(EVENTS), hook_url=nowhere))
        (installation,) = state.rows(Installation, app.id)
        few = state.put(replace(installation, permissions={**GRANTED, "issues": "read"}))
        emit_installation(world, few, "installation", state.load(User, app.owner_id), {"action": "suspend"})
    await settled(world)


async def results(given: ServeSettings) -> dict[str, str]:
    return {check.check: check.result.value for check in await examine_app(given, SystemClock())}


async def test_all_of_it_is_asked_of_github(hub: RunningHub) -> None:
    await arrange(hub)
    assert await results(settings(hub)) == {
        "key file": "ok",
        "clock": "ok",
        "key": "ok",
        "permissions of the App": "ok",
        "events": "ok",
        "webhook": "ok",
        "deliveries": "failed",
        "installation on acme": "failed",
    }


async def test_a_key_of_another_app_is_told(hub: RunningHub, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    other = rsa.generate_private_key(65537, 2048)
    key.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    key.chmod(0o644)
    first, clock, last = await examine_app(settings(hub, private_key_file=key), SystemClock())
    assert (first.result, first.advice, clock.result) == (Result.NOTE, f"chmod 600 {key}", Result.OK)
    assert_says(last, Result.FAILED, "401", "must be of the same App")


async def test_a_key_that_is_none_and_a_github_that_is_not_there_are_told(hub: RunningHub, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("no key\n")
    no_key = await examine_app(settings(hub, private_key_file=key), SystemClock())
    assert_says(no_key[-1], Result.FAILED, "is no PEM file")
    away = await examine_app(settings(hub, github_api_url=f"http://127.0.0.1:{free_port()}"), SystemClock())
    assert_says(away[-1], Result.FAILED, "tells no time", "see that this machine reaches")


async def test_without_an_app_there_is_nothing_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert await examine_set_up() == [Check("App", Result.NOTE, "none is set up", "`orch setup` makes one on GitHub")]


async def test_settings_and_agents_are_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCH_APP_ID", "7")
    monkeypatch.setenv("ORCH_AGENTS", "script,command")
    wrong, ready, lacking_argv = await examine_set_up()
    assert_says(wrong, Result.FAILED, "ORCH_WEBHOOK_SECRET is not set", "`orch config show`")
    assert (ready.check, ready.result) == ("agent script", Result.OK)
    assert_says(lacking_argv, Result.FAILED, "it has no `argv`")
