"""Deliveries as large and as varied as GitHub's: `issues.labeled`, about 20 KB, signed."""

import hmac
import json
import random
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

SECRET = b"bench-webhook-secret"
ISSUES = 256
SIZE = 20_000
BODY_SIZE = 3_000
HOST = "https://api.hub.example"
USER_LINKS = (
    "followers", "following{/other_user}", "gists{/gist_id}", "starred{/owner}{/repo}", "subscriptions", "orgs",
    "repos", "events{/privacy}", "received_events",
)  # fmt: skip
REPOSITORY_LINKS = (
    "forks", "keys{/key_id}", "collaborators{/collaborator}", "teams", "hooks", "issues/events{/number}", "events",
    "assignees{/user}", "branches{/branch}", "tags", "git/blobs{/sha}", "git/tags{/sha}", "git/refs{/sha}",
    "git/trees{/sha}", "statuses/{sha}", "languages", "stargazers", "contributors", "subscribers", "subscription",
    "commits{/sha}", "git/commits{/sha}", "comments{/number}", "issues/comments{/number}", "contents/{+path}",
    "compare/{base}...{head}", "merges", "{archive_format}{/ref}", "downloads", "issues{/number}", "pulls{/number}",
    "milestones{/number}", "notifications{?since,all,participating}", "labels{/name}", "releases{/id}", "deployments",
)  # fmt: skip
TEXT = (
    "the parser fails when a line ends without newline after update to version worker queue retry branch config test "
    "error trace file path should instead return empty list of items users expect see also steps reproduce actual"
)


@dataclass(frozen=True, slots=True)
class Payload:
    """A body and the value of `X-Hub-Signature-256` for it."""

    body: bytes
    signature: str


def deliveries() -> list[Payload]:
    """Make one payload for each of many issues, the same ones each time."""
    chance = random.Random(20)
    return [_signed(json.dumps(_labeled(number, chance), separators=(",", ":"))) for number in range(1, ISSUES + 1)]


def _signed(text: str) -> Payload:
    body = text.encode()
    return Payload(body, "sha256=" + hmac.new(SECRET, body, sha256).hexdigest())


def _labeled(number: int, chance: random.Random) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "action": "labeled",
        "issue": _issue(number, chance),
        "label": _label("orch"),
        "repository": _repository(),
        "organization": _user("acme", 11),
        "sender": _user("writer", 12),
        "installation": {"id": 42, "node_id": "MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9uNDI="},
    }
    payload["issue"]["body"] = _text(BODY_SIZE, chance)
    while len(json.dumps(payload, separators=(",", ":"))) < SIZE:
        payload["issue"]["assignees"].append(_user(f"person-{chance.getrandbits(32):08x}", chance.getrandbits(27)))
    return payload


def _text(size: int, chance: random.Random) -> str:
    words: list[str] = []
    while len(text := " ".join(words)) < size:
        words += chance.choices(TEXT.split(), k=max(1, (size - len(text)) // 8))
    return text[:size]


def _issue(number: int, chance: random.Random) -> dict[str, Any]:
    url = f"{HOST}/repos/acme/widgets/issues/{number}"
    return {
        "url": url,
        **{f"{name}_url": f"{url}/{name}" for name in ("labels", "comments", "events", "timeline")},
        "id": 3_000_000_000 + number,
        "node_id": f"I_{chance.getrandbits(80):020x}",
        "number": number,
        "title": _text(60, chance),
        "user": _user("writer", 12),
        "labels": [_label(name) for name in ("bug", "orch", "priority:high")],
        "state": "open",
        "locked": False,
        "assignees": [_user("maintainer", 13)],
        "comments": 3,
        "created_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-02T04:05:06Z",
        "author_association": "MEMBER",
        "reactions": dict.fromkeys(("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"), 0),
    }


def _label(name: str) -> dict[str, Any]:
    url = f"{HOST}/repos/acme/widgets/labels/{name}"
    return {"id": len(name), "url": url, "name": name, "color": "0e8a16", "default": False, "description": None}


def _user(login: str, number: int) -> dict[str, Any]:
    url = f"{HOST}/users/{login}"
    links = {f"{link.split('{')[0]}_url": f"{url}/{link}" for link in USER_LINKS}
    return {"login": login, "id": number, "node_id": "MDQ6VXNlcjEy", "url": url, **links, "type": "User"}


def _repository() -> dict[str, Any]:
    url = f"{HOST}/repos/acme/widgets"
    links = {f"{link.split('{')[0].replace('/', '_')}_url": f"{url}/{link}" for link in REPOSITORY_LINKS}
    return {"id": 77, "name": "widgets", "full_name": "acme/widgets", "owner": _user("acme", 11), "url": url, **links}
