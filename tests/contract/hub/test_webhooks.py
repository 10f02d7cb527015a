"""Every webhook the hub sends, parsed by githubkit's models, and the log of deliveries."""

from typing import Any

import pytest

from tests.contract.hub.stage import HubThread, Stage


def names(stage: Stage) -> list[str]:
    return [hook.name for hook in stage.hooks() if hook.event not in ("push", "installation")]


def test_labels_at_creation_come_as_opened_and_one_labeled_each(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One", "labels": ["orch", "plan"]})
    hooks = stage.hooks("issues.opened", "issues.labeled")
    assert [(hook.name, hook.payload.get("label", {}).get("name")) for hook in hooks] == [
        ("issues.opened", None),
        ("issues.labeled", "orch"),
        ("issues.labeled", "plan"),
    ]
    assert [label["name"] for label in hooks[0].payload["issue"]["labels"]] == ["orch", "plan"]
    assert {hook.payload["sender"]["login"] for hook in hooks} == {stage.login("write")}


def test_every_change_of_an_issue_is_sent(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    stage.ok("PATCH", "/issues/1", json={"title": "Two", "body": "More"})
    stage.ok("POST", "/issues/1/labels", json={"labels": ["orch"]})
    stage.ok("DELETE", "/issues/1/labels/orch")
    stage.ok("PATCH", "/issues/1", json={"state": "closed"})
    stage.ok("PATCH", "/issues/1", json={"state": "open"})
    assert names(stage) == [f"issues.{a}" for a in ("opened", "edited", "labeled", "unlabeled", "closed", "reopened")]
    edited = stage.hooks("issues.edited")[0].payload
    assert edited["changes"] == {"title": {"from": "One"}, "body": {"from": ""}}
    assert edited["organization"]["login"] == stage.owner


def test_what_changes_nothing_sends_nothing(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One", "labels": ["orch"]})
    comment = stage.ok("POST", "/issues/1/comments", json={"body": "Same"})
    before = names(stage)
    stage.ok("PATCH", "/issues/1", json={"title": "One", "state": "open", "labels": ["orch"]})
    stage.ok("POST", "/issues/1/labels", json={"labels": ["ORCH"]})
    stage.ok("PATCH", f"/issues/comments/{comment['id']}", json={"body": "Same"})
    assert names(stage) == before


def test_every_change_of_a_comment_is_sent(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    comment = f"/issues/comments/{stage.ok('POST', '/issues/1/comments', json={'body': 'First'})['id']}"
    stage.ok("PATCH", comment, json={"body": "Second"})
    stage.ok("PUT", f"{comment}/pin")
    stage.ok("DELETE", f"{comment}/pin")
    stage.ok("DELETE", comment)
    actions = ("created", "edited", "pinned", "unpinned", "deleted")
    assert names(stage)[1:] == [f"issue_comment.{action}" for action in actions]
    assert stage.hooks("issue_comment.edited")[0].payload["changes"] == {"body": {"from": "First"}}


def test_every_change_of_a_pull_request_is_sent(stage: Stage) -> None:
    number = stage.pull("work")
    before = stage.ok("GET", f"/pulls/{number}")["head"]["sha"]
    after = stage.commit("work", "more.txt", "more\n")
    stage.ok("PATCH", f"/pulls/{number}", json={"title": "Do it all"})
    stage.ok("POST", f"/issues/{number}/labels", json={"labels": ["orch"]})
    stage.ok("DELETE", f"/issues/{number}/labels/orch")
    stage.ok("PATCH", f"/pulls/{number}", json={"state": "closed"})
    stage.ok("PATCH", f"/pulls/{number}", json={"state": "open"})
    stage.ok("POST", f"/issues/{number}/comments", json={"body": "Look"})
    actions = ("opened", "synchronize", "edited", "labeled", "unlabeled", "closed", "reopened")
    assert names(stage) == [*(f"pull_request.{action}" for action in actions), "issue_comment.created"]
    moved = stage.hooks("pull_request.synchronize")[0].payload
    assert (moved["before"], moved["after"], moved["pull_request"]["head"]["sha"]) == (before, after, after)
    assert "pull_request" in stage.hooks("issue_comment.created")[0].payload["issue"]


def test_a_merge_is_sent_as_push_and_closed(stage: Stage) -> None:
    number = stage.pull("work")
    sha = stage.ok("PUT", f"/pulls/{number}/merge")["sha"]
    push, closed = stage.hooks("push", "pull_request.closed")[-2:]
    assert (push.payload["ref"], push.payload["after"], push.payload["forced"]) == ("refs/heads/main", sha, False)
    merged = closed.payload["pull_request"]
    assert (merged["merged"], merged["merge_commit_sha"]) == (True, sha)
    assert merged["merged_by"]["login"] == stage.login("write")


def test_a_branch_comes_moves_and_goes_as_push(stage: Stage) -> None:
    head = stage.branch("work")
    main = stage.ok("GET", "/git/ref/heads/main")["object"]["sha"]
    stage.ok("PATCH", "/git/refs/heads/work", json={"sha": main, "force": True})
    stage.ok("DELETE", "/git/refs/heads/work")
    zero = "0" * 40
    keys = ("before", "after", "created", "deleted", "forced")
    assert [tuple(hook.payload[key] for key in keys) for hook in stage.hooks("push")] == [
        (zero, main, True, False, False),
        (main, head, False, False, False),
        (head, main, False, False, True),
        (main, zero, False, True, False),
    ]
    assert stage.hooks("push")[1].payload["head_commit"]["message"] == "Write new.txt"


def test_refs_beside_branches_and_tags_send_nothing(stage: Stage) -> None:
    main = stage.ok("GET", "/git/ref/heads/main")["object"]["sha"]
    stage.ok("POST", "/git/refs", json={"ref": "refs/orch/runs/r1", "sha": main})
    assert stage.hooks("push") == []


def test_every_change_of_an_installation_is_sent(hub: HubThread, stage: Stage) -> None:
    other = f"{stage.owner}/other"
    hub.request("POST", "/_hub/repositories", json={"owner": stage.owner, "name": "other"})
    path = f"/_hub/installations/{stage.installation_id}"
    hub.request("PATCH", path, json={"add": [other]})
    hub.request("PATCH", path, json={"remove": [stage.name]})
    hub.request("PATCH", path, json={"suspended": True})
    hub.request("PATCH", path, json={"suspended": False})
    hub.request("PATCH", path, json={"permissions": {"metadata": "read"}})
    assert hub.request("DELETE", path).status == 204
    assert [hook.name for hook in stage.hooks()] == [
        "installation.created",
        "installation_repositories.added",
        "installation_repositories.removed",
        "installation.suspend",
        "installation.unsuspend",
        "installation.new_permissions_accepted",
        "installation.deleted",
    ]
    removed = stage.hooks("installation_repositories.removed")[0].payload
    assert [repository["full_name"] for repository in removed["repositories_removed"]] == [stage.name]


def test_headers_are_githubs(hub: HubThread, stage: Stage) -> None:
    hook = stage.hooks("installation.created")[0]
    assert hook.headers["User-Agent"].startswith("GitHub-Hookshot/")
    assert hook.headers["X-GitHub-Hook-Installation-Target-ID"] == str(hub.info["app_id"])
    assert hook.headers["X-GitHub-Hook-Installation-Target-Type"] == "integration"
    assert hook.headers["Content-Type"] == "application/json"
    assert {"X-GitHub-Delivery", "X-GitHub-Hook-ID", "X-Hub-Signature"} <= hook.headers.keys()


def test_deliveries_are_logged_and_sent_again_under_their_guid(hub: HubThread, stage: Stage) -> None:
    hub.receiver.status = 500
    stage.ok("POST", "/issues", json={"title": "One"})
    failed = stage.hooks("issues.opened")[0].headers["X-GitHub-Delivery"]
    hub.receiver.status = 202
    with hub.app() as app:
        apps = app.rest.apps
        item = next(d for d in apps.list_webhook_deliveries(status="failure").parsed_data if d.guid == failed)
        assert (item.event, item.action, item.status_code, item.redelivery) == ("issues", "opened", 500, False)
        full = apps.get_webhook_delivery(item.id).parsed_data
        assert full.request.payload is not None
        assert apps.redeliver_webhook_delivery(item.id).status_code == 202
        again = stage.hooks("issues.opened")
        assert [hook.headers["X-GitHub-Delivery"] for hook in again] == [failed, failed]
        assert again[0].payload == again[1].payload
        latest = apps.list_webhook_deliveries(per_page=1).parsed_data[0]
        assert (latest.guid, latest.redelivery, latest.status_code, latest.status) == (failed, True, 202, "OK")


def test_the_delivery_log_is_read_by_cursor(hub: HubThread, stage: Stage) -> None:
    for number in range(3):
        stage.ok("POST", "/issues", json={"title": str(number)})
    stage.hooks()
    seen: list[int] = []
    with hub.app() as app:
        url = "/app/hook/deliveries?per_page=2"
        for _ in range(2):
            reply = app.request("GET", url)
            seen += [item["id"] for item in reply.json()]
            url = reply.raw_response.links["next"]["url"]
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 4


@pytest.mark.parametrize(
    ("switch", "target", "code"),
    [({"active": True}, "http://127.0.0.1:9/", 502), ({"active": False}, "http://127.0.0.1:9/", None)],
)
def test_an_unreachable_target_is_a_failure_and_a_hook_that_is_off_is_nothing(
    hub: HubThread, stage: Stage, switch: dict[str, bool], target: str, code: int | None
) -> None:
    stage.hooks()
    before = hub.info_now()["webhook_url"]
    hub.request("PUT", "/_hub/webhook", json={"url": target, **switch})
    stage.ok("POST", "/issues", json={"title": "Nobody hears"})
    stage.hooks()
    hub.request("PUT", "/_hub/webhook", json={"url": before, "active": True})
    with hub.app() as app:
        latest: Any = app.rest.apps.list_webhook_deliveries(per_page=1).parsed_data[0]
    own = latest.repository_id == stage.ok("GET", "")["id"]
    assert (latest.status_code if own else None) == code
