"""The GitHub client against a server that answers what a test tells it to: errors, limits, repeats, tokens."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.domain.errors import Missing, Permanent, Retryable
from app.domain.facts import Actor, Delivery, Identity, Standing
from app.domain.grants import RunToken
from app.domain.labels import Label
from app.domain.names import Repository
from app.github.answers import GHOST
from app.github.api import GitHubApi, open_github
from app.github.faults import Rejected
from app.github.pacing import Ledger, Pacing

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
WIDGETS = Repository(id=7, installation_id=1, owner="acme", name="widgets")
GADGETS = Repository(id=8, installation_id=2, owner="acme", name="gadgets")
MINT = "POST /app/installations/1/access_tokens"
ISSUE = "GET /repos/acme/widgets/issues/5"
COMMENT = "POST /repos/acme/widgets/issues/5/comments"
EDIT = "PATCH /repos/acme/widgets/issues/comments/9"
AN_ISSUE = {
    "number": 5,
    "node_id": "I_5",
    "title": "Add a lid",
    "body": None,
    "state": "open",
    "labels": [],
    "comments": 0,
    "updated_at": "2026-01-01T11:00:00Z",
}


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem() -> str:
    return private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class HandClock:
    """A clock that stands still, except for those who sleep."""

    def __init__(self) -> None:
        self.time = START
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None

    async def __call__(self, request: web.Request) -> web.Response:
        if self.text is not None:
            return web.Response(status=self.status, text=self.text, headers=self.headers, content_type="text/html")
        return web.json_response(self.body, status=self.status, headers=self.headers)


Answering = Callable[[web.Request], Awaitable[web.Response]]


class Script:
    """Answers by "METHOD /path"; a list is used up to its last entry, which stays."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.replies: dict[str, list[Answering]] = {}
        self.asked: list[str] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.minted = 0
        self.url = ""

    def on(self, what: str, *replies: Answering) -> None:
        self.replies[what] = list(replies)

    def count(self, what: str) -> int:
        return self.asked.count(what)

    def headers(self, what: str) -> list[dict[str, str]]:
        return [headers for name, headers, _ in self.requests if name == what]

    def bodies(self, what: str) -> list[Any]:
        return [json.loads(body) for name, _, body in self.requests if name == what]

    async def answer(self, request: web.Request) -> web.Response:
        what = f"{request.method} {request.rel_url.raw_path}"
        self.asked.append(what)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((what, headers, await request.read()))
        replies = self.replies.get(what)
        if replies:
            return await (replies.pop(0) if len(replies) > 1 else replies[0])(request)
        if request.path.endswith("/access_tokens"):
            return await self.mint(request)
        return web.json_response({"message": f"Nothing is planned for {what}"}, status=501)

    async def mint(self, request: web.Request) -> web.Response:
        self.minted += 1
        expires = (self.clock.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.json_response({"token": f"ghs_{self.minted}", "expires_at": expires}, status=201)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@asynccontextmanager
async def served(clock: HandClock) -> AsyncIterator[Script]:
    """Serve a script on this machine."""
    script = Script(clock)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        script.url = str(server.make_url("")).rstrip("/")
        yield script


@pytest.fixture
async def script(clock: HandClock) -> AsyncIterator[Script]:
    async with served(clock) as script:
        yield script


@asynccontextmanager
async def connected(script: Script, **options: Any) -> AsyncIterator[GitHubApi]:
    async with open_github(script.url, 42, pem(), script.clock, **options) as github:
        yield github


@pytest.fixture
async def github(script: Script) -> AsyncIterator[GitHubApi]:
    async with connected(script) as github:
        yield github


def limited(status: int, headers: dict[str, str] | None = None, message: str = "Forbidden") -> Reply:
    return Reply(status, {"message": message}, headers or {})


async def drop(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


# What is sent


async def test_a_request_names_its_version_its_sender_and_its_token(script: Script, github: GitHubApi) -> None:
    script.on(ISSUE, Reply(200, AN_ISSUE))
    issue = await github.issue(WIDGETS, 5)
    sent = script.headers(ISSUE)[0]
    assert (issue.title, issue.body) == ("Add a lid", "")
    assert sent["authorization"] == "Bearer ghs_1"
    assert sent["x-github-api-version"] == "2022-11-28"
    assert sent["user-agent"] == "orch"


async def test_an_app_signs_with_a_jwt_that_is_backdated_and_short(script: Script, github: GitHubApi) -> None:
    await github.mint(WIDGETS, {"contents": "read"})
    token = script.headers(MINT)[0]["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(
        token, private_key().public_key(), ["RS256"], options={"verify_exp": False, "verify_iat": False}
    )
    now = int(START.timestamp())
    assert claims == {"iss": "42", "iat": now - 60, "exp": now + 540}


async def test_the_jwt_is_kept_until_a_minute_before_its_end(
    script: Script, clock: HandClock, github: GitHubApi
) -> None:
    for _ in range(2):
        await github.mint(WIDGETS, {"contents": "read"})
        clock.time += timedelta(minutes=8)
    await github.mint(WIDGETS, {"contents": "read"})
    first, second, third = (sent["authorization"] for sent in script.headers(MINT))
    assert first != second != third
    clock.time -= timedelta(minutes=1)
    await github.mint(WIDGETS, {"contents": "read"})
    assert script.headers(MINT)[3]["authorization"] == third


async def test_names_are_quoted_in_paths(script: Script, github: GitHubApi) -> None:
    label, branch = "kind: a/b #1?", "orch/12-caf\u00e9#1"
    removed = "DELETE /repos/acme/widgets/issues/5/labels/kind:%20a%2Fb%20%231%3F"
    looked = "GET /repos/acme/widgets/git/ref/heads/orch/12-caf%C3%A9%231"
    script.on(removed, Reply(200, []))
    script.on(looked, Reply(200, {"object": {"sha": "abc"}}))
    await github.remove_label(WIDGETS, 5, label)
    assert await github.branch_head(WIDGETS, branch) == "abc"


async def test_a_moved_repository_gets_the_same_request_again(script: Script, github: GitHubApi) -> None:
    moved = "POST /repositories/7/issues/5/comments"
    script.on(COMMENT, Reply(307, {"message": "Moved"}, {"location": "/repositories/7/issues/5/comments"}))
    script.on(moved, Reply(201, {"id": 11}))
    assert await github.create_comment(WIDGETS, 5, "hello") == 11
    assert script.bodies(moved) == [{"body": "hello"}]


async def test_no_credential_goes_to_another_host(script: Script, github: GitHubApi) -> None:
    script.on(ISSUE, Reply(301, {}, {"location": "http://127.0.0.2:9/steal"}))
    with pytest.raises(Permanent, match="no credential is sent there"):
        await github.issue(WIDGETS, 5)


async def test_a_request_that_moves_in_circles_is_permanent(script: Script, github: GitHubApi) -> None:
    script.on(ISSUE, Reply(301, {}, {"location": "/repos/acme/widgets/issues/5"}))
    with pytest.raises(Permanent, match="moved more than 3 times"):
        await github.issue(WIDGETS, 5)
    assert script.count(ISSUE) == 4


async def test_an_issue_that_was_transferred_is_missing(script: Script, github: GitHubApi) -> None:
    script.on(ISSUE, Reply(301, {}, {"location": "/repositories/9/issues/77"}))
    script.on("GET /repositories/9/issues/77", Reply(200, AN_ISSUE | {"number": 77}))
    with pytest.raises(Missing, match="moved to another repository"):
        await github.issue(WIDGETS, 5)


# What comes back


@pytest.mark.parametrize("status", [404, 410])
async def test_what_is_gone_is_missing(script: Script, github: GitHubApi, status: int) -> None:
    script.on(ISSUE, Reply(status, {"message": "Gone"}))
    with pytest.raises(Missing, match=rf"GET /repos/acme/widgets/issues/5: {status} Gone"):
        await github.issue(WIDGETS, 5)
    assert script.count(ISSUE) == 1


async def test_a_refusal_is_permanent_and_says_what_and_why(script: Script, github: GitHubApi) -> None:
    errors = [{"resource": "Label", "code": "invalid", "field": "name"}, {"code": "custom", "message": "too long"}]
    script.on(COMMENT, Reply(422, {"message": "Validation Failed", "errors": errors}))
    with pytest.raises(Permanent) as raised:
        await github.create_comment(WIDGETS, 5, "x")
    assert str(raised.value) == f"{COMMENT}: 422 Validation Failed; name invalid; too long"


async def test_a_missing_permission_is_named(script: Script, github: GitHubApi) -> None:
    message = "Resource not accessible by integration"
    script.on(COMMENT, Reply(403, {"message": message}, {"x-accepted-github-permissions": "issues=write"}))
    with pytest.raises(Permanent, match="403 Resource not accessible by integration; grant the App issues=write"):
        await github.create_comment(WIDGETS, 5, "x")


@pytest.mark.parametrize("reply", [Reply(422, {}), Reply(409, text="<p>no</p>"), Reply(451, ["?"]), Reply(499, None)])
async def test_a_refusal_in_no_known_shape_is_permanent(script: Script, github: GitHubApi, reply: Reply) -> None:
    script.on(ISSUE, reply)
    with pytest.raises(Rejected) as raised:
        await github.issue(WIDGETS, 5)
    assert raised.value.status == reply.status


async def test_an_answer_cut_short_is_retryable(script: Script, github: GitHubApi) -> None:
    async def cut(request: web.Request) -> web.Response:
        return web.Response(text='{"token": "ghs_secr', status=201, content_type="application/json")

    script.on(MINT, cut)
    with pytest.raises(Retryable) as raised:
        await github.mint(WIDGETS, {"contents": "read"})
    assert "ghs_secr" not in "".join(traceback.format_exception(raised.value))


# Repeats


@pytest.mark.parametrize("status", [500, 502, 503, 520])
async def test_a_get_is_repeated_twice_and_then_retryable(script: Script, github: GitHubApi, status: int) -> None:
    script.on(ISSUE, Reply(status, text="<h1>Unicorn</h1>"))
    with pytest.raises(Retryable, match=str(status)) as raised:
        await github.issue(WIDGETS, 5)
    assert raised.value.delay is None
    assert script.count(ISSUE) == 3


async def test_a_get_recovers_with_growing_pauses(script: Script, clock: HandClock, github: GitHubApi) -> None:
    script.on(ISSUE, Reply(502), Reply(502), Reply(200, AN_ISSUE))
    assert (await github.issue(WIDGETS, 5)).number == 5
    first, second = clock.slept
    assert 0.25 <= first <= 0.75
    assert 0.5 <= second <= 1.5


@pytest.mark.parametrize("what", ["PATCH", "PUT", "DELETE"])
async def test_other_idempotent_requests_are_repeated(script: Script, github: GitHubApi, what: str) -> None:
    paths = {"PATCH": "issues/comments/9", "PUT": "issues/comments/9/pin", "DELETE": "issues/9/labels/orch"}
    request = f"{what} /repos/acme/widgets/{paths[what]}"
    script.on(request, Reply(500), Reply(500), Reply(200, {}))
    calls = {
        "PATCH": lambda: github.edit_comment(WIDGETS, 9, "x"),
        "PUT": lambda: github.pin_comment(WIDGETS, 9),
        "DELETE": lambda: github.remove_label(WIDGETS, 9, "orch"),
    }
    await calls[what]()
    assert script.count(request) == 3


@pytest.mark.parametrize("reply", [Reply(500), Reply(502, text="bad gateway"), drop])
async def test_a_post_is_never_repeated(script: Script, github: GitHubApi, reply: Answering) -> None:
    script.on(COMMENT, reply)
    with pytest.raises(Retryable):
        await github.create_comment(WIDGETS, 5, "x")
    assert script.count(COMMENT) == 1


async def test_a_lost_connection_is_survived_by_a_get(script: Script, github: GitHubApi) -> None:
    script.on(ISSUE, drop, drop, Reply(200, AN_ISSUE))
    assert (await github.issue(WIDGETS, 5)).number == 5


async def test_a_server_that_is_not_there_is_retryable(clock: HandClock, unused_tcp_port: int) -> None:
    async with open_github(f"http://127.0.0.1:{unused_tcp_port}", 42, pem(), clock) as github:
        with pytest.raises(Retryable, match="ClientConnectorError"):
            await github.issue(WIDGETS, 5)


async def test_silence_ends_with_the_time_limit(script: Script) -> None:
    released = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    script.on(MINT, hang)
    async with connected(script, timeout=0.3) as github:
        with pytest.raises(Retryable, match="Timeout"):
            await github.mint(WIDGETS, {"contents": "read"})
    released.set()
    assert script.count(MINT) <= 1


async def test_a_5xx_with_retry_after_is_obeyed_instead_of_repeated(script: Script, github: GitHubApi) -> None:
    script.on(ISSUE, Reply(503, {}, {"retry-after": "17"}))
    with pytest.raises(Retryable) as raised:
        await github.issue(WIDGETS, 5)
    assert (raised.value.delay, script.count(ISSUE)) == (17, 1)


# Limits


PRIMARY = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(START.timestamp()) + 90)}


@pytest.mark.parametrize(
    ("reply", "delay"),
    [
        (limited(403, {"retry-after": "30"}), 30),
        (limited(429, {"retry-after": "31", **PRIMARY}), 31),
        (limited(403, PRIMARY), 90),
        (limited(429, PRIMARY), 90),
        (limited(429), 60),
        (limited(403, message="You have exceeded a secondary rate limit. Please wait."), 60),
        (limited(422, message="Validation Failed: was submitted too quickly"), 60),
        (limited(403, {**PRIMARY, "x-ratelimit-reset": "0"}), 1),
    ],
)
async def test_a_limit_says_how_long_to_wait(script: Script, github: GitHubApi, reply: Reply, delay: float) -> None:
    script.on(ISSUE, reply)
    with pytest.raises(Retryable) as raised:
        await github.issue(WIDGETS, 5)
    assert (raised.value.delay, script.count(ISSUE)) == (delay, 1)


async def test_after_a_limit_the_installation_is_silent(script: Script, clock: HandClock, github: GitHubApi) -> None:
    script.on(ISSUE, limited(429, {"retry-after": "30"}), Reply(200, AN_ISSUE))
    script.on(COMMENT, Reply(201, {"id": 1}))
    with pytest.raises(Retryable):
        await github.issue(WIDGETS, 5)
    clock.time += timedelta(seconds=12)
    for refused in (github.issue(WIDGETS, 5), github.create_comment(WIDGETS, 5, "x")):
        with pytest.raises(Retryable) as raised:
            await refused
        assert raised.value.delay == 18
    assert (script.count(ISSUE), script.count(COMMENT)) == (1, 0)
    clock.time += timedelta(seconds=18)
    assert (await github.issue(WIDGETS, 5)).number == 5


async def test_a_limit_of_one_installation_does_not_touch_another(script: Script, github: GitHubApi) -> None:
    script.on(ISSUE, limited(429))
    script.on("GET /repos/acme/gadgets/issues/5", Reply(200, AN_ISSUE))
    with pytest.raises(Retryable):
        await github.issue(WIDGETS, 5)
    assert (await github.issue(GADGETS, 5)).number == 5


async def test_a_limit_stops_the_writes_that_wait_their_turn(script: Script, github: GitHubApi) -> None:
    script.on(COMMENT, limited(429, {"retry-after": "30"}))
    ends = await asyncio.gather(*(github.create_comment(WIDGETS, 5, "x") for _ in range(4)), return_exceptions=True)
    assert [getattr(end, "delay", None) for end in ends] == [30, 30, 30, 30]
    assert script.count(COMMENT) == 1


async def test_eighty_things_may_be_created_in_a_minute(script: Script, clock: HandClock, github: GitHubApi) -> None:
    script.on(COMMENT, Reply(201, {"id": 1}))
    script.on(EDIT, Reply(200, {}))
    for _ in range(80):
        await github.create_comment(WIDGETS, 5, "x")
    clock.time += timedelta(seconds=15)
    with pytest.raises(Retryable, match="as much as GitHub allows") as raised:
        await github.create_comment(WIDGETS, 5, "x")
    assert (raised.value.delay, script.count(COMMENT)) == (45, 80)
    await github.edit_comment(WIDGETS, 9, "an edit creates nothing")
    clock.time += timedelta(seconds=45)
    assert await github.create_comment(WIDGETS, 5, "x") == 1


async def test_writes_of_an_installation_follow_one_another(script: Script, github: GitHubApi) -> None:
    open_now, most = 0, 0

    async def watch(request: web.Request) -> web.Response:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0)
        open_now -= 1
        return web.json_response({})

    script.on(EDIT, watch)
    await asyncio.gather(*(github.edit_comment(WIDGETS, 9, "x") for _ in range(5)))
    assert (most, script.count(EDIT)) == (1, 5)


async def test_reads_do_not_wait_for_one_another(script: Script, github: GitHubApi) -> None:
    together = asyncio.Barrier(3)

    async def meet(request: web.Request) -> web.Response:
        await together.wait()
        return web.json_response(AN_ISSUE)

    script.on(ISSUE, meet)
    await asyncio.gather(*(github.issue(WIDGETS, 5) for _ in range(3)))


async def test_writes_keep_the_gap_that_was_set(script: Script, clock: HandClock) -> None:
    script.on(EDIT, Reply(200, {}))
    async with connected(script, write_gap=1.0) as github:
        for _ in range(3):
            await github.edit_comment(WIDGETS, 9, "x")
    assert clock.slept == [1.0, 1.0]


async def test_five_hundred_things_may_be_created_in_an_hour() -> None:
    ledger = Ledger()
    for minute in range(50):
        for second in range(10):
            ledger = ledger.create(START + timedelta(minutes=minute, seconds=second))
    later = START + timedelta(minutes=55)
    assert ledger.full(later, per_minute=80, per_hour=500) == 300
    assert ledger.full(later, per_minute=80, per_hour=501) == 0
    assert ledger.full(START + timedelta(minutes=60), per_minute=80, per_hour=500) == 0
    assert len(ledger.create(START + timedelta(minutes=70)).created) == 400


async def test_a_shorter_silence_does_not_end_a_longer_one(clock: HandClock) -> None:
    pacing = Pacing(clock)
    await pacing.silence("installation:1", 60)
    await pacing.silence("installation:1", 5)
    with pytest.raises(Retryable) as raised:
        await pacing.check("installation:1")
    assert raised.value.delay == 60


# Reading lists and reading again


async def test_pages_are_followed_to_the_last(script: Script, github: GitHubApi) -> None:
    what = "GET /repos/acme/widgets/issues/5/comments"
    following = f'<{script.url}/repos/acme/widgets/issues/5/comments?per_page=100&page=2>; rel="next", <x>; rel="last"'
    times = {"created_at": "2026-01-01T11:00:00Z", "updated_at": "2026-01-01T12:00:00Z"}
    writer = {"id": 1, "login": "writer", "type": "User"}
    first = [{"id": number, "user": writer, "body": "x", **times} for number in range(100)]
    last = [{"id": 100, "user": None, "body": None, **times}]
    script.on(what, Reply(200, first, {"link": following}), Reply(200, last))
    comments = await github.comments(WIDGETS, 5)
    assert [comment.id for comment in comments] == list(range(101))
    assert (comments[99].author, comments[100].author) == (Actor(id=1, login="writer", is_bot=False), GHOST)
    assert (comments[100].body, comments[100].edited_at) == ("", datetime(2026, 1, 1, 12, tzinfo=UTC))


async def test_pages_that_never_end_are_given_up(script: Script, github: GitHubApi) -> None:
    labels = "GET /repos/acme/widgets/labels"
    again = f'<{script.url}/repos/acme/widgets/labels?per_page=100>; rel="next"'
    script.on(labels, Reply(200, [], {"link": again}))
    with pytest.raises(Permanent, match="more than 1000 pages"):
        await github.create_missing_labels(WIDGETS, [])
    assert script.count(labels) == 1000


async def test_a_get_that_did_not_change_is_answered_from_memory(script: Script, github: GitHubApi) -> None:
    async def unchanged(request: web.Request) -> web.Response:
        return web.Response(status=304)

    script.on(ISSUE, Reply(200, AN_ISSUE, {"etag": 'W/"1"'}), unchanged)
    first = await github.issue(WIDGETS, 5)
    assert await github.issue(WIDGETS, 5) == first
    assert [sent.get("if-none-match") for sent in script.headers(ISSUE)] == [None, 'W/"1"']


async def test_deliveries_with_any_success_are_left_out(script: Script, github: GitHubApi) -> None:
    def attempt(number: int, guid: str, status: int) -> dict[str, Any]:
        made = {"id": number, "guid": guid, "event": "issues", "status_code": status}
        return {**made, "delivered_at": "2026-01-01T11:00:00.123Z"}

    what = "GET /app/hook/deliveries"
    following = f'<{script.url}/app/hook/deliveries?per_page=100&cursor=v1_2>; rel="next"'
    script.on(
        what,
        Reply(200, [attempt(9, "a", 502), attempt(8, "b", 200), attempt(7, "c", 0)], {"link": following}),
        Reply(200, [attempt(6, "a", 500), attempt(5, "b", 502), attempt(4, "d", 302)]),
    )
    at, kept = datetime(2026, 1, 1, 11, 0, 0, 123000, tzinfo=UTC), ((9, "a"), (7, "c"))
    expected = [Delivery(id=number, guid=guid, delivered_at=at, event="issues") for number, guid in kept]
    assert await github.failed_deliveries() == expected


async def test_an_empty_repository_has_no_branches(script: Script, github: GitHubApi) -> None:
    script.on("GET /repos/acme/widgets/git/ref/heads/main", Reply(409, {"message": "Git Repository is empty."}))
    assert await github.branch_head(WIDGETS, "main") is None


async def test_i7_a_login_without_an_account_may_do_nothing(script: Script, github: GitHubApi) -> None:
    asked = "GET /repos/acme/widgets/collaborators/nobody/permission"
    script.on(asked, Reply(404, {"message": "nobody is not a user"}))
    assert await github.standing(WIDGETS, "nobody") == Standing()


async def test_an_app_that_is_installed_nowhere_still_knows_itself(script: Script, github: GitHubApi) -> None:
    bot = "GET /users/orch%5Bbot%5D"
    script.on("GET /app", Reply(200, {"id": 42, "slug": "orch"}))
    script.on("GET /app/installations", Reply(200, []))
    script.on(bot, Reply(200, {"id": 43, "login": "orch[bot]"}))
    assert await github.identity() == Identity(app_id=42, slug="orch", bot_id=43, bot_login="orch[bot]")
    assert "authorization" not in script.headers(bot)[0]


# Idempotent changes


PULLS = "/repos/acme/widgets/pulls"
EXISTS = {"resource": "PullRequest", "code": "custom", "message": "A pull request already exists for acme:orch/5."}


async def test_a_pull_request_that_exists_is_returned(script: Script, github: GitHubApi) -> None:
    def shown(number: int, repository: int) -> dict[str, Any]:
        head = {"ref": "orch/5", "sha": "abc", "repo": {"id": repository}}
        return {"number": number, "state": "open", "merged_at": None, "head": head, "base": {"ref": "main"}}

    script.on(f"POST {PULLS}", Reply(422, {"message": "Validation Failed", "errors": [EXISTS]}))
    script.on(f"GET {PULLS}", Reply(200, [shown(3, repository=99), shown(1, repository=7)]))
    assert (await github.create_pull(WIDGETS, "orch/5", "main", "Add a lid", "Closes #5")).number == 1


async def test_a_pull_request_that_exists_unlisted_is_retryable(script: Script, github: GitHubApi) -> None:
    script.on(f"POST {PULLS}", Reply(422, {"message": "Validation Failed", "errors": [EXISTS]}))
    script.on(f"GET {PULLS}", Reply(200, []))
    with pytest.raises(Retryable, match="not listed yet"):
        await github.create_pull(WIDGETS, "orch/5", "main", "Add a lid", "Closes #5")


async def test_only_absent_labels_are_created_and_a_lost_race_is_no_error(script: Script, github: GitHubApi) -> None:
    labels = "/repos/acme/widgets/labels"
    taken = [{"resource": "Label", "code": "already_exists", "field": "name"}]
    script.on(f"GET {labels}", Reply(200, [{"name": "Orch", "node_id": "LA_1"}]))
    script.on(f"POST {labels}", Reply(422, {"message": "Validation Failed", "errors": taken}))
    wanted = [Label(name=name, color="ededed", description="") for name in ("orch", "plan")]
    await github.create_missing_labels(WIDGETS, wanted)
    assert script.bodies(f"POST {labels}") == [{"name": "plan", "color": "ededed", "description": ""}]


# Tokens


BAD = Reply(401, {"message": "Bad credentials"})


async def test_concurrent_callers_mint_one_token(script: Script, github: GitHubApi) -> None:
    script.on(ISSUE, Reply(200, AN_ISSUE))
    await asyncio.gather(*(github.issue(WIDGETS, 5) for _ in range(10)))
    assert (script.minted, script.count(ISSUE)) == (1, 10)


async def test_a_caller_who_is_cancelled_does_not_take_the_token_from_the_others(
    script: Script, github: GitHubApi
) -> None:
    asked, released = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        asked.set()
        await released.wait()
        return await script.mint(request)

    script.on(MINT, slow)
    script.on(ISSUE, Reply(200, AN_ISSUE))
    first, second = (asyncio.create_task(github.issue(WIDGETS, 5)) for _ in range(2))
    await asked.wait()
    first.cancel()
    released.set()
    assert (await second).number == 5
    assert (first.cancelled(), script.minted) == (True, 1)


async def test_closing_ends_a_mint_that_nobody_waits_for(script: Script) -> None:
    asked, released = asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        asked.set()
        await released.wait()
        return web.Response()

    script.on(MINT, hang)
    before = asyncio.all_tasks()
    async with connected(script) as github:
        waiting = asyncio.create_task(github.issue(WIDGETS, 5))
        await asked.wait()
        waiting.cancel()
        await asyncio.wait([waiting])
    left = [task.get_name() for task in asyncio.all_tasks() - before]
    released.set()
    assert "mint 1" not in left


async def test_a_failed_mint_fails_all_who_wait_and_is_tried_again_later(script: Script, github: GitHubApi) -> None:
    script.on(MINT, Reply(500), script.mint)
    script.on(ISSUE, Reply(200, AN_ISSUE))
    ends = await asyncio.gather(*(github.issue(WIDGETS, 5) for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends] == [Retryable] * 3
    assert script.count(MINT) == 1
    assert (await github.issue(WIDGETS, 5)).number == 5


async def test_a_token_is_kept_until_five_minutes_before_its_end(
    script: Script, clock: HandClock, github: GitHubApi
) -> None:
    script.on(ISSUE, Reply(200, AN_ISSUE))
    for minutes in (0, 54, 2):
        clock.time += timedelta(minutes=minutes)
        await github.issue(WIDGETS, 5)
    assert [sent["authorization"] for sent in script.headers(ISSUE)] == ["Bearer ghs_1"] * 2 + ["Bearer ghs_2"]


async def test_a_refused_token_is_replaced_and_the_request_sent_once_more(script: Script, github: GitHubApi) -> None:
    script.on(COMMENT, BAD, Reply(201, {"id": 3}))
    assert await github.create_comment(WIDGETS, 5, "x") == 3
    assert [sent["authorization"] for sent in script.headers(COMMENT)] == ["Bearer ghs_1", "Bearer ghs_2"]


async def test_a_token_refused_twice_is_permanent(script: Script, github: GitHubApi) -> None:
    script.on(ISSUE, BAD)
    with pytest.raises(Permanent, match="401 Bad credentials"):
        await github.issue(WIDGETS, 5)
    assert (script.count(ISSUE), script.minted) == (2, 2)


async def test_callers_refused_together_mint_one_new_token(script: Script, github: GitHubApi) -> None:
    async def judge(request: web.Request) -> web.Response:
        return await (Reply(200, AN_ISSUE) if request.headers["authorization"] == "Bearer ghs_2" else BAD)(request)

    script.on(ISSUE, judge)
    await asyncio.gather(*(github.issue(WIDGETS, 5) for _ in range(5)))
    assert script.minted == 2


async def test_a_late_refusal_of_an_old_token_leaves_the_new_one(script: Script, github: GitHubApi) -> None:
    asked, released = asyncio.Event(), asyncio.Event()

    async def late(request: web.Request) -> web.Response:
        asked.set()
        await released.wait()
        return await BAD(request)

    script.on(COMMENT, late, Reply(201, {"id": 3}))
    script.on(ISSUE, BAD, Reply(200, AN_ISSUE))
    waiting = asyncio.create_task(github.create_comment(WIDGETS, 5, "x"))
    await asked.wait()
    await github.issue(WIDGETS, 5)
    released.set()
    assert await waiting == 3
    assert script.minted == 2


async def test_a_run_token_is_narrow_and_always_new(script: Script, github: GitHubApi) -> None:
    tokens = [await github.mint(WIDGETS, {"contents": "write"}) for _ in range(2)]
    assert [token.value for token in tokens] == ["ghs_1", "ghs_2"]
    assert tokens[0].expires_at == START + timedelta(hours=1)
    assert script.bodies(MINT) == [{"permissions": {"contents": "write"}, "repository_ids": [7]}] * 2


async def test_revoking_a_token_that_ended_is_no_error(script: Script, github: GitHubApi) -> None:
    revoke = "DELETE /installation/token"
    script.on(revoke, Reply(502), BAD)
    await github.revoke(RunToken(value="ghs_run", expires_at=START))
    assert [sent["authorization"] for sent in script.headers(revoke)] == ["Bearer ghs_run"] * 2


async def test_no_secret_is_in_an_error(script: Script, github: GitHubApi) -> None:
    for reply in (Reply(500), Reply(403, {"message": "no"}), Reply(404), BAD, drop, limited(429)):
        script.on(COMMENT, reply)
        with pytest.raises((Retryable, Permanent)) as raised:
            await github.create_comment(WIDGETS, 5, "x")
        assert "ghs_" not in "".join(traceback.format_exception(raised.value))


def elliptic_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem() -> str:
    return private_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def cut_pem() -> str:
    return pem()[:400]


@pytest.mark.parametrize("make", [elliptic_pem, public_pem, cut_pem, str])
async def test_a_key_that_is_none_is_refused_without_being_shown(clock: HandClock, make: Callable[[], str]) -> None:
    key = make()
    with pytest.raises(Permanent, match="private key") as raised:
        async with open_github("http://127.0.0.1:9", 42, key, clock):
            pass
    shown = "".join(traceback.format_exception(raised.value))
    assert not any(line in shown for line in key.splitlines())


async def test_a_file_that_github_does_not_show_whole_is_not_taken_for_none(script: Script, github: GitHubApi) -> None:
    large = {"type": "file", "encoding": "none", "content": "", "size": 2_000_000}
    script.on("GET /repos/acme/widgets/contents/.orch.yml", Reply(body=large))
    with pytest.raises(Permanent, match="larger than 1 MB"):
        await github.file(WIDGETS, ".orch.yml")
