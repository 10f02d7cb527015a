"""Reviews on the hub's pages: what is shown of them, and what a person does there."""

import pytest

from tests.contract.hub.browser import Browser
from tests.contract.hub.stage import Stage


@pytest.fixture
def pull(stage: Stage) -> str:
    """Open a pull request of the writer's that adds `new.txt`, and give its page."""
    return f"/{stage.name}/pull/{stage.pull('work')}"


def test_a_person_reviews_comments_on_a_line_replies_and_resolves(stage: Stage, pull: str) -> None:
    triager, writer = Browser(stage).act_as("triage"), Browser(stage).act_as("write")
    assert triager.send(f"{pull}/reviews", event="REQUEST_CHANGES", review="Not *yet*").status == 303
    href = next(one for one in triager.get(pull).hrefs() if one.endswith("line=1#comment-on-line"))
    form = triager.get(href.partition("#")[0])
    assert form.value("line") == "1"
    made = triager.send(f"{pull}/comments", file="new.txt", line="1", side="RIGHT", remark="Which?")
    (comment,) = stage.ok("GET", "/pulls/1/comments")
    assert made.headers["Location"] == f"{pull}#discussion_r{comment['id']}"
    actions = writer.get(pull).actions()
    reply, resolve = (next(one for one in actions if one.endswith(word)) for word in ("reply", "resolve"))
    writer.send(reply, reply="This one")
    writer.send(resolve, resolved="yes")
    shown = writer.get(pull).text
    assert f"{stage.login('triage')} requested changes just now" in shown
    assert f"new.txt line 1 resolved by {stage.login('write')}" in shown
    assert "+ new" in shown
    assert f"Which? {stage.login('write')} commented just now This one" in shown
    writer.send(resolve, resolved="no")
    assert [hook.name for hook in stage.hooks() if "review" in hook.event] == [
        "pull_request_review.submitted",
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
        "pull_request_review_thread.resolved",
        "pull_request_review_thread.unresolved",
    ]


def test_a_comment_is_edited_by_its_author_alone(stage: Stage, pull: str) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    issue = stage.ok("POST", "/issues/2/comments", "triage", json={"body": "Frist"})["id"]
    asked = {"body": "Secnod", "path": "new.txt", "line": 1}
    line = stage.ok("POST", "/pulls/1/comments", "triage", json=asked)["id"]
    triager, writer = Browser(stage).act_as("triage"), Browser(stage).act_as("write")
    for page, path in (
        (f"/{stage.name}/issues/2", f"/{stage.name}/issues/2/comments/{issue}/edit"),
        (pull, f"{pull}/comments/{line}/edit"),
    ):
        assert path not in writer.get(page).actions()
        assert path in triager.get(page).actions()
        assert triager.send(path, edited="Mended").status == 303
        assert "just now edited Mended" in triager.get(page).text
        refused = triager.send(path, edited=" ")
        assert (refused.status, "body cannot be blank." in refused.text) == (422, True)
    assert stage.hooks("issue_comment.edited")[0].payload["changes"] == {"body": {"from": "Frist"}}


@pytest.mark.parametrize(
    ("sent", "fields", "problem"),
    [
        ("write reviews", {"event": "APPROVE"}, "Can not approve your own pull request"),
        ("triage reviews", {"event": "COMMENT"}, "Review body can't be blank"),
        ("triage comments", {"file": "new.txt", "line": "x", "remark": "Hm"}, "The line is a number"),
        ("triage comments", {"file": "new.txt", "line": "9", "remark": "Hm"}, "line must be part of the diff"),
    ],
)
def test_a_mistake_in_a_review_is_told(
    stage: Stage, pull: str, sent: str, fields: dict[str, str], problem: str
) -> None:
    who, path = sent.split()
    refused = Browser(stage).act_as(who).send(f"{pull}/{path}", **fields)
    assert (refused.status, problem in refused.text) == (422, True)
    assert fields.get("remark", "") in refused.html


def test_an_author_sees_no_approval_and_a_reader_no_resolving(stage: Stage, pull: str) -> None:
    stage.ok("POST", "/pulls/1/comments", "triage", json={"body": "Why?", "path": "new.txt", "line": 1})
    assert "Nobody approves his own pull request." in Browser(stage).act_as("write").get(pull).text
    reader = Browser(stage).act_as("read")
    assert not any(path.endswith("/resolve") for path in reader.get(pull).actions())
    thread = next(path for path in reader.get(pull).actions() if path.endswith("/reply")).removesuffix("/reply")
    assert reader.send(f"{thread}/resolve", resolved="yes").status == 403
    assert reader.send(f"{pull}/threads/1/resolve", resolved="yes").status == 404
