"""Checks, commit statuses, runs of workflows and their logs, by githubkit and PyGithub."""

from typing import Any
from urllib.parse import urlsplit

from tests.contract.hub.stage import HubThread, Stage


def play(hub: HubThread, stage: Stage, method: str = "POST", path: str = "/checks", **what: Any) -> Any:
    """Play CI by the hub's own routes."""
    reply = hub.request(method, f"/_hub/repositories/{stage.name}{path}", json=what)
    assert reply.status < 300, reply
    return reply.body


def names(stage: Stage, *events: str) -> list[str]:
    return [hook.name for hook in stage.hooks() if hook.event in events]


def test_an_app_writes_its_check_run_with_githubkit(stage: Stage) -> None:
    sha = stage.branch("work")
    with stage.bot() as bot:
        checks = bot.rest.checks
        made = checks.create(stage.owner, "widgets", data={"name": "orch", "head_sha": sha, "status": "in_progress"})
        run = made.parsed_data
        assert (run.name, run.status, run.conclusion, run.app and run.app.slug) == ("orch", "in_progress", None, "orch")
        output = {"title": "All is well", "summary": "3 tests"}
        done = checks.update(
            stage.owner, "widgets", run.id, data={"status": "completed", "conclusion": "success", "output": output}
        ).parsed_data
        assert (done.status, done.conclusion, done.output.title) == ("completed", "success", "All is well")
        listed = checks.list_for_ref(stage.owner, "widgets", "work").parsed_data
        assert [(one.id, one.head_sha) for one in listed.check_runs] == [(run.id, sha)]
        suites = checks.list_suites_for_ref(stage.owner, "widgets", sha).parsed_data.check_suites
        assert [(suite.status, suite.conclusion, suite.latest_check_runs_count) for suite in suites] == [
            ("completed", "success", 1)
        ]
    assert names(stage, "check_run", "check_suite") == [
        "check_run.created",
        "check_run.completed",
        "check_suite.completed",
    ]


def test_only_an_app_that_may_writes_checks_and_only_its_own(hub: HubThread, stage: Stage) -> None:
    sha = stage.branch("work")
    asked = {"name": "orch", "head_sha": sha}
    assert stage.request("POST", "/check-runs", json=asked).body["message"] == "You must authenticate via a GitHub App."
    reader = stage.app_token(permissions={"checks": "read"})
    assert stage.request("POST", "/check-runs", reader, json=asked).status == 403
    others = play(hub, stage, name="ci", sha=sha)["id"]
    assert stage.request("PATCH", f"/check-runs/{others}", stage.app_token(), json={"status": "queued"}).status == 403
    absent = {"name": "orch", "head_sha": "0" * 39 + "1"}
    assert stage.request("POST", "/check-runs", stage.app_token(), json=absent).status == 422
    bad = stage.request("POST", "/check-runs", stage.app_token(), json={**asked, "status": "completed"})
    assert (bad.status, bad.body["errors"][0]["field"]) == (422, "conclusion")


def test_a_run_of_ci_is_a_job_of_a_workflows_run(hub: HubThread, stage: Stage) -> None:
    sha = stage.branch("work")
    job = play(hub, stage, name="test", branch="work", conclusion="failure", log="one\ntwo\n")["id"]
    with stage.bot() as bot:
        actions = bot.rest.actions
        (run,) = actions.list_workflow_runs_for_repo(stage.owner, "widgets", head_sha=sha).parsed_data.workflow_runs
        assert (run.status, run.conclusion, run.head_branch, run.run_attempt) == ("completed", "failure", "work", 1)
        assert run.actor is not None
        (shown,) = actions.list_jobs_for_workflow_run(stage.owner, "widgets", run.id).parsed_data.jobs
        assert (shown.id, shown.name, shown.conclusion) == (job, "test", "failure")
    reply = hub.request("GET", f"/repos/{stage.name}/actions/runs?head_sha={'0' * 40}", stage.tokens["read"])
    assert reply.body["total_count"] == 0


def test_a_log_is_read_by_its_address_alone(hub: HubThread, stage: Stage) -> None:
    job = play(hub, stage, name="test", conclusion="failure", log="one\ntwo\n")["id"]
    address = hub.run(_redirect(hub, f"{hub.url}/repos/{stage.name}/actions/jobs/{job}/logs", stage.tokens["read"]))
    assert (urlsplit(address).hostname, urlsplit(hub.url).hostname) == ("localhost", "127.0.0.1")
    read = hub.request("GET", address)
    assert (read.status, [line.partition(" ")[2] for line in read.body.splitlines()]) == (200, ["one", "two"])
    assert hub.request("GET", address, stage.tokens["read"]).status == 400
    assert hub.request("GET", address.replace("signature=", "signature=0")).status == 403
    assert hub.request("GET", address.replace("expires=1", "expires=0")).status == 404
    queued = play(hub, stage, name="other")["id"]
    assert stage.request("GET", f"/actions/jobs/{queued}/logs").status == 404
    elsewhere = play(hub, stage, name="other", app="circleci", conclusion="success", log="x")["id"]
    assert stage.request("GET", f"/actions/jobs/{elsewhere}/logs").status == 404


async def _redirect(hub: HubThread, url: str, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    async with hub.session.get(url, headers=headers, allow_redirects=False) as response:
        assert response.status == 302
        return response.headers["Location"]


def test_a_suite_ends_with_its_last_run_and_a_rerun_replaces_one(hub: HubThread, stage: Stage) -> None:
    sha = stage.branch("work")
    slow = play(hub, stage, name="slow", sha=sha)["id"]
    quick = play(hub, stage, name="quick", sha=sha, conclusion="failure")["id"]
    play(hub, stage, "PATCH", f"/checks/{slow}", status="in_progress")
    ends = ("check_suite", "workflow_run")
    assert names(stage, *ends) == []
    play(hub, stage, "PATCH", f"/checks/{slow}", conclusion="success")
    assert names(stage, *ends) == ["check_suite.completed", "workflow_run.completed"]
    again = play(hub, stage, path=f"/checks/{quick}/rerun", conclusion="success")["id"]
    suites = [hook.payload["check_suite"] for hook in stage.hooks("check_suite.completed")]
    assert [suite["conclusion"] for suite in suites] == ["failure", "success"]
    assert stage.hooks("workflow_run.completed")[-1].payload["workflow_run"]["run_attempt"] == 2
    newest = stage.ok("GET", f"/commits/{sha}/check-runs")["check_runs"]
    assert {run["name"]: run["id"] for run in newest} == {"slow": slow, "quick": again}
    assert stage.ok("GET", f"/commits/{sha}/check-runs?filter=all")["total_count"] == 3
    assert stage.ok("GET", f"/commits/{sha}/check-runs?check_name=quick&status=completed")["total_count"] == 1


def test_a_check_names_the_open_pull_requests_of_its_head(hub: HubThread, stage: Stage) -> None:
    number = stage.pull("work")
    run = play(hub, stage, name="test", branch="work", conclusion="success")
    assert [pull["number"] for pull in run["pull_requests"]] == [number]
    assert stage.hooks("check_run.completed")[0].payload["check_run"]["pull_requests"][0]["head"]["ref"] == "work"


def test_statuses_by_pygithub_and_what_they_come_to(stage: Stage) -> None:
    sha = stage.branch("work")
    with stage.pygithub(stage.tokens["write"]) as github:
        commit = github.get_repo(stage.name).get_commit(sha)
        assert commit.get_combined_status().state == "pending"
        commit.create_status("pending", context="lint")
        made = commit.create_status("success", target_url="http://127.0.0.1/", description="Clean", context="lint")
        assert (made.context, made.description) == ("lint", "Clean")
        assert commit.get_combined_status().state == "success"
        commit.create_status("error", context="docs")
        combined = commit.get_combined_status()
        assert (combined.state, combined.total_count) == ("failure", 2)
        assert {one.context: one.state for one in combined.statuses} == {"lint": "success", "docs": "error"}
        assert [one.state for one in commit.get_statuses()] == ["error", "success", "pending"]
    hooks = stage.hooks("status")
    assert [hook.payload["state"] for hook in hooks] == ["pending", "success", "error"]
    assert hooks[0].payload["branches"][0]["name"] == "work"


def test_statuses_are_checked(stage: Stage) -> None:
    sha = stage.branch("work")
    assert stage.request("POST", f"/statuses/{sha}", json={"state": "fine"}).status == 422
    assert stage.request("POST", f"/statuses/{sha}", json={"state": "success", "description": "x" * 141}).status == 422
    assert stage.request("POST", "/statuses/work", json={"state": "success"}).status == 422
    assert stage.request("POST", f"/statuses/{sha}", "triage", json={"state": "success"}).status == 403


def test_ci_of_its_own_checks_each_push_to_a_branch(hub: HubThread, stage: Stage) -> None:
    play(hub, stage, "PUT", "/ci", fails_on="BROKEN")
    good = stage.branch("work")
    bad = stage.commit("work", "BROKEN", "yes\n")
    stage.ok("POST", "/git/refs", json={"ref": "refs/orch/runs/r1", "sha": bad})
    ends = {
        sha: [run["conclusion"] for run in stage.ok("GET", f"/commits/{sha}/check-runs")["check_runs"]]
        for sha in (good, bad)
    }
    assert ends == {good: ["success"], bad: ["failure"]}
    play(hub, stage, "DELETE", "/ci")
    after = stage.commit("work", "more.txt", "more\n")
    assert stage.ok("GET", f"/commits/{after}/check-runs")["total_count"] == 0
