"""Issues, labels, comments, reactions: GitHub's shapes by other people's clients, and GitHub's rules."""

import pytest
from githubkit.exception import RequestFailed

from infra.hub.records import Issue
from tests.contract.hub.stage import Stage


def test_githubkit_creates_reads_changes_and_lists_issues(stage: Stage) -> None:
    with stage.bot() as bot:
        issues = bot.rest.issues
        made = issues.create(stage.owner, "widgets", title="A crack", body="It leaks", labels=["orch"]).parsed_data
        assert made.user is not None
        assert (made.number, made.user.login, made.state) == (1, "orch[bot]", "open")
        assert made.id != made.number
        closed = issues.update(
            stage.owner, "widgets", 1, title="The crack", state="closed", state_reason="not_planned"
        ).parsed_data
        assert (closed.title, closed.state, closed.state_reason) == ("The crack", "closed", "not_planned")
        assert issues.list_for_repo(stage.owner, "widgets").parsed_data == []
        listed = issues.list_for_repo(stage.owner, "widgets", state="all", labels="ORCH").parsed_data
        assert [issue.number for issue in listed] == [1]
        assert issues.get(stage.owner, "widgets", 1).parsed_data.closed_by is not None


def test_githubkit_reads_labelled_events_with_actor_and_label(stage: Stage) -> None:
    stage.ok("POST", "/issues", "triage", json={"title": "One", "labels": ["orch", "plan"]})
    stage.ok("DELETE", "/issues/1/labels/plan", "write")
    with stage.bot() as bot:
        events = bot.rest.issues.list_events(stage.owner, "widgets", 1).parsed_data
    seen = [(e.event, e.actor.login, e.label.name) for e in events if hasattr(e, "label")]
    assert seen == [
        ("labeled", stage.login("triage"), "orch"),
        ("labeled", stage.login("triage"), "plan"),
        ("unlabeled", stage.login("write"), "plan"),
    ]


def test_githubkit_works_with_repository_labels(stage: Stage) -> None:
    with stage.bot() as bot:
        issues = bot.rest.issues
        made = issues.create_label(stage.owner, "widgets", name="status:new", color="FF0000", description="Fresh")
        assert made.status_code == 201
        changed = issues.update_label(stage.owner, "widgets", "status:new", new_name="status/old", color="00ff00")
        assert (changed.parsed_data.name, changed.parsed_data.color) == ("status/old", "00ff00")
        assert issues.get_label(stage.owner, "widgets", "status/old").parsed_data.description == "Fresh"
        assert [label.name for label in issues.list_labels_for_repo(stage.owner, "widgets").parsed_data] == [
            "status/old"
        ]
        assert issues.delete_label(stage.owner, "widgets", "status/old").status_code == 204


def test_githubkit_works_with_the_labels_of_an_issue(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    with stage.bot() as bot:
        issues = bot.rest.issues
        added = issues.add_labels(stage.owner, "widgets", 1, labels=["a", "b"]).parsed_data
        assert [label.name for label in added] == ["a", "b"]
        kept = issues.set_labels(stage.owner, "widgets", 1, labels=["b", "c"]).parsed_data
        assert [label.name for label in kept] == ["b", "c"]
        left = issues.remove_label(stage.owner, "widgets", 1, "b").parsed_data
        assert [label.name for label in left] == ["c"]
        assert [x.name for x in issues.list_labels_on_issue(stage.owner, "widgets", 1).parsed_data] == ["c"]
        with pytest.raises(RequestFailed) as gone:
            issues.remove_label(stage.owner, "widgets", 1, "b")
        assert gone.value.response.json()["message"] == "Label does not exist"
        assert issues.remove_all_labels(stage.owner, "widgets", 1).status_code == 204


def test_githubkit_comments_edits_pins_and_deletes(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    with stage.bot() as bot:
        issues = bot.rest.issues
        made = issues.create_comment(stage.owner, "widgets", 1, body="First").parsed_data
        edited = issues.update_comment(stage.owner, "widgets", made.id, body="Second").parsed_data
        assert (edited.body, edited.id) == ("Second", made.id)
        assert issues.pin_comment(stage.owner, "widgets", made.id).parsed_data.pin
        assert stage.ok("GET", "/issues/1")["pinned_comment"]["id"] == made.id
        assert issues.unpin_comment(stage.owner, "widgets", made.id).status_code == 204
        assert [c.body for c in issues.list_comments(stage.owner, "widgets", 1).parsed_data] == ["Second"]
        assert issues.get_comment(stage.owner, "widgets", made.id).parsed_data.user is not None
        assert issues.delete_comment(stage.owner, "widgets", made.id).status_code == 204
    assert stage.request("GET", f"/issues/comments/{made.id}").status == 404


def test_githubkit_reacts_once(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    comment = stage.ok("POST", "/issues/1/comments", json={"body": "Hello"})
    with stage.bot() as bot:
        reactions = bot.rest.reactions
        first = reactions.create_for_issue(stage.owner, "widgets", 1, content="eyes")
        again = reactions.create_for_issue(stage.owner, "widgets", 1, content="eyes")
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.parsed_data.id == again.parsed_data.id
        made = reactions.create_for_issue_comment(stage.owner, "widgets", comment["id"], content="+1")
        listed = reactions.list_for_issue_comment(stage.owner, "widgets", comment["id"]).parsed_data
        assert [reaction.id for reaction in listed] == [made.parsed_data.id]
        assert len(reactions.list_for_issue(stage.owner, "widgets", 1).parsed_data) == 1
        gone = reactions.delete_for_issue(stage.owner, "widgets", 1, first.parsed_data.id)
        assert gone.status_code == 204
    assert stage.request("POST", "/issues/1/reactions", json={"content": "shrug"}).status == 422


def test_pygithub_works_with_issues(stage: Stage) -> None:
    with stage.pygithub(stage.app_token()) as github:
        repository = github.get_repo(stage.name)
        repository.create_label("orch", "5319e7", "Hand it over")
        issue = repository.create_issue("One", "Text", labels=["orch"])
        issue.add_to_labels("urgent")
        issue.remove_from_labels("orch")
        comment = issue.create_comment("Working on it")
        comment.edit("Done")
        comment.create_reaction("rocket")
        issue.edit(state="closed", state_reason="completed")
        again = repository.get_issue(issue.number)
        assert [label.name for label in again.labels] == ["urgent"]
        assert [c.body for c in again.get_comments()] == ["Done"]
        assert (again.state, again.state_reason, again.user.login) == ("closed", "completed", "orch[bot]")
        assert [e.event for e in again.get_events()] == ["labeled", "labeled", "unlabeled", "closed"]


def test_labelling_leaves_updated_at_and_commenting_moves_it(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    before = stage.row(Issue, 1).updated
    stage.ok("POST", "/issues/1/labels", json={"labels": ["orch"]})
    assert stage.row(Issue, 1).updated == before
    stage.ok("POST", "/issues/1/comments", json={"body": "Hello"})
    assert stage.row(Issue, 1).updated > before


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/issues", {"title": None}, {"resource": "Issue", "code": "missing_field", "field": "title"}),
        ("/labels", {"name": "taken"}, {"resource": "Label", "code": "already_exists", "field": "name"}),
        ("/issues/1/labels", {"labels": ["x" * 51]}, {"resource": "Label", "code": "invalid", "field": "name"}),
        (
            "/issues/1/comments",
            {"body": "x" * 65_537},
            {
                "resource": "IssueComment",
                "code": "custom",
                "field": "body",
                "message": "body is too long (maximum is 65536 characters)",
            },
        ),
        (
            "/labels",
            {"name": "long", "description": "x" * 101},
            {
                "resource": "Label",
                "code": "custom",
                "field": "description",
                "message": "description is too long (maximum is 100 characters)",
            },
        ),
    ],
)
def test_validation_names_the_field(stage: Stage, path: str, body: dict[str, object], error: dict[str, str]) -> None:
    stage.ok("POST", "/issues", json={"title": "One", "labels": ["taken"]})
    reply = stage.request("POST", path, json=body)
    assert (reply.status, reply.body["message"], reply.body["errors"]) == (422, "Validation Failed", [error])
    assert reply.body["status"] == "422"


@pytest.mark.parametrize("labels", [5, [5], [{"colour": "red"}], [None]])
def test_labels_that_are_none_are_refused(stage: Stage, labels: object) -> None:
    assert stage.request("POST", "/issues", json={"title": "One", "labels": labels}).status == 422
    stage.ok("POST", "/issues", json={"title": "One"})
    assert stage.request("PUT", "/issues/1/labels", json={"labels": labels}).status == 422


def test_a_comment_of_the_full_length_is_taken(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    assert len(stage.ok("POST", "/issues/1/comments", json={"body": "é" * 65_536})["body"]) == 65_536


def test_labels_given_by_a_stranger_are_dropped(stage: Stage) -> None:
    made = stage.ok("POST", "/issues", "none", json={"title": "One", "labels": ["orch"]})
    assert made["labels"] == []
    assert stage.request("POST", "/issues/1/labels", "none", json={"labels": ["orch"]}).status == 403
    assert stage.ok("PATCH", "/issues/1", "none", json={"title": "Mine", "labels": ["orch"]})["labels"] == []


def test_closing_twice_is_one_event(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    for _ in range(2):
        assert stage.ok("PATCH", "/issues/1", json={"state": "closed"})["state_reason"] == "completed"
    assert stage.ok("PATCH", "/issues/1", json={"state": "open"})["state_reason"] == "reopened"
    assert [e["event"] for e in stage.ok("GET", "/issues/1/events")] == ["closed", "reopened"]


def test_deleting_a_label_takes_it_off_issues(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One", "labels": ["orch", "keep"]})
    stage.ok("DELETE", "/labels/orch")
    assert [label["name"] for label in stage.ok("GET", "/issues/1")["labels"]] == ["keep"]
