"""What stands between a pull request and its merge: protection, rules, signatures, queues; by githubkit and git."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.contract.hub.stage import HubThread, Reply, Stage


def rules(hub: HubThread, stage: Stage, branch: str = "main", **asked: Any) -> None:
    reply = hub.request("PUT", f"/_hub/repositories/{stage.name}/rules/{branch}", json=asked)
    assert reply.status == 200, reply


def check(hub: HubThread, stage: Stage, **what: Any) -> Any:
    reply = hub.request("POST", f"/_hub/repositories/{stage.name}/checks", json={"name": "ci", **what})
    assert reply.status == 201, reply
    return reply.body


def state_of(stage: Stage, number: int) -> str:
    return str(stage.ok("GET", f"/pulls/{number}")["mergeable_state"])


def merge(stage: Stage, number: int) -> Reply:
    return stage.request("PUT", f"/pulls/{number}/merge")


def approve(stage: Stage, number: int, who: str = "maintain", event: str = "APPROVE") -> None:
    stage.ok("POST", f"/pulls/{number}/reviews", who, json={"event": event, "body": "So be it."})


def graphql(stage: Stage, operation: str, who: str = "write", **variables: Any) -> Any:
    kind = "query" if operation in ("MergeView", "RefRule", "QueuedPull") else "mutation"
    asked = {"query": f"{kind} {operation} {{ x }}", "variables": variables}
    return stage.hub.request("POST", "/graphql", stage.tokens.get(who, who), json=asked).body


def view(stage: Stage, number: int) -> Any:
    answer = graphql(stage, "MergeView", owner=stage.owner, name="widgets", number=number)
    return answer["data"]["repository"]["pullRequest"]


def test_a_required_check_blocks_until_it_has_passed(hub: HubThread, stage: Stage) -> None:
    number = stage.pull("work")
    rules(hub, stage, checks=["ci"])
    assert state_of(stage, number) == "blocked"
    said = [merge(stage, number)]
    run = check(hub, stage, branch="work", status="in_progress")
    said.append(merge(stage, number))
    hub.request("PATCH", f"/_hub/repositories/{stage.name}/checks/{run['id']}", json={"conclusion": "failure"})
    said.append(merge(stage, number))
    assert [(reply.status, reply.body["message"]) for reply in said] == [
        (405, f'Required status check "ci" is {how}.') for how in ("expected", "in progress", "failing")
    ]
    hub.request("POST", f"/_hub/repositories/{stage.name}/checks/{run['id']}/rerun", json={"conclusion": "success"})
    assert state_of(stage, number) == "clean"
    assert merge(stage, number).status == 200


def test_a_check_that_is_not_required_only_makes_it_unstable(hub: HubThread, stage: Stage) -> None:
    number = stage.pull("work")
    head = check(hub, stage, branch="work", conclusion="failure")["head_sha"]
    assert state_of(stage, number) == "unstable"
    stage.ok("POST", f"/statuses/{head}", json={"state": "pending", "context": "docs"})
    assert view(stage, number)["mergeStateStatus"] == "UNSTABLE"
    assert merge(stage, number).status == 200


def test_required_reviews_are_those_of_people_who_may_write(hub: HubThread, stage: Stage) -> None:
    number = stage.pull("work")
    assert view(stage, number)["reviewDecision"] is None
    rules(hub, stage, approvals=1)
    approve(stage, number, "triage")
    said = merge(stage, number)
    message = "At least 1 approving review is required by reviewers with write access."
    assert (said.status, said.body["message"]) == (405, message)
    decisions = [view(stage, number)["reviewDecision"]]
    approve(stage, number, event="REQUEST_CHANGES")
    decisions.append(view(stage, number)["reviewDecision"])
    approve(stage, number)
    decisions.append(view(stage, number)["reviewDecision"])
    assert decisions == ["REVIEW_REQUIRED", "CHANGES_REQUESTED", "APPROVED"]
    assert merge(stage, number).status == 200


def test_a_strict_branch_wants_heads_that_have_all_of_it(hub: HubThread, stage: Stage) -> None:
    number = stage.pull("work")
    rules(hub, stage, strict=True)
    assert state_of(stage, number) == "clean"
    stage.commit("main", "other.txt", "meanwhile\n")
    assert (state_of(stage, number), view(stage, number)["mergeStateStatus"]) == ("behind", "BEHIND")
    assert merge(stage, number).status == 405
    with stage.person() as person:
        head = stage.ok("GET", f"/pulls/{number}")["head"]["sha"]
        update = person.rest.pulls.update_branch
        assert update(stage.owner, "widgets", number, expected_head_sha=head).status_code == 202
    after = stage.ok("GET", f"/pulls/{number}")
    assert (after["mergeable_state"], after["commits"], after["changed_files"]) == ("clean", 2, 1)
    assert stage.hooks("pull_request.synchronize")[0].payload["after"] == after["head"]["sha"]


def test_what_cannot_be_updated_is_refused_each_with_its_reason(stage: Stage) -> None:
    stage.branch("work", {"README.md": "mine\n"})
    number = stage.ok("POST", "/pulls", json={"title": "Do it", "head": "work", "base": "main"})["number"]
    path = f"/pulls/{number}/update-branch"
    said = [stage.request("PUT", path)]
    stage.commit("main", "README.md", "theirs\n")
    said += [stage.request("PUT", path, json={"expected_head_sha": "0" * 40}), stage.request("PUT", path)]
    assert [(reply.status, reply.body["message"]) for reply in said] == [
        (422, "There are no new commits on the base branch."),
        (422, "expected head sha didn\u2019t match current head ref."),
        (422, "merge conflict between base and head"),
    ]


def test_githubkit_protects_a_branch_and_reads_it_back(stage: Stage) -> None:
    with stage.person("admin") as admin:
        repos = admin.rest.repos
        protected = repos.update_branch_protection(
            stage.owner,
            "widgets",
            "main",
            data={
                "required_status_checks": {"strict": True, "contexts": ["ci"]},
                "enforce_admins": None,
                "required_pull_request_reviews": {"required_approving_review_count": 2},
                "restrictions": None,
            },
        ).parsed_data
        assert repos.create_commit_signature_protection(stage.owner, "widgets", "main").parsed_data.enabled
        read = repos.get_branch_protection(stage.owner, "widgets", "main").parsed_data
        assert (read.required_status_checks, read.required_pull_request_reviews) != (None, None)
        assert read.required_signatures is not None
        assert protected.required_status_checks
        assert protected.required_status_checks.contexts == ["ci"]
        assert repos.get_branch_rules(stage.owner, "widgets", "main").parsed_data == []
        repos.delete_branch_protection(stage.owner, "widgets", "main")
    assert stage.request("GET", "/branches/main/protection", "admin").body["message"] == "Branch not protected"
    assert stage.request("PUT", "/branches/main/protection", "write", json={}).status == 403


def test_githubkit_reads_the_rules_of_a_branch_that_is_not_there(hub: HubThread, stage: Stage) -> None:
    rules(hub, stage, "orch/*", approvals=1, checks=["ci"], signatures=True, queue=True)
    with stage.bot() as bot:
        found = bot.rest.repos.get_branch_rules(stage.owner, "widgets", "orch/1-work").parsed_data
        kinds = ["required_signatures", "pull_request", "required_status_checks", "merge_queue"]
        assert [rule.type for rule in found] == kinds
        assert bot.rest.repos.get_branch_rules(stage.owner, "widgets", "other").parsed_data == []


def test_a_commit_is_signed_only_if_an_app_makes_it_as_itself(stage: Stage) -> None:
    head = stage.ok("GET", f"/git/commits/{stage.branch('work')}")
    asked = {"message": "Do it again", "tree": head["tree"]["sha"], "parents": [one["sha"] for one in head["parents"]]}
    author = {"author": {"name": "Somebody", "email": "somebody@example.com"}}
    with stage.bot() as bot:
        made = bot.rest.git.create_commit(stage.owner, "widgets", data=asked).parsed_data
        other = bot.rest.git.create_commit(stage.owner, "widgets", data={**asked, **author}).parsed_data
        read = bot.rest.git.get_commit(stage.owner, "widgets", made.sha).parsed_data
        committed = bot.rest.repos.get_commit(stage.owner, "widgets", made.sha).parsed_data
    theirs = stage.ok("POST", "/git/commits", json=asked)
    assert (made.verification.verified, made.verification.reason) == (True, "valid")
    assert (made.author.name, made.committer.name, read) == ("orch[bot]", "GitHub", made)
    assert (made.tree.sha, made.message) == (head["tree"]["sha"], "Do it again")
    assert committed.commit.verification is not None
    assert committed.commit.verification.verified
    assert (other.verification.verified, theirs["verification"]["verified"]) == (False, False)
    absent = stage.request("POST", "/git/commits", json={**asked, "tree": "0" * 39 + "1"})
    assert (absent.status, absent.body["message"]) == (422, "Tree SHA does not exist")


def test_where_signatures_are_asked_for_unsigned_commits_get_onto_no_branch(hub: HubThread, stage: Stage) -> None:
    unsigned = stage.branch("work")
    head = stage.ok("GET", f"/git/commits/{unsigned}")
    number = stage.ok("POST", "/pulls", json={"title": "Do it", "head": "work", "base": "main"})["number"]
    stage.ok("POST", "/git/refs", json={"ref": "refs/orch/runs/r1", "sha": unsigned})
    stage.ok("DELETE", "/git/refs/heads/work")
    rules(hub, stage, "*", signatures=True)
    main = stage.ok("GET", "/git/ref/heads/main")["object"]["sha"]
    refused = [
        stage.request("POST", "/git/refs", json={"ref": "refs/heads/orch/1", "sha": unsigned}),
        stage.request("PATCH", "/git/refs/heads/main", json={"sha": unsigned}),
        stage.request("PUT", "/contents/new.txt", json={"message": "New", "content": "bmV3"}),
    ]
    violation = "Repository rule violations found\n\nCommits must have verified signatures.\n\n"
    assert [(reply.status, reply.body["message"]) for reply in refused] == [
        (status, violation) for status in (422, 422, 409)
    ]
    asked = {"message": "Signed", "tree": head["tree"]["sha"], "parents": [main]}
    signed = stage.ok("POST", "/git/commits", stage.app_token(), json=asked)["sha"]
    stage.ok("POST", "/git/refs", json={"ref": "refs/heads/orch/1", "sha": signed})
    stage.ok("PUT", "/contents/new.txt", stage.app_token(), json={"message": "New", "content": "bmV3"})
    assert stage.ok("GET", "/commits/main")["commit"]["verification"]["verified"]
    assert stage.ok("GET", f"/pulls/{number}")["state"] == "closed"


def test_a_pull_request_with_unsigned_commits_is_blocked_and_the_merge_of_signed_ones_is_signed(
    hub: HubThread, stage: Stage
) -> None:
    number = stage.pull("work")
    rules(hub, stage, signatures=True)
    assert state_of(stage, number) == "blocked"
    assert merge(stage, number).body["message"] == "Commits must have verified signatures."
    main = stage.ok("GET", "/git/ref/heads/main")["object"]["sha"]
    stage.ok("POST", "/git/refs", json={"ref": "refs/heads/signed", "sha": main})
    written = {"message": "New", "content": "bmV3", "branch": "signed"}
    stage.ok("PUT", "/contents/new.txt", stage.app_token(), json=written)
    other = stage.ok("POST", "/pulls", json={"title": "Do it", "head": "signed", "base": "main"})["number"]
    assert merge(stage, other).status == 200
    assert stage.ok("GET", "/commits/main")["commit"]["verification"]["reason"] == "valid"


def test_git_refuses_a_push_of_unsigned_commits_by_rule(hub: HubThread, stage: Stage, tmp_path: Path) -> None:
    rules(hub, stage, "kept/*", signatures=True)
    host = hub.url.removeprefix("http://")
    url = f"http://x-access-token:{stage.tokens['write']}@{host}/{stage.name}.git"
    who = ("-c", "user.name=writer", "-c", "user.email=writer@example.com")
    git(tmp_path, "clone", "--quiet", url, "work")
    git(tmp_path / "work", *who, "commit", "--quiet", "--allow-empty", "--message", "Unsigned")
    refused = git(tmp_path / "work", "push", "origin", "HEAD:refs/heads/kept/1", ok=False)
    assert "GH013: Repository rule violations found for refs/heads/kept/1" in refused
    assert "Commits must have verified signatures." in refused
    assert "[remote rejected]" in refused
    git(tmp_path / "work", "push", "--quiet", "origin", "HEAD:refs/heads/free", "HEAD:refs/orch/runs/r1")
    git(tmp_path / "work", "push", "--quiet", "origin", "origin/main:refs/heads/kept/2")
    assert [branch["name"] for branch in stage.ok("GET", "/branches")] == ["free", "kept/2", "main"]


def git(folder: Path, *argv: str, ok: bool = True) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    done = subprocess.run(["git", *argv], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is ok, done.stderr
    return done.stderr


# The merge queue


@pytest.fixture
def queued(hub: HubThread, stage: Stage) -> int:
    """Make a pull request whose check has passed and which waits in the queue for the check of the group."""
    number = stage.pull("work")
    rules(hub, stage, queue=True, checks=["ci"])
    head = check(hub, stage, branch="work", conclusion="success")["head_sha"]
    answer = graphql(stage, "EnqueuePull", id=view(stage, number)["id"], sha=head)
    assert "errors" not in answer
    assert hub.request("GET", "/_hub/idle").status == 200
    return number


def group_of(stage: Stage) -> str:
    (ref,) = stage.ok("GET", "/git/matching-refs/heads/gh-readonly-queue/main/")
    return str(ref["ref"].removeprefix("refs/heads/"))


def test_a_queue_merges_what_its_group_passes(hub: HubThread, stage: Stage, queued: int) -> None:
    assert (view(stage, queued)["isMergeQueueEnabled"], view(stage, queued)["isInMergeQueue"]) == (True, True)
    said = merge(stage, queued)
    assert (said.status, "Changes must be made through the merge queue" in said.body["message"]) == (405, True)
    group = group_of(stage)
    sha = check(hub, stage, branch=group, conclusion="success")["head_sha"]
    names = [hook.name for hook in stage.hooks("pull_request.enqueued", "pull_request.dequeued", "pull_request.closed")]
    assert names == ["pull_request.enqueued", "pull_request.closed", "pull_request.dequeued"]
    assert stage.hooks("pull_request.dequeued")[0].payload["reason"] == "MERGE"
    merged = stage.ok("GET", f"/pulls/{queued}")
    assert (merged["merged"], merged["merge_commit_sha"]) == (True, sha)
    assert stage.request("GET", f"/git/ref/heads/{group}").status == 404


def test_a_queue_lets_go_of_what_its_group_fails(hub: HubThread, stage: Stage, queued: int) -> None:
    check(hub, stage, branch=group_of(stage), conclusion="failure")
    assert [hook.payload["reason"] for hook in stage.hooks("pull_request.dequeued")] == ["CI_FAILURE"]
    assert (view(stage, queued)["isInMergeQueue"], stage.ok("GET", f"/pulls/{queued}")["state"]) == (False, "open")


def test_a_queued_pull_request_leaves_when_its_head_moves_or_somebody_takes_it_out(stage: Stage, queued: int) -> None:
    node = view(stage, queued)["id"]
    assert "errors" not in graphql(stage, "DequeuePull", id=node)
    assert graphql(stage, "DequeuePull", id=node)["errors"][0]["message"] == "Pull request is not in the queue"
    head = stage.ok("GET", f"/pulls/{queued}")["head"]["sha"]
    assert "errors" not in graphql(stage, "EnqueuePull", id=node, sha=head)
    stage.commit("work", "more.txt", "more\n")
    reasons = [hook.payload["reason"] for hook in stage.hooks("pull_request.dequeued")]
    assert reasons == ["MANUAL", "UNKNOWN_REMOVAL_REASON"]


def test_a_queue_takes_only_what_could_be_merged(hub: HubThread, stage: Stage) -> None:
    number = stage.pull("work")
    node = view(stage, number)["id"]
    head = stage.ok("GET", f"/pulls/{number}")["head"]["sha"]
    said = [graphql(stage, "EnqueuePull", id=node, sha=head)]
    rules(hub, stage, queue=True, approvals=1)
    said += [graphql(stage, "EnqueuePull", id=node, sha=sha) for sha in ("0" * 40, head)]
    said.append(graphql(stage, "EnqueuePull", "read", id=node, sha=head))
    assert [answer["errors"][0]["message"] for answer in said] == [
        "Merge queue is not enabled on the base branch",
        "Head sha didn't match expected head oid.",
        "At least 1 approving review is required by reviewers with write access.",
        "Must have admin rights to Repository.",
    ]


def test_a_queue_without_required_checks_merges_one_after_another(hub: HubThread, stage: Stage) -> None:
    numbers = [stage.pull("one"), stage.ok("POST", "/pulls", json=_other(stage))["number"]]
    rules(hub, stage, queue=True)
    for number in numbers:
        node = view(stage, number)
        assert "errors" not in graphql(stage, "EnqueuePull", id=node["id"], sha=node["headRefOid"])
    assert hub.request("GET", "/_hub/idle").status == 200
    assert [stage.ok("GET", f"/pulls/{number}")["merged"] for number in numbers] == [True, True]


def _other(stage: Stage) -> dict[str, str]:
    stage.branch("two", {"two.txt": "two\n"})
    return {"title": "Do the rest", "head": "two", "base": "main"}
