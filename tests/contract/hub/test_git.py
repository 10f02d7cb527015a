"""Refs, contents and branches over REST; clone, fetch and push by real git."""

import subprocess
from pathlib import Path

import pytest
from githubkit.exception import RequestFailed

from tests.contract.hub.stage import HubThread, Stage, encoded

IDENTITY = ("-c", "user.name=writer", "-c", "user.email=writer@example.com")


def git(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(folder), "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(
        ["git", *IDENTITY, *argv], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def address(stage: Stage, token: str | None) -> str:
    host = stage.hub.url.removeprefix("http://")
    credentials = f"x-access-token:{token}@" if token else ""
    return f"http://{credentials}{host}/{stage.name}.git"


def cloned(stage: Stage, folder: Path, token: str | None) -> Path:
    done = git(folder, "clone", "--quiet", address(stage, token), "work")
    assert done.returncode == 0, done.stderr
    return folder / "work"


def push_file(work: Path, branch: str, name: str = "pushed.txt") -> subprocess.CompletedProcess[str]:
    git(work, "checkout", "-q", "-B", branch)
    (work / name).write_text("pushed\n")
    git(work, "add", name)
    git(work, "commit", "-q", "-m", f"Add {name}")
    return git(work, "push", "-q", "origin", branch)


def test_githubkit_works_with_refs(stage: Stage) -> None:
    head = stage.branch("first")
    with stage.bot() as bot:
        refs = bot.rest.git
        made = refs.create_ref(stage.owner, "widgets", ref="refs/heads/orch/1-fix", sha=head).parsed_data
        assert (made.ref, made.object_.sha) == ("refs/heads/orch/1-fix", head)
        assert refs.get_ref(stage.owner, "widgets", "heads/orch/1-fix").parsed_data.object_.sha == head
        matching = refs.list_matching_refs(stage.owner, "widgets", "heads/orch/").parsed_data
        assert [ref.ref for ref in matching] == ["refs/heads/orch/1-fix"]
        further = stage.commit("first", "more.txt", "more\n")
        moved = refs.update_ref(stage.owner, "widgets", "heads/orch/1-fix", sha=further).parsed_data
        assert moved.object_.sha == further
        assert refs.delete_ref(stage.owner, "widgets", "heads/orch/1-fix").status_code == 204
        with pytest.raises(RequestFailed):
            refs.get_ref(stage.owner, "widgets", "heads/orch/1-fix")


def test_refs_are_refused_in_githubs_words(stage: Stage) -> None:
    head = stage.branch("work")
    main = stage.ok("GET", "/git/ref/heads/main")["object"]["sha"]
    asked = [
        ("PATCH", "/git/refs/heads/work", {"sha": main}, "Update is not a fast forward"),
        ("PATCH", "/git/refs/heads/nowhere", {"sha": main}, "Reference does not exist"),
        ("PATCH", "/git/refs/heads/work", {"sha": "1" * 40}, "Object does not exist"),
        ("POST", "/git/refs", {"ref": "refs/heads/work", "sha": head}, "Reference already exists"),
        ("POST", "/git/refs", {"ref": "refs/heads/x", "sha": "1" * 40}, "Object does not exist"),
        ("DELETE", "/git/refs/heads/nowhere", None, "Reference does not exist"),
    ]
    for method, path, body, message in asked:
        reply = stage.request(method, path, json=body)
        assert (reply.status, reply.body["message"]) == (422, message)


def test_writing_refs_takes_contents_write(stage: Stage) -> None:
    main = stage.ok("GET", "/git/ref/heads/main")["object"]["sha"]
    body = {"ref": "refs/heads/x", "sha": main}
    assert (
        stage.request("POST", "/git/refs", stage.app_token(permissions={"contents": "read"}), json=body).status == 403
    )
    assert stage.request("POST", "/git/refs", "triage", json=body).status == 403
    assert stage.request("GET", "/git/ref/heads/x").status == 404


def test_githubkit_reads_and_writes_contents_and_branches(stage: Stage) -> None:
    with stage.bot() as bot:
        repos = bot.rest.repos
        put = repos.create_or_update_file_contents
        made = put(stage.owner, "widgets", "docs/a b.md", message="Add", content=encoded("Hello\n"))
        assert made.status_code == 201
        found = repos.get_content(stage.owner, "widgets", "docs/a b.md").parsed_data
        assert getattr(found, "content", "").strip() == encoded("Hello\n")
        sha = getattr(found, "sha", "")
        again = put(stage.owner, "widgets", "docs/a b.md", message="Change", content=encoded("Bye\n"), sha=sha)
        assert again.status_code == 200
        assert again.parsed_data.commit.author
        branch = repos.get_branch(stage.owner, "widgets", "main").parsed_data
        assert branch.commit.commit.message == "Change"
        assert [b.name for b in repos.list_branches(stage.owner, "widgets").parsed_data] == ["main"]
        assert repos.get(stage.owner, "widgets").parsed_data.default_branch == "main"
    stale = {"message": "Change", "content": encoded("x"), "sha": sha}
    assert stage.request("PUT", "/contents/docs/a%20b.md", json=stale).status == 409
    assert stage.request("PUT", "/contents/README.md", json={"message": "x", "content": ""}).status == 422
    assert stage.request("GET", "/contents/nowhere.md").status == 404
    assert stage.request("GET", "/commits/nowhere").status == 422


def test_anybody_clones_the_public_and_nobody_the_private(hub: HubThread, stage: Stage, tmp_path: Path) -> None:
    assert (cloned(stage, tmp_path, None) / "README.md").exists()
    private = Stage.build(hub, f"{stage.owner}-secret", private=True)
    for token in (None, "ghp_wrong", private.tokens["none"]):
        assert git(tmp_path, "ls-remote", address(private, token)).returncode != 0
    assert git(tmp_path, "ls-remote", address(private, private.app_token())).returncode == 0
    refused = hub.request("GET", f"/{private.name}.git/info/refs?service=git-upload-pack")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="GitHub"')


def test_a_push_moves_the_branch_its_pull_request_and_tells(stage: Stage, tmp_path: Path) -> None:
    work = cloned(stage, tmp_path, stage.app_token())
    assert push_file(work, "work").returncode == 0
    number = stage.ok("POST", "/pulls", json={"title": "Do it", "head": "work", "base": "main"})["number"]
    assert push_file(work, "work", "second.txt").returncode == 0
    head = git(work, "rev-parse", "HEAD").stdout.strip()
    hooks = stage.hooks("push", "pull_request.opened", "pull_request.synchronize")
    assert [hook.name for hook in hooks] == ["push", "pull_request.opened", "push", "pull_request.synchronize"]
    assert {hook.payload["sender"]["login"] for hook in hooks if hook.event == "push"} == {"orch[bot]"}
    assert [commit["message"] for commit in hooks[2].payload["commits"]] == ["Add second.txt"]
    shown = stage.ok("GET", f"/pulls/{number}")
    assert (shown["head"]["sha"], shown["commits"]) == (head, 2)


def test_a_push_to_a_custom_ref_is_taken(stage: Stage, tmp_path: Path) -> None:
    work = cloned(stage, tmp_path, stage.app_token(permissions={"contents": "write"}))
    assert git(work, "push", "-q", "origin", "HEAD:refs/orch/runs/r1").returncode == 0
    assert stage.request("GET", "/git/ref/orch/runs/r1").status == 200


def test_a_workflow_is_taken_from_people_and_not_from_the_app(stage: Stage, tmp_path: Path) -> None:
    work = cloned(stage, tmp_path, stage.app_token())
    (work / ".github/workflows").mkdir(parents=True)
    refused = push_file(work, "work", ".github/workflows/ci.yml")
    assert refused.returncode != 0
    said = "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without `workflows`"
    assert said in refused.stderr
    assert stage.request("GET", "/git/ref/heads/work").status == 404
    git(work, "remote", "set-url", "origin", address(stage, stage.tokens["write"]))
    assert git(work, "push", "-q", "origin", "work").returncode == 0
    git(work, "remote", "set-url", "origin", address(stage, stage.app_token()))
    assert push_file(work, "work", "other.txt").returncode == 0


def test_a_push_is_refused_to_readers(stage: Stage, tmp_path: Path) -> None:
    for number, token in enumerate((stage.tokens["read"], stage.app_token(permissions={"contents": "read"}))):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = push_file(cloned(stage, folder, token), "work")
        assert done.returncode != 0
        assert "403" in done.stderr
    anonymous = push_file(cloned(stage, tmp_path, None), "work")
    assert anonymous.returncode != 0
    assert stage.request("GET", "/git/ref/heads/work").status == 404


def test_an_archived_repository_is_read_only_and_a_renamed_one_moves(stage: Stage, tmp_path: Path) -> None:
    stage.ok("PATCH", "", "admin", json={"archived": True})
    reply = stage.request("POST", "/issues", json={"title": "One"})
    assert (reply.status, reply.body["message"]) == (403, "Repository was archived so is read-only.")
    assert push_file(cloned(stage, tmp_path, stage.tokens["write"]), "work").returncode != 0
    stage.ok("PATCH", "", "admin", json={"archived": False, "name": "gadgets"})
    assert stage.request("GET", "").body["full_name"] == f"{stage.owner}/gadgets"
    assert stage.hub.request("GET", f"/repos/{stage.owner}/gadgets").body["name"] == "gadgets"


def test_a_push_says_what_each_commit_did_to_which_files(stage: Stage, tmp_path: Path) -> None:
    work = cloned(stage, tmp_path, stage.app_token())
    git(work, "checkout", "-q", "-b", "side")
    for name, text in (("a b.txt", "one\n"), ("c.txt", "two\n")):
        (work / name).write_text(text)
        git(work, "add", name)
    git(work, "commit", "-q", "-m", "Add two")
    (work / "c.txt").write_text("three\n")
    git(work, "rm", "-q", "a b.txt")
    git(work, "commit", "-q", "-a", "-m", "Change one, remove one")
    git(work, "commit", "-q", "--allow-empty", "-m", "Do nothing")
    git(work, "checkout", "-q", "main")
    git(work, "merge", "-q", "--no-ff", "-m", "Merge", "side")
    assert git(work, "push", "-q", "origin", "main").returncode == 0
    commits = stage.hooks("push")[-1].payload["commits"]
    assert [(commit["added"], commit["modified"], commit["removed"]) for commit in commits] == [
        (["a b.txt", "c.txt"], [], []),
        ([], ["c.txt"], ["a b.txt"]),
        ([], [], []),
        (["c.txt"], [], []),
    ]
