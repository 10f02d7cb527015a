"""Sub-issues by GraphQL, the order of what happened, and what the pages show of links."""

from typing import Any

import pytest

from app.github.linking import CREATE_SUB_ISSUE, SUB_ISSUES
from infra.hub.records import Issue
from tests.contract.hub.browser import Browser
from tests.contract.hub.stage import HubThread, Stage
from tests.contract.hub.test_dependencies import block
from tests.contract.hub.test_sub_issues import children, link, opened


def graphql(stage: Stage, document: str, who: str = "write", **variables: Any) -> Any:
    asked = {"query": document, "variables": variables}
    reply = stage.hub.request("POST", "/graphql", stage.tokens.get(who, who), json=asked)
    assert reply.status == 200, reply
    return reply.body


def tree(stage: Stage, number: int, **more: Any) -> Any:
    asked = {"owner": stage.owner, "name": "widgets", "number": number, "bodies": False, **more}
    return graphql(stage, SUB_ISSUES, **asked)["data"]["repository"]["issue"]["subIssues"]["nodes"]


def create(stage: Stage, parent: int, title: str, who: str = "write", body: str = "") -> Any:
    nodes = {"repository": stage.ok("GET", "")["node_id"], "parent": stage.ok("GET", f"/issues/{parent}")["node_id"]}
    return graphql(stage, CREATE_SUB_ISSUE, who, **nodes, title=title, body=body)


def test_sub_issues_are_told_with_their_blockers_and_authors(stage: Stage) -> None:
    _, second, third = opened(stage, 3)
    link(stage, 1, third)
    link(stage, 1, second)
    block(stage, 3, second)
    stage.ok("PATCH", "/issues/2", json={"state": "closed", "state_reason": "not_planned"})
    last, first = tree(stage, 1)
    about = {"databaseId": stage.ok("GET", "")["id"], "name": "widgets", "owner": {"login": stage.owner}}
    closed = {
        "fullDatabaseId": str(second),
        "number": 2,
        "title": "Issue 2",
        "state": "CLOSED",
        "stateReason": "NOT_PLANNED",
        "repository": {**about, "defaultBranchRef": {"name": "main"}},
    }
    assert first == {**closed, "author": {"databaseId": stage.row(Issue, 2).author_id}, "blockedBy": {"nodes": []}}
    assert (last["number"], last["state"], last["stateReason"]) == (3, "OPEN", None)
    assert last["blockedBy"]["nodes"] == [closed]


def test_texts_are_told_when_asked_for(stage: Stage) -> None:
    opened(stage, 1)
    create(stage, 1, "Below", body="Do it")
    assert ["body" in one for one in tree(stage, 1)] == [False]
    assert [one["body"] for one in tree(stage, 1, bodies=True)] == ["Do it"]


def test_what_the_caller_may_not_see_is_null(hub: HubThread, stage: Stage) -> None:
    opened(stage, 1)
    hub.request("POST", "/_hub/repositories", json={"owner": stage.owner, "name": "secret", "private": True})
    path = f"/_hub/repositories/{stage.owner}/secret/collaborators/{stage.login('admin')}"
    hub.request("PUT", path, json={"permission": "admin"})
    path = f"/repos/{stage.owner}/secret/issues"
    hidden = hub.request("POST", path, stage.tokens["admin"], json={"title": "Hush"}).body
    assert link(stage, 1, hidden["id"])[0] == 404
    asked = {"sub_issue_id": hidden["id"]}
    assert stage.request("POST", "/issues/1/sub_issues", "admin", json=asked).status == 201
    assert tree(stage, 1) == [None]
    assert children(stage, 1) == []


def test_an_issue_made_under_its_parent_is_told_as_opened_and_then_as_linked(stage: Stage) -> None:
    opened(stage, 1)
    made = create(stage, 1, "Below", stage.app_token())["data"]["createIssue"]["issue"]
    assert (made["number"], made["title"], made["state"]) == (2, "Below", "OPEN")
    assert made["fullDatabaseId"] == str(stage.row(Issue, 2).id)
    told = [hook for hook in stage.hooks() if hook.event in ("issues", "sub_issues")][1:]
    assert [hook.name for hook in told] == [
        "issues.opened",
        "sub_issues.sub_issue_added",
        "sub_issues.parent_issue_added",
    ]
    assert {hook.payload["sender"]["login"] for hook in told} == {"orch[bot]"}


@pytest.mark.parametrize(
    ("title", "who", "said"),
    [(" ", "write", "Title can't be blank"), ("x" * 257, "write", "Title is too long"), ("Below", "read", "admin")],
)
def test_what_is_refused_under_a_parent_is_not_made_at_all(stage: Stage, title: str, who: str, said: str) -> None:
    opened(stage, 1)
    answer = create(stage, 1, title, who)
    assert said in answer["errors"][0]["message"]
    assert len(stage.ok("GET", "/issues?state=all")) == 1


def test_a_parent_that_takes_no_more_leaves_no_issue_behind(stage: Stage) -> None:
    ids = opened(stage, 8)
    for above in range(1, 8):
        link(stage, above, ids[above])
    assert "layers of sub-issues" in create(stage, 8, "Below")["errors"][0]["message"]
    assert len(stage.ok("GET", "/issues?state=all")) == 8


def test_making_sub_issues_counts_as_creating_content_and_listing_them_does_not(hub: HubThread, stage: Stage) -> None:
    _, second = opened(stage, 2)
    nodes = {"repository": stage.ok("GET", "")["node_id"], "parent": stage.ok("GET", "/issues/1")["node_id"]}
    hub.request("PUT", "/_hub/faults", json={"secondary_limit": {"count": 2, "window": 60}})
    graphql(stage, CREATE_SUB_ISSUE, **nodes, title="Below", body="")
    tree(stage, 1)
    assert link(stage, 1, second)[0] == 201
    asked = {"query": CREATE_SUB_ISSUE, "variables": {**nodes, "title": "Below", "body": ""}}
    reply = hub.request("POST", "/graphql", stage.tokens["write"], json=asked)
    assert (reply.status, "Retry-After" in reply.headers) == (403, True)


def test_what_happened_is_listed_in_order(hub: HubThread, stage: Stage) -> None:
    first, second = opened(stage, 2)
    since = first - 1
    link(stage, 1, second)
    stage.ok("POST", "/issues/2/labels", json={"labels": ["orch"]})
    number = stage.pull("work", body="Closes #2")
    stage.ok("PUT", f"/pulls/{number}/merge")
    found = hub.request("GET", f"/_hub/events?since={since}").body
    assert [(one["event"], one["number"]) for one in found] == [
        ("opened", 1),
        ("opened", 2),
        ("sub_issue_added", 1),
        ("parent_issue_added", 2),
        ("labeled", 2),
        ("opened", 3),
        ("merged", 3),
        ("closed", 3),
        ("closed", 2),
    ]
    assert found[2]["sub_issue"] == 2
    assert (found[4]["label"]["name"], found[4]["actor"], found[5]["is_pull"]) == ("orch", stage.login("write"), True)
    assert [one["at"] for one in found] == sorted(one["at"] for one in found)
    assert hub.request("GET", f"/_hub/events?since={found[-1]['id']}").body == []
    assert hub.request("GET", "/_hub/events?since=yesterday").status == 422


def test_an_issues_page_shows_what_hangs_together_with_it(hub: HubThread, stage: Stage) -> None:
    _, second, third = opened(stage, 3)
    link(stage, 1, second)
    link(stage, 1, third)
    block(stage, 3, second)
    stage.ok("PATCH", "/issues/2", json={"state": "closed"})
    browser = Browser(stage)
    parent = browser.get(f"{browser.home}/issues/1")
    assert "Sub-issues 1 of 2 closed Closed Issue 2 #2 Open Issue 3 #3" in parent.text
    assert "added the sub-issue #2" in parent.text
    below = browser.get(f"{browser.home}/issues/3")
    assert "Parent issue Open Issue 1 #1 Blocked by Closed Issue 2 #2" in below.text
    assert f"{browser.home}/issues/2" in below.hrefs()
    assert "Blocking Open Issue 3 #3" in browser.get(f"{browser.home}/issues/2").text
    hub.request("DELETE", f"/_hub/repositories/{stage.name}/issues/3")
    assert "added the sub-issue (deleted)" in browser.get(f"{browser.home}/issues/1").text
