"""Reviews, their comments and threads: GitHub's shapes by other people's clients, and GitHub's rules."""

from typing import Any

import pytest

from tests.contract.hub.stage import HubThread, Stage

TEN = "".join(f"line {n}\n" for n in range(1, 11))
CHANGED = TEN.replace("line 5\n", "line five\n")
DOCUMENT = "query ReviewThreads { x }"


def reviewed_pull(stage: Stage) -> int:
    """Make a pull request of the writer's that changes line 5 of ten."""
    stage.commit("main", "ten.txt", TEN)
    stage.branch("work", {"ten.txt": CHANGED})
    return int(stage.ok("POST", "/pulls", json={"title": "Five", "head": "work", "base": "main"})["number"])


def graphql(stage: Stage, token: str, query: str, **variables: Any) -> Any:
    reply = stage.hub.request("POST", "/graphql", token, json={"query": query, "variables": variables})
    assert reply.status == 200, reply
    return reply.body


def threads(stage: Stage, who: str = "write") -> Any:
    said = graphql(stage, stage.tokens[who], DOCUMENT, owner=stage.owner, name="widgets", number=1)
    return said["data"]["repository"]["pullRequest"]["reviewThreads"]["nodes"]


def resolve(stage: Stage, token: str, thread: str, word: str = "Resolve") -> Any:
    return graphql(stage, token, f"mutation {word}ReviewThread {{ x }}", threadId=thread)


def comment(stage: Stage, who: str = "triage", **place: Any) -> Any:
    asked = {"body": "Why?", "path": "ten.txt", **(place or {"line": 5})}
    return stage.ok("POST", "/pulls/1/comments", who, json=asked)


def test_githubkit_reviews_replies_and_dismisses(stage: Stage) -> None:
    reviewed_pull(stage)
    with stage.person("maintain") as person, stage.bot() as bot:
        pulls = person.rest.pulls
        inline = [{"path": "ten.txt", "line": 5, "side": "RIGHT", "body": "Spell it out?"}]
        asked = {"event": "REQUEST_CHANGES", "body": "Not yet", "comments": inline}
        review = pulls.create_review(stage.owner, "widgets", 1, data=asked).parsed_data
        assert (review.state, review.body) == ("CHANGES_REQUESTED", "Not yet")
        (found,) = pulls.list_comments_for_review(stage.owner, "widgets", 1, review.id).parsed_data
        assert (found.path, found.line, found.position) == ("ten.txt", 5, 5)
        reply = bot.rest.pulls.create_reply_for_review_comment(
            stage.owner, "widgets", 1, found.id, body="Done"
        ).parsed_data
        assert (reply.in_reply_to_id, reply.user and reply.user.login) == (found.id, "orch[bot]")
        listed = pulls.list_review_comments(stage.owner, "widgets", 1).parsed_data
        assert [one.body for one in listed] == ["Spell it out?", "Done"]
        assert listed[0].diff_hunk.splitlines()[-1] == "+line five"
        dismissed = pulls.dismiss_review(stage.owner, "widgets", 1, review.id, message="Moot").parsed_data
        assert (dismissed.id, dismissed.state) == (review.id, "DISMISSED")
        reviews = bot.rest.pulls.list_reviews(stage.owner, "widgets", 1).parsed_data
        assert [(one.state, one.body) for one in reviews] == [("DISMISSED", "Not yet"), ("COMMENTED", "")]
        assert bot.rest.pulls.get(stage.owner, "widgets", 1).parsed_data.review_comments == 2


def test_pygithub_reviews_comments_reacts_and_deletes(stage: Stage) -> None:
    reviewed_pull(stage)
    with stage.pygithub(stage.tokens["triage"]) as github:
        repository = github.get_repo(stage.name)
        pull = repository.get_pull(1)
        assert pull.create_review(event="APPROVE").state == "APPROVED"
        made = pull.create_review_comment("Here", repository.get_commit(pull.head.sha), "ten.txt", line=5)
        made.edit("Here!")
        reaction = made.create_reaction("eyes")
        answer = pull.create_review_comment_reply(made.id, "And here")
        assert [(one.body, one.in_reply_to_id) for one in pull.get_review_comments()] == [
            ("Here!", None),
            ("And here", made.id),
        ]
        assert [one.content for one in made.get_reactions()] == ["eyes"]
        assert made.delete_reaction(reaction.id)
        for one in (answer, made):
            one.delete()
        assert [review.state for review in pull.get_reviews()] == ["APPROVED"]
    assert threads(stage) == []


def test_a_review_that_is_not_submitted_is_its_authors_alone(stage: Stage) -> None:
    reviewed_pull(stage)
    with stage.person("triage") as person:
        pulls = person.rest.pulls
        inline = [{"path": "ten.txt", "position": 5, "body": "Hm"}]
        draft = pulls.create_review(stage.owner, "widgets", 1, data={"comments": inline}).parsed_data
        assert (draft.state, stage.ok("GET", "/pulls/1/reviews"), stage.ok("GET", "/pulls/1/comments")) == (
            "PENDING",
            [],
            [],
        )
        assert (threads(stage), len(threads(stage, "triage"))) == ([], 1)
        again = stage.request("POST", "/pulls/1/reviews", "triage", json={"event": "APPROVE"})
        assert again.body["errors"] == ["User can only have one pending review per pull request"]
        assert stage.hooks("pull_request_review.submitted") == []
        done = pulls.submit_review(stage.owner, "widgets", 1, draft.id, event="COMMENT").parsed_data
        assert (done.state, len(stage.ok("GET", "/pulls/1/comments"))) == ("COMMENTED", 1)
    assert stage.request("DELETE", f"/pulls/1/reviews/{draft.id}", "triage").status == 422


@pytest.mark.parametrize(
    ("who", "asked", "reason"),
    [
        ("write", {"event": "APPROVE"}, "Can not approve your own pull request"),
        ("write", {"event": "REQUEST_CHANGES", "body": "x"}, "Can not request changes on your own pull request"),
        ("triage", {"event": "COMMENT"}, "Review body can't be blank"),
        ("triage", {"event": "REQUEST_CHANGES", "body": " "}, "Review body can't be blank"),
        ("triage", {"comments": [{"path": "no.txt", "line": 1, "body": "x"}]}, "Path could not be resolved"),
        ("triage", {"comments": [{"path": "ten.txt", "line": 99, "body": "x"}]}, "Line could not be resolved"),
        ("triage", {"comments": [{"path": "ten.txt", "position": 9, "body": "x"}]}, "Position could not be resolved"),
    ],
)
def test_reviews_that_github_refuses(stage: Stage, who: str, asked: dict[str, Any], reason: str) -> None:
    reviewed_pull(stage)
    reply = stage.request("POST", "/pulls/1/reviews", who, json=asked)
    assert (reply.status, reply.body["message"], reply.body["errors"]) == (422, "Unprocessable Entity", [reason])
    assert stage.ok("GET", "/pulls/1/reviews", who) == []


def test_a_comment_is_on_a_line_of_the_diff_and_a_reply_on_the_first_of_its_thread(stage: Stage) -> None:
    reviewed_pull(stage)
    made = comment(stage, line=5, side="LEFT")
    assert made["diff_hunk"].splitlines()[-1] == "-line 5"
    answer = stage.ok("POST", f"/pulls/1/comments/{made['id']}/replies", json={"body": "So"})
    assert stage.request("POST", f"/pulls/1/comments/{answer['id']}/replies", json={"body": "No"}).status == 422
    assert comment(stage, subject_type="file")["subject_type"] == "file"
    refused = stage.request("POST", "/pulls/1/comments", json={"body": "x", "path": "ten.txt", "line": 10})
    field = "pull_request_review_thread.line"
    assert (refused.status, refused.body["errors"][0]["message"]) == (422, f"{field} must be part of the diff")
    stale = {"body": "x", "path": "ten.txt", "line": 5, "commit_id": "0" * 40}
    assert stage.request("POST", "/pulls/1/comments", json=stale).body["errors"][0]["field"] == "commit_id"


def test_comments_follow_their_line_until_it_is_gone(stage: Stage) -> None:
    reviewed_pull(stage)
    first = comment(stage)
    head = stage.commit("work", "ten.txt", "line 0\n" + CHANGED)
    moved = stage.ok("GET", f"/pulls/comments/{first['id']}")
    assert (moved["line"], moved["original_line"], moved["commit_id"]) == (6, 5, head)
    assert (threads(stage)[0]["line"], threads(stage)[0]["isOutdated"]) == (6, False)
    stage.commit("work", "ten.txt", TEN.replace("line 5\n", "line V\n"))
    gone = stage.ok("GET", f"/pulls/comments/{first['id']}")
    assert (gone["line"], gone["position"], gone["original_line"], gone["commit_id"]) == (None, None, 5, head)
    assert gone["original_commit_id"] == first["commit_id"]
    assert (threads(stage)[0]["line"], threads(stage)[0]["isOutdated"]) == (None, True)


def test_every_change_of_a_review_is_sent(stage: Stage) -> None:
    reviewed_pull(stage)
    review = stage.ok("POST", "/pulls/1/reviews", "triage", json={"event": "REQUEST_CHANGES", "body": "No"})
    stage.ok("PUT", f"/pulls/1/reviews/{review['id']}", "triage", json={"body": "Not so"})
    stage.ok("PUT", f"/pulls/1/reviews/{review['id']}/dismissals", json={"message": "Moot"})
    made = comment(stage)
    stage.ok("PATCH", f"/pulls/comments/{made['id']}", "triage", json={"body": "Why so?"})
    (thread,) = threads(stage)
    assert resolve(stage, stage.tokens["write"], thread["id"])["data"]["resolveReviewThread"]["thread"]["isResolved"]
    resolve(stage, stage.tokens["write"], thread["id"])
    resolve(stage, stage.tokens["write"], thread["id"], "Unresolve")
    stage.ok("DELETE", f"/pulls/comments/{made['id']}", "triage")
    kind = "pull_request_review"
    sent = [hook for hook in stage.hooks() if hook.event.startswith(kind)]
    assert [hook.name for hook in sent] == [
        *(f"{kind}.{action}" for action in ("submitted", "edited", "dismissed", "submitted")),
        *(f"{kind}_comment.{action}" for action in ("created", "edited")),
        *(f"{kind}_thread.{action}" for action in ("resolved", "unresolved")),
        f"{kind}_comment.deleted",
    ]
    assert (sent[0].payload["review"]["state"], sent[0].payload["pull_request"]["number"]) == ("changes_requested", 1)
    assert sent[1].payload["changes"] == {"body": {"from": "No"}}
    assert (sent[3].payload["review"]["state"], sent[3].payload["review"]["body"]) == ("commented", None)
    assert sent[5].payload["changes"] == {"body": {"from": "Why?"}}
    assert [one["id"] for one in sent[6].payload["thread"]["comments"]] == [made["id"]]


def test_an_app_resolves_with_contents_and_reviews_with_pull_requests(stage: Stage) -> None:
    reviewed_pull(stage)
    comment(stage)
    (thread,) = threads(stage)
    narrow = stage.app_token(permissions={"pull_requests": "write", "contents": "read"})
    refused = resolve(stage, narrow, thread["id"])
    assert (refused["data"], refused["errors"][0]["type"]) == (None, "FORBIDDEN")
    assert stage.request("POST", "/pulls/1/reviews", narrow, json={"event": "APPROVE"}).status == 200
    wide = stage.app_token(permissions={"contents": "write"})
    assert resolve(stage, wide, thread["id"])["data"]["resolveReviewThread"]["thread"]["isResolved"]
    assert stage.request("POST", "/pulls/1/reviews", wide, json={"event": "APPROVE"}).status == 403
    assert "errors" in resolve(stage, stage.tokens["read"], thread["id"])


def test_graphql_names_bots_without_brackets_and_tells_errors_under_200(stage: Stage) -> None:
    reviewed_pull(stage)
    comment(stage, stage.app_token())
    assert threads(stage)[0]["comments"]["nodes"][0]["author"]["login"] == "orch"
    token = stage.tokens["write"]
    unknown = graphql(stage, token, "query Elsewhere { viewer { login } }")
    assert (unknown["errors"][0]["extensions"]["code"], "data" in unknown) == ("undefinedField", False)
    missing = graphql(stage, token, DOCUMENT, owner=stage.owner, name="widgets", number=9)["errors"][0]
    said = "Could not resolve to a PullRequest with the number of 9."
    assert (missing["type"], missing["message"]) == ("NOT_FOUND", said)
    assert graphql(stage, token, DOCUMENT, owner=stage.owner)["errors"][0]["message"].startswith("Variable $name")
    assert graphql(stage, token, "{ viewer { login } }")["errors"]
    assert "errors" in graphql(stage, token, "")
    assert resolve(stage, token, "bm90aGluZzox")["errors"][0]["type"] == "NOT_FOUND"
    assert stage.hub.request("POST", "/graphql", json={"query": DOCUMENT}).status == 401


def test_graphql_meets_the_faults_and_only_a_mutation_is_a_write(hub: HubThread, stage: Stage) -> None:
    reviewed_pull(stage)
    comment(stage)
    (thread,) = threads(stage)
    hub.request("PUT", "/_hub/faults", json={"write_then_502": "once"})
    assert threads(stage)[0]["isResolved"] is False
    asked = {"query": "mutation ResolveReviewThread { x }", "variables": {"threadId": thread["id"]}}
    assert hub.request("POST", "/graphql", stage.tokens["write"], json=asked).status == 502
    assert threads(stage)[0]["isResolved"] is True
    hub.request("PUT", "/_hub/faults", json={"secondary_limit": {"count": 0}})
    assert hub.request("POST", "/graphql", stage.tokens["write"], json=asked).status == 200
    hub.request("PUT", "/_hub/faults", json={"fail_rate": 1.0})
    assert hub.request("POST", "/graphql", stage.tokens["write"], json=asked).status >= 500


def test_a_removed_collaborator_loses_his_rights(stage: Stage) -> None:
    login = stage.login("write")
    permission = f"/collaborators/{login}/permission"
    assert stage.request("DELETE", f"/collaborators/{login}", "maintain").status == 403
    with stage.pygithub(stage.tokens["admin"]) as github:
        repository = github.get_repo(stage.name)
        repository.remove_from_collaborators(login)
        assert (stage.ok("GET", permission)["permission"], stage.ok("GET", permission)["role_name"]) == ("read", "read")
        assert stage.request("POST", "/labels", "write", json={"name": "x"}).status == 403
        repository.add_to_collaborators(login, "maintain")
    assert (stage.ok("GET", permission)["permission"], stage.ok("GET", permission)["role_name"]) == (
        "write",
        "maintain",
    )
