"""Issues and repositories that move, close or go: what GitHub answers, and the webhooks that tell of it."""

from typing import Any

from tests.contract.hub.stage import HubThread, Stage


def other_repository(stage: Stage, *labels: str) -> str:
    """Make a second repository with labels, where the App is installed too."""
    name = f"{stage.owner}/other"
    stage.hub.request("POST", "/_hub/repositories", json={"owner": stage.owner, "name": "other"})
    stage.hub.request("PATCH", f"/_hub/installations/{stage.installation_id}", json={"add": [name]})
    for label in labels:
        stage.hub.request("POST", f"/repos/{name}/labels", owner_token(stage), json={"name": label})
    return name


def owner_token(stage: Stage) -> str:
    token: str = stage.hub.request("POST", "/_hub/users", json={"login": stage.owner}).body["token"]
    return token


def transfer(stage: Stage, number: int, to: str) -> Any:
    path = f"/_hub/repositories/{stage.name}/issues/{number}/transfer"
    return stage.hub.request("POST", path, json={"to": to, "sender": stage.login("write")}).body


def test_a_transferred_issue_gets_a_number_there_and_keeps_comments_and_known_labels(stage: Stage) -> None:
    there = other_repository(stage, "orch")
    stage.ok("POST", "/issues", json={"title": "One", "labels": ["orch", "bug"]})
    stage.ok("POST", "/issues/1/comments", json={"body": "Hello"})
    moved = transfer(stage, 1, there)
    comments = stage.hub.request("GET", f"/repos/{there}/issues/1/comments", stage.tokens["write"]).body
    assert (moved["number"], moved["title"], [label["name"] for label in moved["labels"]]) == (1, "One", ["orch"])
    assert [comment["body"] for comment in comments] == ["Hello"]


def test_a_transfer_is_told_to_both_repositories(stage: Stage) -> None:
    there = other_repository(stage)
    stage.ok("POST", "/issues", json={"title": "One"})
    transfer(stage, 1, there)
    left, came = stage.hooks("issues.transferred", "issues.opened")[-2:]
    assert left.payload["repository"]["full_name"] == stage.name
    assert left.payload["changes"]["new_repository"]["full_name"] == there
    assert left.payload["changes"]["new_issue"]["number"] == 1
    assert came.payload["repository"]["full_name"] == there
    assert came.payload["changes"]["old_issue"]["number"] == 1
    assert left.payload["sender"]["login"] == stage.login("write")


def test_the_old_place_of_a_transferred_issue_leads_to_the_new_one(stage: Stage) -> None:
    there = other_repository(stage)
    stage.ok("POST", "/issues", json={"title": "One"})
    transfer(stage, 1, there)
    stage.ok("POST", "/issues", json={"title": "Two"})
    assert stage.request("GET", "/issues/1").body["url"].endswith(f"/repos/{there}/issues/1")
    assert [issue["title"] for issue in stage.ok("GET", "/issues?state=all")] == ["Two"]


def test_a_deleted_issue_is_gone_and_its_number_is_not_used_again(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    path = f"/_hub/repositories/{stage.name}/issues/1"
    assert stage.hub.request("DELETE", path, json={"sender": stage.login("admin")}).status == 204
    assert stage.request("GET", "/issues/1").status == 410
    assert stage.request("POST", "/issues/1/comments", json={"body": "Hello"}).status == 410
    assert stage.ok("POST", "/issues", json={"title": "Two"})["number"] == 2
    assert stage.hooks("issues.deleted")[0].payload["issue"]["title"] == "One"


def test_a_new_name_is_told_and_the_old_one_leads_to_it(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    assert stage.request("PATCH", "", "admin", json={"name": "gadgets"}).status == 200
    renamed = stage.hooks("repository.renamed")[0].payload
    assert renamed["repository"]["full_name"] == f"{stage.owner}/gadgets"
    assert renamed["changes"] == {"repository": {"name": {"from": "widgets"}}}
    assert stage.ok("GET", "/issues/1")["url"].endswith(f"/repos/{stage.owner}/gadgets/issues/1")
    assert stage.ok("POST", "/issues/1/comments", json={"body": "Hello"})["body"] == "Hello"
    git = stage.hub.request("GET", f"/{stage.name}.git/info/refs?service=git-upload-pack", stage.tokens["write"])
    assert (git.status, "git-upload-pack" in str(git.body)) == (200, True)


def test_a_name_that_another_took_leads_nowhere_else(hub: HubThread, stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    stage.ok("PATCH", "", "admin", json={"name": "gadgets"})
    hub.request("POST", "/_hub/repositories", json={"owner": stage.owner, "name": "widgets"})
    assert stage.request("GET", "/issues/1").status == 404


def test_archiving_is_told_and_makes_all_read_only(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    stage.ok("PATCH", "", "admin", json={"archived": True})
    assert stage.request("POST", "/issues/1/comments", json={"body": "Hello"}).status == 403
    stage.ok("PATCH", "", "admin", json={"archived": False})
    assert stage.request("POST", "/issues/1/comments", json={"body": "Hello"}).status == 201
    told = stage.hooks("repository.archived", "repository.unarchived")
    assert [(hook.name, hook.payload["repository"]["archived"]) for hook in told] == [
        ("repository.archived", True),
        ("repository.unarchived", False),
    ]


def test_only_an_admin_deletes_a_repository_and_it_is_told_once(stage: Stage) -> None:
    assert stage.request("DELETE", "", "maintain").status == 403
    assert stage.request("DELETE", "", "admin").status == 204
    assert stage.request("GET", "").status == 404
    assert [hook.payload["repository"]["full_name"] for hook in stage.hooks("repository.deleted")] == [stage.name]
    with stage.bot() as bot:
        assert bot.rest.apps.list_repos_accessible_to_installation().parsed_data.repositories == []
