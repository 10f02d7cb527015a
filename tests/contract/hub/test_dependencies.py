"""Dependencies: GitHub's shapes by other people's clients, GitHub's limits, and both ends' webhooks."""

from infra.hub.link_records import BlockedBy, Blocking
from infra.hub.records import Issue
from tests.contract.hub.stage import HubThread, Stage
from tests.contract.hub.test_sub_issues import opened


def block(stage: Stage, number: int, blocker: int) -> tuple[int, str]:
    """Have the issue of an id block the one of a number; give the status and what was said."""
    reply = stage.request("POST", f"/issues/{number}/dependencies/blocked_by", json={"issue_id": blocker})
    return reply.status, reply.body.get("message", "").rpartition("Validation failed: ")[2]


def numbers(stage: Stage, number: int, kind: str) -> list[int]:
    return [one["number"] for one in stage.ok("GET", f"/issues/{number}/dependencies/{kind}")]


def test_githubkit_adds_lists_and_removes_blockers(stage: Stage) -> None:
    first, second, _ = opened(stage, 3)
    with stage.bot() as bot:
        issues, where = bot.rest.issues, (stage.owner, "widgets", 3)
        assert issues.add_blocked_by_dependency(*where, issue_id=second).status_code == 201
        blocked = issues.add_blocked_by_dependency(*where, issue_id=first).parsed_data
        assert (blocked.number, blocked.issue_dependencies_summary.blocked_by) == (3, 2)
        assert [one.number for one in issues.list_dependencies_blocked_by(*where).parsed_data] == [2, 1]
        blocking = issues.list_dependencies_blocking(stage.owner, "widgets", 1).parsed_data
        assert [(one.number, one.repository.full_name) for one in blocking] == [(3, stage.name)]
        for _ in range(2):
            assert issues.remove_dependency_blocked_by(*where, first).status_code == 200
        assert [one.number for one in issues.list_dependencies_blocked_by(*where).parsed_data] == [2]
        events = issues.list_events(*where).parsed_data
    seen = [(one.event, one.blocked_by.number) for one in events]
    assert seen == [("blocked_by_added", 2), ("blocked_by_added", 1), ("blocked_by_removed", 1)]


def test_pygithub_works_with_blockers(stage: Stage) -> None:
    opened(stage, 2)
    with stage.pygithub(stage.tokens["triage"]) as client:
        repository = client.get_repo(stage.name)
        first, second = repository.get_issue(1), repository.get_issue(2)
        second.add_blocked_by(first)
        assert [one.number for one in second.get_blocked_by()] == [1]
        assert [one.number for one in first.get_blocking()] == [2]
        second.remove_blocked_by(first)
        assert list(first.get_blocking()) == []


def test_closing_a_blocker_keeps_the_link_and_tells_how_many_it_blocked(stage: Stage) -> None:
    first, *_ = opened(stage, 3)
    block(stage, 2, first)
    block(stage, 3, first)
    stage.ok("PATCH", "/issues/3", json={"state": "closed"})
    stage.ok("PATCH", "/issues/1", json={"state": "closed"})
    told = stage.hooks("issues.closed")[-1].payload["issue"]["issue_dependencies_summary"]
    assert told == {"blocked_by": 0, "total_blocked_by": 0, "blocking": 1, "total_blocking": 2}
    after = stage.ok("GET", "/issues/2")["issue_dependencies_summary"]
    assert after == {"blocked_by": 0, "total_blocked_by": 1, "blocking": 0, "total_blocking": 0}


def test_a_dependency_is_told_to_both_ends(stage: Stage) -> None:
    first, second = opened(stage, 2)
    block(stage, 2, first)
    stage.ok("DELETE", f"/issues/2/dependencies/blocked_by/{first}")
    actions = ("blocked_by_added", "blocking_added", "blocked_by_removed", "blocking_removed")
    hooks = stage.hooks(*(f"issue_dependencies.{action}" for action in actions))
    assert [hook.payload["action"] for hook in hooks] == list(actions)
    for hook in hooks:
        about = hook.payload
        assert (about["blocked_issue_id"], about["blocking_issue_id"]) == (second, first)
        assert (about["blocked_issue"]["number"], about["blocking_issue"]["number"]) == (2, 1)
    assert hooks[0].payload["blocking_issue_repo"]["full_name"] == stage.name
    assert hooks[1].payload["blocked_issue_repo"]["full_name"] == stage.name


def test_doubles_and_rings_of_two_are_refused_and_longer_rings_are_not(stage: Stage) -> None:
    first, second, third = opened(stage, 3)
    assert block(stage, 2, first) == (201, "")
    assert block(stage, 2, first) == (422, "Target issue has already been taken")
    assert block(stage, 1, first) == (422, "Target issue cannot be the same as the source issue")
    assert block(stage, 1, second)[0] == 422
    assert block(stage, 3, second) == (201, "")
    assert block(stage, 1, third) == (201, "")


def test_only_issues_of_one_owner_block_each_other(hub: HubThread, stage: Stage) -> None:
    first, _ = opened(stage, 2)
    pull = stage.ok("GET", f"/issues/{stage.pull('work')}")
    foreign = Stage.build(hub, f"{stage.owner}-beside").ok("POST", "/issues", json={"title": "There"})
    assert block(stage, 2, pull["id"]) == (422, "Target issue may only be an issue")
    assert block(stage, pull["number"], first) == (422, "Source issue may only be an issue")
    assert numbers(stage, pull["number"], "blocked_by") == []
    assert block(stage, 2, foreign["id"])[0] == 422
    assert block(stage, 2, 999_999_999)[0] == 404


def test_there_are_fifty_dependencies_of_a_kind(hub: HubThread, stage: Stage) -> None:
    first, second, _ = opened(stage, 3)
    blocked, blocker = stage.row(Issue, 3), stage.row(Issue, 2)

    async def fill() -> None:
        state = hub.hub.world.state
        with state.transaction():
            for other in range(50):
                state.put(BlockedBy(state.new_id(), blocked.id, other, 0.0))
                state.put(Blocking(state.new_id(), blocker.id, other, 0.0))

    hub.run(fill())
    assert block(stage, 3, first)[0] == 422
    assert block(stage, 1, second)[0] == 422


def test_dependencies_follow_a_transferred_issue_and_go_with_a_deleted_one(hub: HubThread, stage: Stage) -> None:
    first, second, _ = opened(stage, 3)
    block(stage, 2, first)
    block(stage, 3, second)
    other = f"{stage.owner}/other"
    hub.request("POST", "/_hub/repositories", json={"owner": stage.owner, "name": "other"})
    moved = hub.request("POST", f"/_hub/repositories/{stage.name}/issues/2/transfer", json={"to": other}).body
    assert [one["id"] for one in stage.ok("GET", "/issues/1/dependencies/blocking")] == [moved["id"]]
    assert [one["id"] for one in stage.ok("GET", "/issues/3/dependencies/blocked_by")] == [moved["id"]]
    hub.request("DELETE", f"/_hub/repositories/{other}/issues/{moved['number']}")
    assert numbers(stage, 1, "blocking") == []
    assert numbers(stage, 3, "blocked_by") == []
