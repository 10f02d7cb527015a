"""Sub-issues: GitHub's shapes by other people's clients, GitHub's limits, and both ends' webhooks."""

from typing import Any

import pytest
from githubkit.exception import RequestFailed

from infra.hub.link_records import SubIssue
from infra.hub.records import Issue
from tests.contract.hub.stage import HubThread, Stage


def opened(stage: Stage, count: int) -> list[int]:
    """Open so many issues, numbered from 1, and give their ids."""
    return [stage.ok("POST", "/issues", json={"title": f"Issue {n + 1}"})["id"] for n in range(count)]


def link(stage: Stage, parent: int, child: int, **more: Any) -> tuple[int, str]:
    """Put the issue of an id under the one of a number; give the status and what was said."""
    reply = stage.request("POST", f"/issues/{parent}/sub_issues", json={"sub_issue_id": child, **more})
    return reply.status, reply.body.get("message", "").removeprefix(
        "An error occurred while adding the sub-issue to the parent issue. "
    )


def children(stage: Stage, parent: int) -> list[int]:
    return [one["number"] for one in stage.ok("GET", f"/issues/{parent}/sub_issues")]


def test_githubkit_adds_lists_moves_and_removes_sub_issues(stage: Stage) -> None:
    _, second, third = opened(stage, 3)
    with stage.bot() as bot:
        issues, where = bot.rest.issues, (stage.owner, "widgets", 1)
        assert issues.add_sub_issue(*where, sub_issue_id=second).status_code == 201
        parent = issues.add_sub_issue(*where, sub_issue_id=third).parsed_data
        assert parent.number == 1
        assert parent.sub_issues_summary.total == 2
        assert [one.number for one in issues.list_sub_issues(*where).parsed_data] == [2, 3]
        issues.reprioritize_sub_issue(*where, sub_issue_id=third, before_id=second)
        assert [one.number for one in issues.list_sub_issues(*where).parsed_data] == [3, 2]
        assert issues.get_parent(stage.owner, "widgets", 2).parsed_data.number == 1
        assert issues.remove_sub_issue(*where, sub_issue_id=second).status_code == 200
        with pytest.raises(RequestFailed) as refusal:
            issues.get_parent(stage.owner, "widgets", 2)
        assert refusal.value.response.status_code == 404
        events = issues.list_events(stage.owner, "widgets", 1).parsed_data
    seen = [(one.event, one.sub_issue.number) for one in events]
    assert seen == [("sub_issue_added", 2), ("sub_issue_added", 3), ("sub_issue_removed", 2)]


def test_pygithub_works_with_sub_issues(stage: Stage) -> None:
    _, second, third = opened(stage, 3)
    with stage.pygithub(stage.tokens["triage"]) as client:
        parent = client.get_repo(stage.name).get_issue(1)
        parent.add_sub_issue(second)
        parent.add_sub_issue(third)
        parent.prioritize_sub_issue(third, None)
        assert [one.number for one in parent.get_sub_issues()] == [3, 2]
        parent.remove_sub_issue(third)
        assert [one.number for one in parent.get_sub_issues()] == [2]


def test_an_issue_shows_its_parent_and_how_far_its_sub_issues_are(stage: Stage) -> None:
    _, *below = opened(stage, 4)
    for child in below:
        link(stage, 1, child)
    stage.ok("PATCH", "/issues/2", json={"state": "closed", "state_reason": "not_planned"})
    assert stage.ok("GET", "/issues/1")["sub_issues_summary"] == {"total": 3, "completed": 1, "percent_completed": 33}
    assert stage.ok("GET", "/issues/2")["parent_issue_url"] == stage.ok("GET", "/issues/1")["url"]
    assert "parent_issue_url" not in stage.ok("GET", "/issues/1")


def test_a_link_is_told_to_both_ends(stage: Stage) -> None:
    _, child = opened(stage, 2)
    link(stage, 1, child)
    stage.ok("DELETE", "/issues/1/sub_issue", json={"sub_issue_id": child})
    actions = ("sub_issue_added", "parent_issue_added", "sub_issue_removed", "parent_issue_removed")
    hooks = stage.hooks(*(f"sub_issues.{action}" for action in actions))
    assert [hook.payload["action"] for hook in hooks] == list(actions)
    for hook in hooks:
        about = hook.payload
        assert (about["parent_issue"]["number"], about["sub_issue"]["number"]) == (1, 2)
        assert (about["parent_issue_id"], about["sub_issue_id"]) == (about["parent_issue"]["id"], child)
        assert about["sender"]["login"] == stage.login("write")
    assert [next(key for key in hook.payload if key.endswith("_repo")) for hook in hooks] == [
        "sub_issue_repo",
        "parent_issue_repo",
    ] * 2


def test_a_link_between_repositories_is_told_in_each_of_them(hub: HubThread, stage: Stage) -> None:
    opened(stage, 1)
    other = f"{stage.owner}/other"
    hub.request("POST", "/_hub/repositories", json={"owner": stage.owner, "name": "other"})
    hub.request("PATCH", f"/_hub/installations/{stage.installation_id}", json={"add": [other]})
    child = hub.request("POST", f"/repos/{other}/issues", stage.tokens["write"], json={"title": "There"}).body
    assert link(stage, 1, child["id"])[0] == 201
    above, below = stage.hooks("sub_issues.sub_issue_added", "sub_issues.parent_issue_added")
    assert (above.payload["repository"]["full_name"], below.payload["repository"]["full_name"]) == (stage.name, other)
    assert above.payload["sub_issue_repo"]["full_name"] == other
    assert below.payload["sub_issue"]["parent_issue_url"].endswith(f"{stage.name}/issues/1")
    assert [one["repository"]["full_name"] for one in stage.ok("GET", "/issues/1/sub_issues")] == [other]


def test_an_issue_has_one_parent_until_that_is_replaced(stage: Stage) -> None:
    first, _, child = opened(stage, 3)
    link(stage, 1, child)
    only = "Sub issue may only have one parent"
    assert link(stage, 2, child) == (422, only)
    assert link(stage, 1, child) == (422, f"Issue may not contain duplicate sub-issues and {only}")
    assert link(stage, 2, child, replace_parent=True) == (201, "")
    assert (children(stage, 1), children(stage, 2)) == ([], [3])
    gone, come = stage.hooks("sub_issues.parent_issue_removed", "sub_issues.parent_issue_added")[-2:]
    assert (gone.payload["parent_issue_id"], come.payload["parent_issue"]["number"]) == (first, 2)


def test_rings_and_too_many_levels_are_refused(stage: Stage) -> None:
    ids = opened(stage, 9)
    for above in range(1, 8):
        assert link(stage, above, ids[above])[0] == 201
    status, said = link(stage, 8, ids[8])
    assert status == 422
    assert "more than 7 layers of sub-issues" in said
    assert link(stage, 9, ids[0])[0] == 422
    assert link(stage, 8, ids[0]) == (422, "Sub issue may not create a circular dependency")
    assert link(stage, 1, ids[0]) == (422, "Sub issue cannot be the same as the parent issue")


def test_a_parent_takes_a_hundred_sub_issues_closed_ones_among_them(hub: HubThread, stage: Stage) -> None:
    _, closed, last = opened(stage, 3)
    link(stage, 1, closed)
    stage.ok("PATCH", "/issues/2", json={"state": "closed"})
    parent = stage.row(Issue, 1)

    async def fill() -> None:
        state = hub.hub.world.state
        with state.transaction():
            for position in range(1, 100):
                state.put(SubIssue(state.new_id(), parent.id, position, 0.0))

    hub.run(fill())
    assert link(stage, 1, last) == (422, "Parent cannot have more than 100 sub-issues")


def test_what_is_no_issue_of_the_same_owner_is_refused(hub: HubThread, stage: Stage) -> None:
    opened(stage, 1)
    pull = stage.ok("GET", f"/issues/{stage.pull('work')}")
    stranger = Stage.build(hub, f"{stage.owner}-beside")
    foreign = stranger.ok("POST", "/issues", json={"title": "There"})
    assert link(stage, 1, pull["id"]) == (422, "Sub issue may only be an issue")
    assert link(stage, pull["number"], foreign["id"]) == (422, "Parent may only be an issue")
    assert link(stage, 1, foreign["id"])[0] == 422
    assert link(stage, 1, 999_999_999)[0] == 404
    assert stage.request("POST", "/issues/1/sub_issues", json={"sub_issue_id": "1"}).status == 422
    assert stage.request("POST", "/issues/77/sub_issues", json={"sub_issue_id": pull["id"]}).status == 404


@pytest.mark.parametrize(("who", "status"), [("read", 403), ("triage", 201), ("app", 201), ("reader app", 403)])
def test_who_may_link(stage: Stage, who: str, status: int) -> None:
    _, child = opened(stage, 2)
    if "app" in who:
        who = stage.app_token(permissions={"issues": "read" if "reader" in who else "write"})
    assert stage.request("POST", "/issues/1/sub_issues", who, json={"sub_issue_id": child}).status == status


@pytest.mark.parametrize(
    ("asked", "status"), [({}, 422), ({"after_id": 1, "before_id": 1}, 422), ({"after_id": 1}, 422)]
)
def test_a_place_is_beside_one_sub_issue_of_the_same_parent(stage: Stage, asked: dict[str, int], status: int) -> None:
    _, child = opened(stage, 2)
    link(stage, 1, child)
    path = "/issues/1/sub_issues/priority"
    assert stage.request("PATCH", path, json={"sub_issue_id": child, **asked}).status == status


def test_a_sub_issue_of_another_parent_is_neither_moved_nor_removed(stage: Stage) -> None:
    first, child = opened(stage, 2)
    assert stage.request("DELETE", "/issues/1/sub_issue", json={"sub_issue_id": child}).status == 404
    asked = {"sub_issue_id": child, "after_id": first}
    assert stage.request("PATCH", "/issues/1/sub_issues/priority", json=asked).status == 404


def test_links_follow_a_transferred_issue_and_go_with_a_deleted_one(hub: HubThread, stage: Stage) -> None:
    _, second, third = opened(stage, 3)
    link(stage, 1, second)
    link(stage, 2, third)
    other = f"{stage.owner}/other"
    hub.request("POST", "/_hub/repositories", json={"owner": stage.owner, "name": "other"})
    moved = hub.request("POST", f"/_hub/repositories/{stage.name}/issues/2/transfer", json={"to": other}).body
    assert [one["id"] for one in stage.ok("GET", "/issues/1/sub_issues")] == [moved["id"]]
    assert stage.ok("GET", "/issues/3/parent")["id"] == moved["id"]
    hub.request("DELETE", f"/_hub/repositories/{other}/issues/{moved['number']}")
    assert children(stage, 1) == []
    assert stage.request("GET", "/issues/3/parent").status == 404


def test_lists_of_links_lag_too(hub: HubThread, stage: Stage) -> None:
    _, child = opened(stage, 2)
    hub.request("PUT", "/_hub/faults", json={"lag_seconds": 3600})
    link(stage, 1, child)
    assert children(stage, 1) == []
    assert stage.ok("GET", "/issues/2/parent")["number"] == 1
