"""Who may call what: JWTs, installation tokens, people, and GitHub's words for no."""

import time
from dataclasses import replace
from typing import Any

import jwt
import pytest
from githubkit.exception import RequestFailed

from infra.hub.records import Token
from tests.contract.hub.stage import HubThread, Stage


def signed(hub: HubThread, **claims: Any) -> str:
    now = int(time.time())
    asked = {"iat": now - 60, "exp": now + 500, "iss": str(hub.info["app_id"]), **claims}
    return jwt.encode(asked, hub.key(), algorithm="RS256")


def test_githubkit_reads_the_app_and_its_installations(hub: HubThread, stage: Stage) -> None:
    with hub.app() as app:
        shown = app.rest.apps.get_authenticated().parsed_data
        assert shown is not None
        assert (shown.id, shown.slug) == (hub.info["app_id"], "orch")
        ids = [installation.id for installation in app.rest.paginate(app.rest.apps.list_installations)]
        assert stage.installation_id in ids
        found = app.rest.apps.get_repo_installation(stage.owner, "widgets").parsed_data
        assert (found.id, found.app_slug) == (stage.installation_id, "orch")


@pytest.mark.parametrize(
    ("claims", "status", "message"),  # times are seconds from now
    [
        ({"exp": 1000}, 401, "'Expiration time' claim ('exp') is too far in the future"),
        (
            {"exp": -1},
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time "
            "at which the assertion expires",
        ),
        (
            {"iat": 300},
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        ),
        ({"iss": "7"}, 404, "Integration not found"),
    ],
)
def test_a_wrong_jwt_is_told_why(hub: HubThread, claims: dict[str, Any], status: int, message: str) -> None:
    given = {name: int(time.time()) + value if isinstance(value, int) else value for name, value in claims.items()}
    reply = hub.request("GET", "/app", signed(hub, **given))
    assert (reply.status, reply.body["message"]) == (status, message)


def test_a_jwt_by_another_key_cannot_be_decoded(hub: HubThread) -> None:
    reply = hub.request("GET", "/app", signed(hub)[:-8] + "AAAAAAAA")
    assert (reply.status, reply.body["message"]) == (401, "A JSON web token could not be decoded")


def test_app_endpoints_refuse_installation_tokens(hub: HubThread, stage: Stage) -> None:
    assert hub.request("GET", "/app", stage.app_token()).status == 401
    assert hub.request("GET", "/app").status == 401


def test_tokens_are_long_and_last_an_hour(hub: HubThread, stage: Stage) -> None:
    path = f"/app/installations/{stage.installation_id}/access_tokens"
    made = hub.request("POST", path, signed(hub))
    assert made.status == 201
    assert made.body["token"].startswith(f"ghs_{hub.info['app_id']}_")
    assert len(made.body["token"]) > 400
    ends = time.strptime(made.body["expires_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert ends.tm_min == time.gmtime(time.time() + 3600).tm_min or ends.tm_sec >= 59


def test_a_token_is_narrowed_to_permissions(stage: Stage) -> None:
    stage.ok("POST", "/issues", json={"title": "One"})
    token = stage.app_token(permissions={"issues": "read"})
    reply = stage.request("POST", "/issues/1/labels", token, json={"labels": ["x"]})
    assert (reply.status, reply.body["message"]) == (403, "Resource not accessible by integration")
    assert stage.request("GET", "/issues/1", token).status == 200


def test_a_token_is_narrowed_to_repositories(hub: HubThread, stage: Stage) -> None:
    other = f"{stage.owner}/other"
    hub.request("POST", "/_hub/repositories", json={"owner": stage.owner, "name": "other", "private": True})
    hub.request("POST", "/_hub/installations", json={"repositories": [other]})
    token = stage.app_token(repositories=["widgets"])
    assert hub.request("GET", f"/repos/{other}", token).status == 404
    with stage.bot() as bot:
        listed = bot.rest.apps.list_repos_accessible_to_installation().parsed_data
        assert [repository.name for repository in listed.repositories] == ["widgets", "other"]
    narrow = hub.request("GET", "/installation/repositories", token).body
    assert (narrow["total_count"], narrow["repositories"][0]["name"]) == (1, "widgets")


@pytest.mark.parametrize(
    "asked",
    [
        {"permissions": {"administration": "write"}},
        {"permissions": {"actions": "write"}},
        {"repositories": ["nowhere"]},
        {"repository_ids": [1]},
        {"repository_ids": []},
    ],
)
def test_asking_for_more_than_granted_is_422(stage: Stage, asked: dict[str, Any]) -> None:
    with pytest.raises(RequestFailed) as refused:
        stage.app_token(**asked)
    assert refused.value.response.status_code == 422


def test_a_revoked_token_is_bad_credentials(hub: HubThread, stage: Stage) -> None:
    token = stage.app_token()
    assert hub.request("DELETE", "/installation/token", token).status == 204
    reply = hub.request("GET", "/installation/repositories", token)
    assert (reply.status, reply.body["message"], reply.body["status"]) == (401, "Bad credentials", "401")


def test_an_expired_token_is_bad_credentials(hub: HubThread, stage: Stage) -> None:
    token = stage.app_token()

    async def age() -> None:
        state = hub.hub.world.state
        found = state.find(Token, token)
        assert found is not None
        with state.transaction():
            state.put(replace(found, expires=time.time() - 1))

    hub.run(age())
    reply = stage.request("GET", "/issues", token)
    assert (reply.status, reply.body["message"]) == (401, "Bad credentials")


def test_a_suspended_installation_can_do_nothing(hub: HubThread, stage: Stage) -> None:
    token = stage.app_token()
    hub.request("PATCH", f"/_hub/installations/{stage.installation_id}", json={"suspended": True})
    assert stage.request("GET", "/issues", token).status == 403
    hub.request("PATCH", f"/_hub/installations/{stage.installation_id}", json={"suspended": False})
    assert stage.request("GET", "/issues", token).status == 200


def test_a_removed_repository_is_out_of_reach_of_old_tokens(hub: HubThread, stage: Stage) -> None:
    token = stage.app_token()
    hub.request("PATCH", f"/_hub/installations/{stage.installation_id}", json={"remove": [stage.name]})
    assert stage.request("POST", "/issues", token, json={"title": "x"}).status == 403


@pytest.mark.parametrize(
    ("role", "permission"),
    [("admin", "admin"), ("maintain", "write"), ("write", "write"), ("triage", "read"), ("read", "read")],
)
def test_permission_maps_roles_as_github_does(stage: Stage, role: str, permission: str) -> None:
    with stage.bot() as bot:
        found = bot.rest.repos.get_collaborator_permission_level(stage.owner, "widgets", stage.login(role)).parsed_data
    assert (found.permission, found.role_name) == (permission, role)
    assert found.user is not None
    assert found.user.login == stage.login(role)


def test_a_stranger_reads_the_public_and_is_nobody_in_private(hub: HubThread, stage: Stage) -> None:
    path = f"/collaborators/{stage.login('none')}/permission"
    assert stage.ok("GET", path)["permission"] == "read"
    private = Stage.build(hub, f"{stage.owner}-private", private=True)
    assert private.ok("GET", f"/collaborators/{private.login('none')}/permission")["permission"] == "none"
    assert private.request("GET", "", "none").status == 404
    assert private.request("GET", "/issues", "").status == 404
    assert private.request("GET", "/issues", "read").status == 200
    assert private.request("GET", "", private.app_token()).status == 200


def test_the_bot_has_a_profile_and_no_user_endpoint(hub: HubThread, stage: Stage) -> None:
    with stage.bot() as bot:
        profile = bot.rest.users.get_by_username("orch[bot]").parsed_data
        assert (profile.login, profile.type) == ("orch[bot]", "Bot")
        assert profile.id != hub.info["app_id"]
    reply = hub.request("GET", "/user", stage.app_token())
    assert (reply.status, reply.body["message"]) == (403, "Resource not accessible by integration")
    with stage.person() as person:
        assert person.rest.users.get_authenticated().parsed_data.login == stage.login("write")
    assert hub.request("GET", "/users/nobody-at-all").status == 404


def test_nobody_may_write_and_a_wrong_token_is_refused_at_once(stage: Stage) -> None:
    reply = stage.request("POST", "/issues", "", json={"title": "x"})
    assert (reply.status, reply.body["message"]) == (401, "Requires authentication")
    assert stage.request("GET", "/issues", "ghp_wrong").status == 401
