"""What a person may type for a new App, and the manifest that comes of it."""

import json
import re
from pathlib import Path

import pytest

from app.domain.errors import UserError
from app.domain.manifest import (
    AppWish,
    form_address,
    install_address,
    is_local,
    manifest_of,
    read_wish,
    settings_address,
)
from app.domain.permissions import EVENTS, NEEDED, Access, Needed, lacking, permission_table
from app.github.payloads import READERS
from infra.hub.manifests import PERMISSION_OF

README = Path(__file__).parents[2] / "README.md"
WEB = "https://github.com"
HUB = "http://127.0.0.1:4000"


def test_a_wish_is_read_as_it_was_meant() -> None:
    given = {
        "name": "  Orch   of Acme ",
        "owner": "organization",
        "organization": " acme ",
        "webhook": "https://a.example",
    }
    assert read_wish(given, WEB) == AppWish("Orch of Acme", "acme", "https://a.example/webhook")


def test_an_organisation_counts_only_if_it_is_chosen() -> None:
    assert read_wish({"name": "orch", "owner": "user", "organization": "acme"}, WEB) == AppWish("orch")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"name": " - "}, "letters or digits"),
        ({"name": "x" * 35}, "at most 34 characters"),
        ({"owner": "organization", "organization": "a/b"}, "organisation's login"),
        ({"webhook": "https://[1/webhook"}, "is no address"),
        ({"webhook": "orch.example.org/webhook"}, "in full"),
        ({"webhook": "https:///webhook"}, "in full"),
        ({"webhook": "https://me@orch.example.org/"}, "no password"),
        ({"webhook": "https://orch.example.org/?a"}, "no password"),
        ({"webhook": "http://orch.example.org/webhook"}, "over https"),
        ({"webhook": "https://192.168.1.7/webhook"}, "over https"),
    ],
)
def test_what_github_would_refuse_is_told_before(wrong: dict[str, str], why: str) -> None:
    with pytest.raises(UserError, match=why):
        read_wish({"name": "orch"} | wrong, WEB)


def test_the_hub_reaches_this_machine() -> None:
    assert read_wish({"name": "orch", "webhook": f"{HUB}/webhook"}, HUB).webhook == f"{HUB}/webhook"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:1/", True),
        ("https://box.local/", True),
        ("https://10.0.0.1/", True),
        ("http://[::1]/", True),
        ("https://box/", True),
        ("https://example.org/", False),
        ("https://93.184.215.14/", False),
    ],
)
def test_addresses_that_github_cannot_reach_are_known(url: str, local: bool) -> None:
    assert is_local(url) is local


def test_the_manifest_asks_for_what_is_needed_and_no_more() -> None:
    made = json.loads(manifest_of(AppWish("orch", webhook="https://a.example/webhook"), WEB, f"{HUB}/back"))
    assert made["default_permissions"] == {one.name: one.access for one in NEEDED}
    assert not {"workflows", "administration", "secrets"} & made["default_permissions"].keys()
    assert (made["public"], made["redirect_url"]) == (False, f"{HUB}/back")
    assert made["hook_attributes"] == {"url": "https://a.example/webhook", "active": True}


def test_without_a_webhook_address_there_is_no_webhook() -> None:
    assert "hook_attributes" not in json.loads(manifest_of(AppWish("orch"), WEB, HUB))


def test_every_event_that_is_read_is_subscribed_to_and_permitted() -> None:
    read = {name for name, _ in READERS if not name.startswith("installation")}
    assert read <= set(EVENTS)
    assert {PERMISSION_OF[name] for name in EVENTS} <= {one.name for one in NEEDED}


def test_addresses_on_github_name_the_owner() -> None:
    assert form_address(f"{WEB}/", AppWish("orch"), "s&1") == f"{WEB}/settings/apps/new?state=s%261"
    assert form_address(WEB, AppWish("orch", "acme"), "s") == f"{WEB}/organizations/acme/settings/apps/new?state=s"
    assert settings_address(WEB, "acme", "orch") == f"{WEB}/organizations/acme/settings/apps/orch"
    assert settings_address(WEB, "", "") == f"{WEB}/settings/apps"
    assert install_address(WEB, "orch") == f"{WEB}/apps/orch/installations/new"


def test_what_is_not_granted_is_named() -> None:
    granted = {one.name: one.access.value for one in NEEDED} | {"issues": "read"}
    del granted["actions"]
    assert lacking(granted) == ("actions: read", "issues: write")
    assert lacking(granted, {"issues": "read", "pages": "admin"}) == ("pages: admin",)


def test_permissions_are_named_as_github_names_them() -> None:
    shown = [Needed("pull_requests", Access.WRITE, ""), Needed("statuses", Access.READ, "")]
    assert [(one.title, one.words) for one in shown] == [
        ("Pull requests", "read and write"),
        ("Commit statuses", "read"),
    ]


@pytest.mark.parametrize(
    ("name", "made"),
    [("permissions", permission_table()), ("events", ", ".join(f"`{one}`" for one in EVENTS))],
)
def test_the_readme_names_them_all(name: str, made: str) -> None:
    [block] = re.findall(rf"<!-- {name} -->\n(.*)\n<!-- /{name} -->", README.read_text(), re.DOTALL)
    assert block == made
