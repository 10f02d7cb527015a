"""The hub's pages: what is on them, what their forms do, and whom they refuse."""

import pytest

from infra.hub.settings import HubSettings
from tests.contract.hub.browser import Browser
from tests.contract.hub.stage import HubThread, Stage


@pytest.fixture
def browser(stage: Stage) -> Browser:
    return Browser(stage).act_as("write")


def test_the_first_page_lists_repositories_and_the_latest_activity(stage: Stage, browser: Browser) -> None:
    stage.ok("POST", "/issues", json={"title": "A crack in the wall", "labels": ["orch"]})
    home = browser.get("/")
    assert (home.status, home.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f"{stage.name} 1 open · git clone {stage.hub.url}/{stage.name}.git" in home.text
    assert f"A crack in the wall {stage.name}#1 {stage.login('write')} added the label orch just now" in home.text


@pytest.mark.parametrize("path", ["", ".git"])
def test_a_repository_leads_to_its_issues(browser: Browser, path: str) -> None:
    found = browser.get(browser.home + path)
    assert (found.status, found.headers["Location"]) == (303, f"{browser.home}/issues")


def test_issues_are_listed_by_state_and_label(stage: Stage, browser: Browser) -> None:
    for title, labels in (("First", ["bug"]), ("Second", ["Bug", "orch"]), ("Third", [])):
        stage.ok("POST", "/issues", json={"title": title, "labels": labels})
    stage.ok("PATCH", "/issues/1", json={"state": "closed", "state_reason": "not_planned"})
    stage.pull()

    def titles(query: str) -> list[str]:
        text = browser.get(f"{browser.home}/issues{query}").text
        return [title for title in ("First", "Second", "Third", "Do the work") if title in text]

    assert titles("") == ["Second", "Third"]
    assert titles("?state=closed") == ["First"]
    assert titles("?state=all&label=BUG") == ["First", "Second"]
    assert "Not planned First" in browser.get(f"{browser.home}/issues?state=closed").text
    assert "Open Do the work" in browser.get(f"{browser.home}/pulls").text


def test_long_lists_have_pages(stage: Stage, browser: Browser) -> None:
    for number in range(51):
        stage.ok("POST", "/issues", json={"title": f"Crack {number + 1:02}"})
    first = browser.get(f"{browser.home}/issues")
    assert ("Crack 51" in first.text, "Crack 01" in first.text) == (True, False)
    older = next(href for href in first.hrefs() if href.endswith("page=2"))
    assert "Crack 01" in browser.get(older).text
    for page in ("0", "-1", "x", "99"):
        assert browser.get(f"{browser.home}/issues?page={page}").status == 200


def test_an_issue_shows_its_text_comments_and_events_in_order(stage: Stage, browser: Browser) -> None:
    stage.ok("POST", "/issues", "triage", json={"title": "One", "body": "It *leaks*", "labels": ["orch"]})
    stage.ok("POST", "/issues/1/comments", "none", json={"body": "Here too"})
    stage.ok("PATCH", "/issues/1", json={"title": "Two"})
    stage.ok("PATCH", "/issues/1", json={"state": "closed"})
    shown = browser.get(f"{browser.home}/issues/1")
    write, triage, none = (stage.login(role) for role in ("write", "triage", "none"))
    assert (
        f"{triage} commented just now It leaks {triage} added the label orch just now {none} commented just now "
        f"Here too {write} changed the title from One to Two just now {write} closed this as completed just now"
    ) in shown.text
    assert f"Closed {triage} opened this issue" in shown.text


def test_labels_have_their_colour_and_a_text_that_can_be_read(stage: Stage, browser: Browser) -> None:
    colors = {"000000": "fff", "ffffff": "000", "0e8a16": "fff", "fbca04": "000", "d73a4a": "fff", "5319e7": "fff"}
    for color in colors:
        stage.ok("POST", "/labels", json={"name": f"l-{color}", "color": color})
    stage.ok("POST", "/issues", json={"title": "One", "labels": [f"l-{color}" for color in colors]})
    shown = browser.get(f"{browser.home}/issues")
    styles = [a["style"] for _, a in shown.elements("a") if a.get("class") == "chip"]
    assert styles == [f"--paper:#{paper};--ink:#{ink}" for paper, ink in colors.items()]


def test_a_pull_request_shows_state_commits_and_diff(stage: Stage, browser: Browser) -> None:
    stage.branch("work", {"README.md": "# Widgets\nnew line\n"})
    stage.ok("POST", "/pulls", json={"title": "Do the work", "head": "work", "base": "main", "body": "Closes #9"})
    shown = browser.get(f"{browser.home}/pull/1")
    assert "wants to merge 1 commit into main from work +2 \N{MINUS SIGN}1 in 1 file" in shown.text
    assert "This merges into main without conflicts" in shown.text
    assert "Write README.md" in shown.text
    kinds = [a["class"] for _, a in shown.elements("tr")]
    assert kinds == ["hunk", "removed", "added", "added"]
    assert "+ new line" in shown.text
    commit = next(href for href in shown.hrefs() if "/commit/" in href)
    assert "+ new line" in browser.get(commit).text


def test_a_pull_request_with_a_conflict_says_so(stage: Stage, browser: Browser) -> None:
    stage.pull("work")
    stage.commit("main", "new.txt", "otherwise\n")
    shown = browser.get(f"{browser.home}/pull/1")
    assert "This conflicts with main" in shown.text
    sent = browser.send(f"{browser.home}/pull/1/merge", method="merge", sha=shown.value("sha"))
    assert (sent.status, "Pull Request is not mergeable." in sent.text) == (405, True)


def test_a_pull_request_whose_branch_is_gone_is_still_shown(stage: Stage, browser: Browser) -> None:
    stage.pull("work")
    stage.ok("DELETE", "/git/refs/heads/work")
    shown = browser.get(f"{browser.home}/pull/1")
    assert (shown.status, "Closed without merging." in shown.text) == (200, True)


@pytest.mark.parametrize(("asked", "given"), [("issues/1", "pull/1"), ("pull/2", "issues/2")])
def test_issues_and_pull_requests_share_numbers(stage: Stage, browser: Browser, asked: str, given: str) -> None:
    stage.pull()
    stage.ok("POST", "/issues", json={"title": "One"})
    assert browser.get(f"{browser.home}/{asked}").headers["Location"] == f"{browser.home}/{given}"


def test_a_person_opens_labels_answers_closes_and_reopens_an_issue(stage: Stage, browser: Browser) -> None:
    issue = f"{browser.home}/issues/1"
    made = browser.send(f"{browser.home}/issues/new", title="A crack", body="It leaks", labels="bug, orch")
    assert (made.status, made.headers["Location"]) == (303, issue)
    for path, fields in (
        ("labels/remove", {"label": "bug"}),
        ("labels", {"label": "urgent"}),
        ("comments", {"body": "Look"}),
        ("state", {"state": "closed:not_planned"}),
        ("state", {"state": "open:reopened"}),
    ):
        done = browser.send(f"{issue}/{path}", **fields)
        assert (done.status, done.headers["Location"]) == (303, issue)
    hooks = stage.hooks()[1:]
    assert {hook.payload["sender"]["login"] for hook in hooks} == {stage.login("write")}
    assert [(hook.name, hook.payload.get("label", {}).get("name")) for hook in hooks] == [
        ("issues.opened", None),
        ("issues.labeled", "bug"),
        ("issues.labeled", "orch"),
        ("issues.unlabeled", "bug"),
        ("issues.labeled", "urgent"),
        ("issue_comment.created", None),
        ("issues.closed", None),
        ("issues.reopened", None),
    ]


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_person_merges_a_pull_request(stage: Stage, browser: Browser, method: str) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    number = stage.pull("work", "Closes #1")
    path = f"{browser.home}/pull/{number}"
    done = browser.send(f"{path}/merge", method=method, sha=browser.get(path).value("sha"))
    assert (done.status, done.headers["Location"]) == (303, path)
    merged = browser.get(path)
    assert "Merged just now as" in merged.text
    assert not merged.actions() & {f"{path}/merge", f"{browser.home}/issues/{number}/state"}
    assert "Closed" in browser.get(f"{browser.home}/issues/1").text
    assert [hook.payload["pull_request"]["merged"] for hook in stage.hooks("pull_request.closed")] == [True]


def test_a_merge_of_another_head_than_the_one_looked_at_is_refused(stage: Stage, browser: Browser) -> None:
    stage.pull("work")
    sha = browser.get(f"{browser.home}/pull/1").value("sha")
    stage.commit("work", "late.txt", "late\n")
    done = browser.send(f"{browser.home}/pull/1/merge", method="merge", sha=sha)
    assert (done.status, "Head branch was modified." in done.text) == (409, True)


def test_a_pull_request_is_closed_and_reopened(stage: Stage, browser: Browser) -> None:
    stage.pull()
    for state, event in (("closed", "pull_request.closed"), ("open:reopened", "pull_request.reopened")):
        assert browser.send(f"{browser.home}/issues/1/state", state=state).status == 303
        assert len(stage.hooks(event)) == 1


def test_who_may_not_do_something_sees_no_form_for_it(stage: Stage) -> None:
    number = stage.pull()
    path, stranger = f"{Browser(stage).home}/pull/{number}", Browser(stage).act_as("none")
    shown = stranger.get(path)
    about = f"{stranger.home}/issues/{number}"
    assert shown.actions() == {"/_hub/act-as", f"{about}/comments", f"{path}/comments", f"{path}/reviews"}
    assert f"{stage.login('none')} has no write rights here and may not merge." in shown.text
    rights = {"triage": {"labels", "state"}, "write": {"labels", "state", "merge"}}
    for role, more in rights.items():
        actions = Browser(stage).act_as(role).get(path).actions()
        assert {action.rpartition("/")[2] for action in actions} == {"act-as", "comments", "reviews", *more}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("issues/1/labels", {"label": "orch"}),
        ("issues/1/labels/remove", {"label": "orch"}),
        ("issues/1/state", {"state": "closed"}),
        ("pull/1/merge", {"method": "merge"}),
    ],
)
def test_who_sends_a_form_without_the_right_is_told_so(stage: Stage, path: str, fields: dict[str, str]) -> None:
    stage.pull()
    stranger = Browser(stage).act_as("none")
    sent = stranger.send(f"{stranger.home}/{path}", **fields)
    said = f"{stage.login('none')} may not do this here: act as somebody with more rights."
    assert (sent.status, said in sent.text) == (403, True)
    assert stage.hooks("pull_request.closed", "pull_request.labeled") == []


def test_a_stranger_to_a_private_repository_may_look_and_not_act(hub: HubThread, stage: Stage) -> None:
    private = Stage.build(hub, f"{stage.owner}-private", private=True)
    private.ok("POST", "/issues", json={"title": "One"})
    stranger = Browser(private).act_as("none")
    sent = stranger.send(f"{stranger.home}/issues/1/comments", body="Hello")
    assert (sent.status, "may not do this here" in sent.text) == (404, True)
    assert private.ok("GET", "/issues/1/comments") == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"title": "", "body": "Kept"}, "title cannot be blank."),
        ({"title": "x" * 257, "body": "Kept"}, "title is too long (maximum is 256 characters)."),
        ({"title": "One", "body": "Kept", "labels": "x" * 51}, "The name of a label has 1 to 50 characters."),
    ],
)
def test_a_mistake_is_told_beside_what_was_typed(
    stage: Stage, browser: Browser, fields: dict[str, str], problem: str
) -> None:
    sent = browser.send(f"{browser.home}/issues/new", **fields)
    assert (sent.status, problem in sent.text, "Kept" in sent.text) == (422, True, True)
    assert stage.ok("GET", "/issues") == []


def test_one_label_is_added_whatever_its_name(stage: Stage, browser: Browser) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    for label in ("a, b", "..", "c/d?e#f", "<b>"):
        assert browser.send(f"{browser.home}/issues/1/labels", label=label).status == 303
    assert [label["name"] for label in stage.ok("GET", "/issues/1/labels")] == ["a, b", "..", "c/d?e#f", "<b>"]
    assert browser.send(f"{browser.home}/issues/1/labels/remove", label="..").status == 303
    assert browser.send(f"{browser.home}/issues/1/labels", label=" ").status == 422
    assert [label["name"] for label in stage.ok("GET", "/issues/1/labels")] == ["a, b", "c/d?e#f", "<b>"]
    links = [href for href in browser.get(f"{browser.home}/issues").hrefs() if "?label=" in href]
    assert all("One" in browser.get(href).text for href in links)
    assert len(links) == 3


def test_a_form_for_what_is_not_there_says_so(browser: Browser) -> None:
    sent = browser.send(f"{browser.home}/issues/99/comments", body="Hello")
    assert (sent.status, "There is nothing at" in sent.text, "may not" in sent.text) == (404, True, False)


def test_the_address_can_fill_in_a_new_issue(browser: Browser) -> None:
    shown = browser.get(f"{browser.home}/issues/new?title=A+crack&body=It+leaks&labels=orch")
    assert (shown.value("title"), shown.value("labels"), "It leaks" in shown.text) == ("A crack", "orch", True)


def test_the_delivery_log_shows_and_redelivers(stage: Stage, browser: Browser) -> None:
    stage.ok("POST", "/issues", json={"title": "A crack"})
    before = stage.hooks("issues.opened")
    guid = before[0].headers["X-GitHub-Delivery"]
    assert f"issues.opened 202 OK {guid}" in browser.get("/_hub/deliveries").text.replace("Accepted", "OK")
    path = next(href for href in browser.get("/_hub/deliveries").hrefs() if href.startswith("/_hub/deliveries/"))
    shown = browser.get(path)
    assert '"title": "A crack"' in shown.text
    assert (guid in shown.text, "X-Hub-Signature-256" in shown.text, "taken" in shown.text) == (True, True, True)
    again = browser.send(f"{path}/redeliver")
    assert again.status == 303
    assert [hook.headers["X-GitHub-Delivery"] for hook in stage.hooks("issues.opened")] == [guid, guid]
    assert "redelivery" in browser.get(again.headers["Location"]).text


def test_a_delivery_that_waits_is_pending(hub: HubThread, stage: Stage, browser: Browser) -> None:
    stage.hooks()
    hub.request("PUT", "/_hub/faults", json={"webhook_delay": 3600})
    stage.ok("POST", "/issues", json={"title": "One"})
    shown = browser.get("/_hub/deliveries")
    assert "issues.opened pending" in shown.text
    path = next(href for href in shown.hrefs() if href.startswith("/_hub/deliveries/"))
    assert f"{path}/redeliver" not in browser.get(path).actions()


@pytest.mark.parametrize(
    "path",
    ["/{name}/issues/7", "/{name}/pull/7", "/{name}/commit/0000000", "/nobody/nothing/issues", "/_hub/deliveries/1"],
)
def test_what_is_not_there_is_said_on_a_page(browser: Browser, path: str) -> None:
    path = path.format(name=browser.stage.name)
    shown = browser.get(path)
    assert (shown.status, f"There is nothing at {path}." in shown.text) == (404, True)


@pytest.mark.parametrize(
    "path",
    ["/repos/{name}", "/repos/{name}/issues", "/repos/{name}/nothing", "/app/hook/deliveries", "/_hub", "/users/x/y"],
)
def test_the_api_keeps_its_paths(hub: HubThread, stage: Stage, path: str) -> None:
    reply = hub.request("GET", path.format(name=stage.name), stage.tokens["write"])
    assert reply.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    "owner", ["_hub", "api", "app", "apps", "installation", "orgs", "repos", "settings", "user", "users"]
)
def test_no_page_stands_where_the_api_is(hub: HubThread, stage: Stage, owner: str) -> None:
    reply = hub.request("GET", f"/{owner}/widgets/issues")
    assert (reply.status, reply.headers["Content-Type"]) == (404, "application/json; charset=utf-8")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "[", ""]
)
@pytest.mark.parametrize("path", ["/", "/_hub", "/_hub/deliveries", "/repos/{name}"])
def test_a_foreign_host_name_is_refused(browser: Browser, host: str, path: str) -> None:
    assert browser.get(path.format(name=browser.stage.name), Host=host).status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "orch.localhost:1", "127.0.0.1:1", "[::1]:9000"])
def test_this_machines_names_are_served(browser: Browser, host: str) -> None:
    assert browser.get("/", Host=host).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", ""])
def test_a_form_from_another_origin_is_refused(stage: Stage, browser: Browser, origin: str) -> None:
    token = browser.get("/").value("form_token")
    sent = browser.post(f"{browser.home}/issues/new", origin, form_token=token, title="One")
    assert sent.status == 403
    assert stage.ok("GET", "/issues") == []


def test_a_form_without_the_right_token_is_refused(stage: Stage, browser: Browser) -> None:
    for token in ({}, {"form_token": ""}, {"form_token": "é"}, {"form_token": "0" * 64}):
        sent = browser.post(f"{browser.home}/issues/new", title="One", **token)
        assert (sent.status, "load the page again" in sent.text) == (403, True)
    assert stage.ok("GET", "/issues") == []


def test_a_foreign_page_cannot_write_to_the_hubs_own_routes(hub: HubThread, stage: Stage) -> None:
    sent = hub.request("POST", "/_hub/users", json={"login": "intruder"}, headers={"Origin": "http://evil.example"})
    assert sent.status == 403
    assert "intruder" not in hub.info_now()["tokens"]


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "evil"])
def test_choosing_a_person_leads_nowhere_else(browser: Browser, back: str) -> None:
    person = browser.stage.hub.request("GET", f"/users/{browser.stage.login('none')}").body["id"]
    sent = browser.send("/_hub/act-as", person=str(person), back=back)
    assert (sent.status, sent.headers["Location"]) == (303, "/")


def test_nobody_can_act_as_somebody_who_is_not_there(browser: Browser) -> None:
    sent = browser.send("/_hub/act-as", person="0", back="/")
    assert (sent.status, "There is no such person" in sent.text) == (422, True)
    browser.headers["Cookie"] = "hub_acts_as=0"
    assert browser.get("/").status == 200


def test_pages_forbid_what_they_do_not_need(browser: Browser) -> None:
    first, second = browser.get("/"), browser.get("/")
    policy = dict(rule.split(" ", 1) for rule in first.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert (policy["img-src"], policy["style-src-attr"]) == ("data:", "'unsafe-inline'")
    assert (policy["form-action"], policy["connect-src"], policy["style-src"]) == ("'self'",) * 3
    assert policy["script-src"] == "'nonce-{}'".format(next(a["nonce"] for _, a in first.elements("script")))
    assert policy["script-src"] not in second.headers["Content-Security-Policy"]
    assert (first.headers["X-Frame-Options"], first.headers["X-Content-Type-Options"]) == ("DENY", "nosniff")


def test_a_hub_without_people_and_repositories_has_a_page() -> None:
    with HubThread(HubSettings(seed=None)) as empty:
        home = Browser(Stage(empty, "nobody", "nobody/nothing", 0, {})).get("/")
    assert (home.status, "No repository yet" in home.text) == (200, True)


def test_every_field_has_a_label_and_every_page_its_landmarks(stage: Stage, browser: Browser) -> None:
    stage.ok("POST", "/issues", json={"title": "One", "labels": ["orch"]})
    number = stage.pull()
    for path in ("/", f"{browser.home}/issues/1", f"{browser.home}/pull/{number}", f"{browser.home}/issues/new"):
        shown = browser.get(path)
        labelled = {a["for"] for _, a in shown.elements("label")}
        fields = [a for _, a in shown.elements("input", "select", "textarea") if a.get("type") != "hidden"]
        assert {a["id"] for a in fields} == labelled
        for landmark in ("header", "nav", "main", "footer"):
            assert next(shown.elements(landmark))
        assert len(list(shown.elements("h1"))) == 1
