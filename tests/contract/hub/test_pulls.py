"""Pull requests and merges, by githubkit and PyGithub, and GitHub's reasons to refuse."""

from typing import Any

import pytest

from tests.contract.hub.stage import HubThread, Stage


def test_githubkit_opens_reads_changes_and_merges(stage: Stage) -> None:
    stage.branch("work", {"a.txt": "one\ntwo\n", "b.txt": "three\n"})
    with stage.bot() as bot:
        pulls = bot.rest.pulls
        made = pulls.create(stage.owner, "widgets", title="Do it", head="work", base="main", body="Please").parsed_data
        assert (made.number, made.user.login, made.commits, made.additions) == (1, "orch[bot]", 2, 3)
        listed = pulls.list(stage.owner, "widgets", head=f"{stage.owner}:work", base="main").parsed_data
        assert [pull.number for pull in listed] == [1]
        assert pulls.list(stage.owner, "widgets", head=f"{stage.owner}:other").parsed_data == []
        assert pulls.update(stage.owner, "widgets", 1, title="Do it now").parsed_data.title == "Do it now"
        assert pulls.get(stage.owner, "widgets", 1).parsed_data.mergeable is True
        assert [f.filename for f in pulls.list_files(stage.owner, "widgets", 1).parsed_data] == ["a.txt", "b.txt"]
        messages = [c.commit.message for c in pulls.list_commits(stage.owner, "widgets", 1).parsed_data]
        assert messages == ["Write a.txt", "Write b.txt"]
        done = pulls.merge(stage.owner, "widgets", 1, sha=made.head.sha, merge_method="squash").parsed_data
        assert done.merged
        assert pulls.check_if_merged(stage.owner, "widgets", 1).status_code == 204
        after = pulls.get(stage.owner, "widgets", 1).parsed_data
        assert (after.state, after.merged) == ("closed", True)
        main = bot.rest.repos.get_commit(stage.owner, "widgets", "main").parsed_data
        assert (main.sha, main.commit.message, len(main.parents)) == (done.sha, "Do it now (#1)", 1)


@pytest.mark.parametrize(("method", "parents"), [("merge", 2), ("squash", 1), ("rebase", 1)])
def test_pygithub_merges_each_way(stage: Stage, method: str, parents: int) -> None:
    stage.branch("work")
    stage.commit("main", "other.txt", "meanwhile\n")
    with stage.pygithub(stage.tokens["write"]) as github:
        repository = github.get_repo(stage.name)
        pull = repository.create_pull("main", "work", title="Do it", body="Please")
        assert pull.mergeable is None
        assert repository.get_pull(pull.number).mergeable
        assert pull.merge(merge_method=method, sha=pull.head.sha).merged
        assert pull.is_merged()
        assert len(repository.get_commit("main").parents) == parents
        assert [file.filename for file in pull.get_files()] == ["new.txt"]
        repository.get_git_ref("heads/work").delete()
        assert [branch.name for branch in repository.get_branches()] == ["main"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (
            {"head": "empty"},
            {"resource": "PullRequest", "code": "custom", "message": "No commits between main and empty"},
        ),
        ({"head": "nowhere"}, {"resource": "PullRequest", "code": "invalid", "field": "head"}),
        ({"base": "nowhere"}, {"resource": "PullRequest", "code": "invalid", "field": "base"}),
        ({"title": None}, {"resource": "PullRequest", "code": "missing_field", "field": "title"}),
    ],
)
def test_what_is_no_pull_request_is_refused(stage: Stage, asked: dict[str, Any], error: dict[str, str]) -> None:
    main = stage.ok("GET", "/git/ref/heads/main")["object"]["sha"]
    stage.ok("POST", "/git/refs", json={"ref": "refs/heads/empty", "sha": main})
    stage.branch("work")
    reply = stage.request("POST", "/pulls", json={"title": "Do it", "head": "work", "base": "main", **asked})
    assert (reply.status, reply.body["errors"]) == (422, [error])


def test_a_second_pull_request_of_a_branch_is_refused(stage: Stage) -> None:
    stage.pull("work")
    asked = {"title": "Again", "head": f"{stage.owner}:work", "base": "main"}
    reply = stage.request("POST", "/pulls", json=asked)
    assert reply.body["errors"][0]["message"] == f"A pull request already exists for {stage.owner}:work."
    stage.ok("PATCH", "/pulls/1", json={"state": "closed"})
    assert stage.ok("POST", "/pulls", json=asked)["number"] == 2


def test_another_head_than_the_one_reviewed_is_409(stage: Stage) -> None:
    number = stage.pull("work")
    reviewed = stage.ok("GET", f"/pulls/{number}")["head"]["sha"]
    stage.commit("work", "sneaked.txt", "in\n")
    reply = stage.request("PUT", f"/pulls/{number}/merge", json={"sha": reviewed})
    assert (reply.status, reply.body["message"]) == (
        409,
        "Head branch was modified. Review and try the merge again.",
    )


def test_a_conflict_is_405_and_dirty(stage: Stage) -> None:
    stage.branch("work", {"README.md": "mine\n"})
    stage.commit("main", "README.md", "theirs\n")
    number = stage.ok("POST", "/pulls", json={"title": "Do it", "head": "work", "base": "main"})["number"]
    reply = stage.request("PUT", f"/pulls/{number}/merge", json={})
    assert (reply.status, reply.body["message"]) == (405, "Pull Request is not mergeable")
    shown = stage.ok("GET", f"/pulls/{number}")
    assert (shown["mergeable"], shown["mergeable_state"], shown["state"]) == (False, "dirty", "open")


def test_mergeable_is_worked_out_anew_when_the_base_moves(stage: Stage) -> None:
    stage.branch("work", {"README.md": "mine\n"})
    number = stage.ok("POST", "/pulls", json={"title": "Do it", "head": "work", "base": "main"})["number"]
    assert stage.ok("GET", f"/pulls/{number}")["mergeable"] is True
    stage.commit("main", "README.md", "theirs\n")
    assert stage.ok("GET", f"/pulls/{number}")["mergeable"] is False


def test_drafts_and_closed_ones_do_not_merge(stage: Stage) -> None:
    stage.branch("work")
    stage.ok("POST", "/pulls", json={"title": "Later", "head": "work", "base": "main", "draft": True})
    assert stage.request("PUT", "/pulls/1/merge").body["message"] == "Pull Request is still a draft"
    stage.ok("PATCH", "/pulls/1", json={"state": "closed"})
    assert stage.request("PUT", "/pulls/1/merge").status == 405
    assert stage.request("GET", "/pulls/1/merge").status == 404


def test_merging_takes_contents_write(stage: Stage) -> None:
    number = stage.pull("work")
    token = stage.app_token(permissions={"pull_requests": "write"})
    assert stage.request("PUT", f"/pulls/{number}/merge", token).status == 403
    assert stage.request("PUT", f"/pulls/{number}/merge", "read").status == 403


def test_a_merge_closes_the_issues_its_body_names(stage: Stage) -> None:
    for title in ("Named", "Only mentioned", "Named too"):
        stage.ok("POST", "/issues", json={"title": title})
    number = stage.pull("work", body="Closes #1, see #2.\n\nFixes: #3")
    stage.ok("PUT", f"/pulls/{number}/merge")
    assert [stage.ok("GET", f"/issues/{n}")["state"] for n in (1, 2, 3)] == ["closed", "open", "closed"]
    assert stage.ok("GET", "/issues/1")["state_reason"] == "completed"


def test_a_merge_elsewhere_or_with_the_switch_off_closes_nothing(hub: HubThread, stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "Named"})
    stage.branch("next", {"next.txt": "next\n"})
    stage.branch("work")
    asked = {"title": "Do it", "head": "work", "base": "next", "body": "Closes #1"}
    stage.ok("PUT", f"/pulls/{stage.ok('POST', '/pulls', json=asked)['number']}/merge")
    assert stage.ok("GET", "/issues/1")["state"] == "open"
    hub.request("PUT", "/_hub/faults", json={"closing_keywords": False})
    stage.ok("PUT", f"/pulls/{stage.pull('again', body='Closes #1')}/merge")
    assert stage.ok("GET", "/issues/1")["state"] == "open"


def test_deleting_the_head_closes_and_prevents_reopening(stage: Stage) -> None:
    number = stage.pull("work")
    stage.ok("DELETE", "/git/refs/heads/work")
    assert stage.ok("GET", f"/pulls/{number}")["state"] == "closed"
    assert stage.request("PATCH", f"/pulls/{number}", json={"state": "open"}).status == 422


def test_pushing_the_head_into_the_base_merges(stage: Stage) -> None:
    number = stage.pull("work")
    head = stage.ok("GET", f"/pulls/{number}")["head"]["sha"]
    stage.ok("PATCH", "/git/refs/heads/main", json={"sha": head})
    assert stage.ok("GET", f"/pulls/{number}")["merged"] is True


def test_a_merged_branch_goes_where_the_repository_says_so(stage: Stage) -> None:
    stage.ok("PATCH", "", "admin", json={"delete_branch_on_merge": True})
    number = stage.pull("work")
    stage.ok("PUT", f"/pulls/{number}/merge")
    assert stage.request("GET", "/git/ref/heads/work").status == 404
    assert stage.ok("GET", f"/pulls/{number}")["merged"] is True


def test_a_pull_request_is_an_issue_and_moves_to_another_base(stage: Stage) -> None:
    number = stage.pull("work")
    assert stage.ok("GET", f"/issues/{number}")["pull_request"]["merged_at"] is None
    stage.branch("next", {"next.txt": "next\n"})
    moved = stage.ok("PATCH", f"/pulls/{number}", json={"base": "next"})
    assert (moved["base"]["ref"], moved["commits"]) == ("next", 1)
    changes = stage.hooks("pull_request.edited")[0].payload["changes"]
    assert changes["base"]["ref"] == {"from": "main"}
