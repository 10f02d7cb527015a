"""What a pull request's page shows of checks, and of what keeps it from being merged."""

import pytest

from tests.contract.hub.browser import Browser
from tests.contract.hub.stage import HubThread, Stage


@pytest.fixture
def browser(stage: Stage) -> Browser:
    return Browser(stage).act_as("write")


def test_a_pull_request_shows_its_checks_with_their_logs_and_what_it_lacks(
    hub: HubThread, stage: Stage, browser: Browser
) -> None:
    number = stage.pull()
    path = f"/_hub/repositories/{stage.name}"
    failed = {"branch": "work", "name": "test", "conclusion": "failure", "title": "1 failed", "log": "<b>no lid</b>\n"}
    hub.request("POST", f"{path}/checks", json=failed)
    hub.request("PUT", f"{path}/rules/main", json={"checks": ["test"], "approvals": 1})
    page = browser.get(f"{browser.home}/pull/{number}")
    assert "failed test 1 failed Log <b>no lid</b>" in page.text
    assert 'Required status check "test" is failing. At least 1 approving review is required' in page.text
    assert "disabled>Merge as" in page.html
    refused = browser.send(f"{browser.home}/pull/{number}/merge", method="merge", sha="")
    assert "Required status check" in refused.text


def test_a_person_queues_a_pull_request_and_takes_it_out(hub: HubThread, stage: Stage, browser: Browser) -> None:
    number = stage.pull()
    path = f"/_hub/repositories/{stage.name}"
    hub.request("POST", f"{path}/checks", json={"branch": "work", "name": "test", "conclusion": "success"})
    hub.request("PUT", f"{path}/rules/main", json={"checks": ["test"], "queue": True})
    address = f"{browser.home}/pull/{number}"
    head = stage.ok("GET", f"/pulls/{number}")["head"]["sha"]
    assert "Add to the merge queue" in browser.get(address).text
    browser.send(f"{address}/queue", sha=head)
    assert "This waits in the merge queue of main" in browser.get(address).text
    browser.send(f"{address}/queue", sha=head, leave="1")
    assert "Add to the merge queue" in browser.get(address).text
