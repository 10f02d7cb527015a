"""An App made of a manifest: agreed to on a page, fetched once by its code, installed on another page."""

import itertools
import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from githubkit import AppAuthStrategy, GitHub

from infra.hub.manifests import HOUR, Draft
from tests.contract.hub.browser import Browser, Shown
from tests.contract.hub.stage import HubThread, Stage

BACK = "http://127.0.0.1:9/setup/callback"
numbers = itertools.count(1)


@pytest.fixture
def browser(stage: Stage) -> Browser:
    return Browser(stage)


def manifest(name: str = "Widget Bot", **more: Any) -> str:
    given = {
        "name": name,
        "url": "https://example.org",
        "redirect_url": BACK,
        "default_permissions": {"issues": "write"},
    }
    return json.dumps(given | more)


def unused() -> str:
    return f"Bot {next(numbers)}"


def agree(browser: Browser, owner: str, name: str, **more: Any) -> Shown:
    """Press the button of the page that a manifest leads to."""
    fields = {"manifest": manifest(name, **more), "name": name, "state": "s-1"}
    return browser.send(f"/organizations/{owner}/settings/apps", **fields)


def code_of(shown: Shown) -> str:
    return parse_qs(urlsplit(shown.headers["Location"]).query)["code"][0]


def make(browser: Browser, stage: Stage, **more: Any) -> dict[str, Any]:
    """Make an App of the stage's organisation, and give what the exchange says."""
    code = code_of(agree(browser, stage.owner, unused(), **more))
    made = stage.hub.request("POST", f"/app-manifests/{code}/conversions")
    assert made.status == 201, made
    return dict(made.body)


def test_a_form_of_another_origin_only_has_a_page_shown(stage: Stage, browser: Browser) -> None:
    path = f"/organizations/{stage.owner}/settings/apps/new?state=s-1"
    shown = browser.post(path, "http://127.0.0.1:9", manifest=manifest())
    assert (shown.status, shown.value("name"), shown.value("state")) == (200, "Widget Bot", "s-1")
    assert "issues: write" in shown.text
    assert "form-action 'self' http://127.0.0.1:9;" in shown.headers["Content-Security-Policy"]
    assert stage.hub.request("GET", "/apps/widget-bot").status == 404


def test_the_app_comes_into_being_when_its_code_is_exchanged_which_works_once(stage: Stage, browser: Browser) -> None:
    name = unused()
    sent = agree(browser, stage.owner, name)
    code, slug = code_of(sent), name.lower().replace(" ", "-")
    assert (sent.status, sent.headers["Location"]) == (303, f"{BACK}?code={code}&state=s-1")
    assert stage.hub.request("GET", f"/apps/{slug}").status == 404
    with GitHub(base_url=stage.hub.url, auto_retry=False) as anybody:
        made = anybody.rest.apps.create_from_manifest(code).parsed_data
    assert (made.slug, made.name, made.webhook_secret) == (slug, name, None)
    with GitHub(AppAuthStrategy(made.id, made.pem), base_url=stage.hub.url, auto_retry=False) as app:
        assert app.rest.apps.get_authenticated().parsed_data.permissions.issues == "write"
    assert stage.hub.request("POST", f"/app-manifests/{code}/conversions").status == 404


def test_a_code_is_good_for_an_hour(stage: Stage, browser: Browser) -> None:
    code = code_of(agree(browser, stage.owner, unused()))

    async def age() -> None:
        state = stage.hub.hub.world.state
        draft = state.find(Draft, code)
        assert draft is not None
        with state.transaction():
            state.put(replace(draft, created=draft.created - HOUR - 1))

    stage.hub.run(age())
    assert stage.hub.request("POST", f"/app-manifests/{code}/conversions").status == 404


@pytest.mark.parametrize("name", ["Orch", "---", "x" * 35])
def test_a_name_that_cannot_be_had_is_told_on_the_form(stage: Stage, browser: Browser, name: str) -> None:
    shown = agree(browser, stage.owner, name)
    assert (shown.status, shown.value("name")) == (422, name)
    assert next(shown.elements("p"))[1]["role"] == "alert"


def test_an_organisation_that_is_none_has_no_form(browser: Browser) -> None:
    assert agree(browser, "nobody-here", unused()).status == 404


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"url": ""}, "Validation Failed"),
        ({"hook_attributes": {"active": True}}, "Validation Failed"),
        ({"default_permissions": {"issues": "all"}}, "Default permissions are"),
        ({"default_events": ["issues", "push"]}, "Default events unsupported: push"),
    ],
)
def test_a_manifest_that_cannot_be_followed_is_refused(
    stage: Stage, browser: Browser, more: dict[str, Any], why: str
) -> None:
    shown = browser.post("/settings/apps/new", None, manifest=manifest(**more))
    assert shown.status == 422
    assert why in shown.text


def test_the_app_knows_its_webhook_and_can_move_it(stage: Stage, browser: Browser) -> None:
    made = make(browser, stage, hook_attributes={"url": "https://orch.example.org/webhook"})
    with GitHub(AppAuthStrategy(made["id"], made["pem"]), base_url=stage.hub.url, auto_retry=False) as app:
        config = app.rest.apps.get_webhook_config_for_app().parsed_data
        assert (config.url, config.content_type, config.secret) == (
            "https://orch.example.org/webhook",
            "json",
            "********",
        )
        moved = app.rest.apps.update_webhook_config_for_app(url="https://other.example.org/webhook").parsed_data
        assert moved.url == "https://other.example.org/webhook"


def test_it_is_installed_on_the_repositories_that_are_ticked(stage: Stage, browser: Browser) -> None:
    receiver = stage.hub.hooks(stage.installation_id)[0].headers["Host"]
    made = make(browser, stage, hook_attributes={"url": f"http://{receiver}/"}, default_events=["issues"])
    path = f"/apps/{made['slug']}/installations/new"
    box = next(a["name"] for _, a in browser.get(path).elements("input") if a.get("type") == "checkbox")
    assert browser.act_as("write").send(path, **{box: "1"}).status == 403
    assert browser.act_as("admin").send(path).status == 422
    sent = browser.send(path, **{box: "1"})
    number = int(sent.headers["Location"].rpartition("/")[2])
    assert f"{stage.owner}/widgets" in browser.get(sent.headers["Location"]).text
    stage.ok("POST", "/issues", json={"title": "Both Apps hear of it"})
    seen = [json.loads(body) for _, body in told(stage.hub)]
    own = [payload["action"] for payload in seen if payload["installation"]["id"] == number]
    assert own == ["created", "opened"]


def told(hub: HubThread) -> list[tuple[dict[str, str], bytes]]:
    assert hub.request("GET", "/_hub/idle").status == 200
    return hub.receiver.seen


def test_what_it_asks_for_by_now_is_granted_on_a_page(stage: Stage, browser: Browser) -> None:
    path = f"/settings/installations/{stage.installation_id}"
    stage.hub.request("PATCH", f"/_hub{path.removeprefix('/settings')}", json={"permissions": {"metadata": "read"}})
    browser.act_as("admin")
    assert "issues (write)" in browser.get(path).text
    assert browser.send(path).status == 303
    assert "It asks for more" not in browser.get(path).text
