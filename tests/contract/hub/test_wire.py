"""Pages, entity tags, headers, versions, bodies that are no JSON, and the request log."""

from tests.contract.hub.stage import HubThread, Stage


def test_pages_link_to_each_other(stage: Stage) -> None:
    for number in range(5):
        stage.ok("POST", "/issues", json={"title": f"Issue {number}"})
    first = stage.request("GET", "/issues?per_page=2&state=open")
    assert [issue["number"] for issue in first.body] == [5, 4]
    url = f"{stage.hub.url}/repos/{stage.name}/issues?per_page=2&state=open"
    assert first.headers["Link"] == f'<{url}&page=2>; rel="next", <{url}&page=3>; rel="last"'
    last = stage.request("GET", "/issues?per_page=2&state=open&page=3")
    assert [issue["number"] for issue in last.body] == [1]
    assert 'rel="prev"' in last.headers["Link"]
    assert "next" not in last.headers["Link"]
    assert "Link" not in stage.request("GET", "/issues").headers


def test_githubkit_follows_pages(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    for number in range(7):
        stage.ok("POST", "/issues/1/comments", json={"body": str(number)})
    with stage.bot() as bot:
        comments = bot.rest.paginate(
            bot.rest.issues.list_comments, owner=stage.owner, repo="widgets", issue_number=1, per_page=3
        )
        assert [comment.body for comment in comments] == list("0123456")


def test_an_unchanged_answer_is_304_and_costs_nothing(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    first = stage.request("GET", "/issues/1")
    again = stage.request("GET", "/issues/1", If_None_Match=first.headers["ETag"])
    assert (again.status, again.headers["ETag"]) == (304, first.headers["ETag"])
    assert again.headers["X-RateLimit-Remaining"] == first.headers["X-RateLimit-Remaining"]
    stage.ok("POST", "/issues/1/labels", json={"labels": ["x"]})
    assert stage.request("GET", "/issues/1", If_None_Match=first.headers["ETag"]).status == 200


def test_versions_are_checked_and_named(stage: Stage) -> None:
    assert stage.request("GET", "").headers["X-GitHub-Api-Version-Selected"] == "2022-11-28"
    newer = stage.request("GET", "", X_GitHub_Api_Version="2026-03-10")
    assert newer.headers["X-GitHub-Api-Version-Selected"] == "2026-03-10"
    assert stage.request("GET", "", X_GitHub_Api_Version="2020-01-01").status == 400


def test_the_newer_version_lacks_what_was_removed(stage: Stage) -> None:
    number = stage.pull("work")
    older = stage.request("GET", f"/pulls/{number}").body
    newer = stage.request("GET", f"/pulls/{number}", X_GitHub_Api_Version="2026-03-10").body
    assert older.keys() - newer.keys() == {"assignee", "merge_commit_sha"}


def test_every_answer_has_a_request_id_and_limits(stage: Stage) -> None:
    reply = stage.request("GET", "/issues/99")
    assert reply.status == 404
    assert reply.body == {
        "message": "Not Found",
        "documentation_url": "https://docs.github.com/rest",
        "status": "404",
    }
    assert reply.headers["X-GitHub-Request-Id"]
    assert reply.headers["X-RateLimit-Limit"] == "5000"


def test_what_is_no_json_is_400(hub: HubThread, stage: Stage) -> None:
    async def send() -> int:
        headers = {"Authorization": f"Bearer {stage.tokens['write']}"}
        async with hub.session.post(f"{hub.url}/repos/{stage.name}/issues", data=b"{", headers=headers) as reply:
            return reply.status

    assert hub.run(send()) == 400


def test_unknown_paths_are_404(hub: HubThread) -> None:
    assert hub.request("GET", "/no/such/path").body["message"] == "Not Found"


def test_the_enterprise_prefix_works_too(hub: HubThread, stage: Stage) -> None:
    assert hub.request("GET", f"/api/v3/repos/{stage.name}").body["full_name"] == stage.name


def test_requests_are_logged_in_order_with_who_and_what(hub: HubThread, stage: Stage) -> None:
    hub.request("DELETE", "/_hub/requests")
    stage.request("POST", "/issues", "triage", json={"title": "One"})
    stage.request("GET", "/issues/9?page=2", "none")
    seen = hub.request("GET", "/_hub/requests").body
    assert [(r["method"], r["path"], r["query"], r["status"], r["principal"]) for r in seen] == [
        ("POST", f"/repos/{stage.name}/issues", "", 201, stage.login("triage")),
        ("GET", f"/repos/{stage.name}/issues/9", "page=2", 404, stage.login("none")),
    ]


def test_issues_are_sorted_and_filtered(stage: Stage) -> None:
    for title, labels in (("One", ["a"]), ("Two", ["a", "b"]), ("Three", [])):
        stage.ok("POST", "/issues", json={"title": title, "labels": labels})
    stage.ok("PATCH", "/issues/1", json={"state": "closed"})

    def numbers(query: str) -> list[int]:
        return [issue["number"] for issue in stage.ok("GET", f"/issues?{query}")]

    assert numbers("state=all&direction=asc") == [1, 2, 3]
    assert numbers("labels=a") == [2]
    assert numbers("labels=a,b&state=all") == [2]
    assert numbers("state=closed") == [1]
