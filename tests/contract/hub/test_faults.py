"""The fault switches, each seen by a client."""

import time
from typing import Any

import pytest

from tests.contract.hub.stage import HubThread, Stage


def switch(hub: HubThread, **faults: Any) -> None:
    assert hub.request("PUT", "/_hub/faults", json=faults).status == 200


def test_a_write_is_done_and_answers_502_once(hub: HubThread, stage: Stage) -> None:
    switch(hub, write_then_502="once")
    first = stage.request("POST", "/issues", json={"title": "One"})
    second = stage.request("POST", "/issues", json={"title": "One"})
    other = stage.request("POST", "/issues", json={"title": "Two"})
    assert [first.status, second.status, other.status] == [502, 201, 502]
    assert [issue["title"] for issue in stage.ok("GET", "/issues?direction=asc")] == ["One", "One", "Two"]
    assert len(stage.hooks("issues.opened")) == 3


def test_a_refused_write_answers_its_reason_and_no_502(hub: HubThread, stage: Stage) -> None:
    switch(hub, write_then_502=1.0)
    assert stage.request("DELETE", "/git/refs/heads/nowhere").status == 422
    assert stage.request("GET", "/issues").status == 200


def test_requests_fail_before_they_do_anything(hub: HubThread, stage: Stage) -> None:
    switch(hub, fail_rate=1.0)
    assert stage.request("POST", "/issues", json={"title": "One"}).status in (500, 502, 503)
    switch(hub)
    assert stage.ok("GET", "/issues") == []


def test_a_request_that_asks_to_be_spared_meets_no_fault(hub: HubThread, stage: Stage) -> None:
    switch(hub, fail_rate=1.0, write_then_502=1.0, secondary_limit={"count": 0})
    assert stage.request("POST", "/issues", json={"title": "One"}, X_Hub_Spare_Me="1").status == 201


def test_a_seed_makes_failures_repeatable(hub: HubThread, stage: Stage) -> None:
    def statuses() -> list[int]:
        switch(hub, seed=7, fail_rate=0.5)
        return [stage.request("GET", "/issues").status for _ in range(12)]

    first = statuses()
    assert 200 in first
    assert len(set(first)) > 1
    assert statuses() == first


def test_content_is_limited_and_impatience_is_noted(hub: HubThread, stage: Stage) -> None:
    switch(hub, secondary_limit={"count": 2, "window": 60, "retry_after": 30, "status": 429})
    replies = [stage.request("POST", "/issues", json={"title": str(n)}) for n in range(4)]
    assert [reply.status for reply in replies] == [201, 201, 429, 429]
    assert replies[2].headers["Retry-After"] == "30"
    assert "secondary rate limit" in replies[2].body["message"]
    assert stage.request("GET", "/issues").status == 200
    assert hub.request("GET", "/_hub/faults").body["violations"] == 1


def test_a_limit_is_over_after_its_time(hub: HubThread, stage: Stage) -> None:
    switch(hub, secondary_limit={"count": 1, "window": 0.01, "retry_after": 0})
    statuses = {stage.request("POST", "/issues", json={"title": "x"}).status for _ in range(8)}
    assert statuses <= {201, 403}
    assert 201 in statuses
    assert hub.request("GET", "/_hub/faults").body["violations"] == 0


def test_lists_lag_and_single_objects_do_not(hub: HubThread, stage: Stage) -> None:
    switch(hub, lag_seconds=3600)
    number = stage.pull("work")
    stage.ok("POST", f"/issues/{number}/comments", json={"body": "Hello"})
    for path in ("/issues", "/pulls", f"/issues/{number}/comments"):
        assert stage.ok("GET", path) == []
    assert stage.ok("GET", f"/pulls/{number}")["state"] == "open"
    switch(hub)
    assert len(stage.ok("GET", "/pulls")) == 1


def test_mergeable_is_null_as_often_as_told(hub: HubThread, stage: Stage) -> None:
    switch(hub, mergeable_null_times=2)
    number = stage.pull("work")
    answers = [stage.ok("GET", f"/pulls/{number}")["mergeable"] for _ in range(4)]
    assert answers == [None, None, True, True]


def test_answers_can_be_slow(hub: HubThread, stage: Stage) -> None:
    switch(hub, latency_ms=50)
    started = time.monotonic()
    stage.request("GET", "/issues")
    assert time.monotonic() - started >= 0.05


def guids(stage: Stage) -> list[str]:
    return [hook.headers["X-GitHub-Delivery"] for hook in stage.hooks("issues.opened")]


def test_webhooks_are_doubled_under_one_guid(hub: HubThread, stage: Stage) -> None:
    switch(hub, webhook_double=True)
    stage.ok("POST", "/issues", json={"title": "One"})
    first, second = guids(stage)
    assert first == second


def test_refused_webhooks_are_failures_that_were_never_sent(hub: HubThread, stage: Stage) -> None:
    stage.hooks()
    switch(hub, webhook_refuse_rate=1.0)
    stage.ok("POST", "/issues", json={"title": "One"})
    assert guids(stage) == []
    switch(hub)
    with hub.app() as app:
        failed = app.rest.apps.list_webhook_deliveries(status="failure", per_page=1).parsed_data[0]
        assert (failed.event, failed.action, failed.status_code) == ("issues", "opened", 503)
        app.rest.apps.redeliver_webhook_delivery(failed.id)
    assert guids(stage) == [failed.guid]


def test_dropped_webhooks_are_in_no_log(hub: HubThread, stage: Stage) -> None:
    stage.hooks()
    switch(hub, webhook_drop_rate=1.0)
    repository = stage.ok("POST", "/issues", json={"title": "One"})["repository_url"]
    assert guids(stage) == []
    with hub.app() as app:
        latest = app.rest.apps.list_webhook_deliveries(per_page=1).parsed_data[0]
    assert latest.repository_id != hub.request("GET", repository).body["id"]


def test_webhooks_come_late_and_out_of_order(hub: HubThread, stage: Stage) -> None:
    stage.hooks()
    switch(hub, webhook_delay=3600)
    numbers = [stage.ok("POST", "/issues", json={"title": str(n)})["number"] for n in range(8)]
    switch(hub, seed=3, webhook_shuffle=True)
    came = [hook.payload["issue"]["number"] for hook in stage.hooks("issues.opened")]
    assert sorted(came) == numbers
    assert came != numbers


@pytest.mark.parametrize("faults", [{"typo_rate": 1}, {"fail_rate": "often"}, {"write_then_502": "twice"}])
def test_a_fault_that_makes_no_sense_is_refused(hub: HubThread, faults: dict[str, Any]) -> None:
    assert hub.request("PUT", "/_hub/faults", json=faults).status == 422
