"""Planned issues in end-to-end tests: what the scripted planner answers, and what is read of parents and children."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt

from tests.e2e.world import World

RECORD = "<!-- orch:record"
Child = dict[str, Any]


def child(key: str, after: Sequence[str] = (), script: str | None = None, **more: Any) -> Child:
    """Propose a sub-issue whose run makes a file of its own, or runs another script."""
    body = f"Do {key}.\n\n```bash\n{script or f'echo {key} > {key}.txt'}\n```"
    return {
        "key": key,
        "title": f"Part {key}",
        "body": body,
        "acceptance": [f"{key} is there"],
        "depends_on": list(after),
        **more,
    }


def plan_of(*children: Child, summary: str = "Divided by hand.") -> str:
    """Return the block that the scripted planner answers with."""
    return fenced("plan", plan_text(*children, summary=summary))


def plan_text(*children: Child, summary: str = "Divided by hand.") -> str:
    """Return the plan itself."""
    return json.dumps({"summary": summary, "children": children})


def verdict_of(*, met: bool = True) -> str:
    """Return the block that the scripted checker answers with."""
    criterion = {"text": "all is there", "met": met, "why": "it was looked at"}
    return fenced("verdict", json.dumps({"summary": "Looked at the whole.", "criteria": [criterion]}))


def fenced(language: str, text: str) -> str:
    """Return a fenced block; its fence is longer than those within JSON strings."""
    return f"`````{language}\n{text}\n`````\n"


def record_in(living: str) -> dict[str, Any]:
    """Return the record that a living comment holds."""
    _, _, marked = living.partition(RECORD)
    record: dict[str, Any] = json.loads(marked.partition("\n")[2].partition("\n-->")[0])
    return record


async def living_of(world: World, number: int) -> str:
    """Return the living comment of an issue."""
    [living] = [body for body in await world.comments(number) if RECORD in body]
    return living


async def record_of(world: World, number: int) -> dict[str, Any]:
    """Return what the living comment of an issue has in its marker."""
    return record_in(await living_of(world, number))


async def children_of(world: World, parent: int) -> dict[str, dict[str, Any]]:
    """Return the native sub-issues by their keys, as `child` titles them."""
    found = await world.read(f"/issues/{parent}/sub_issues?per_page=100")
    by_key = {issue["title"].removeprefix("Part "): issue for issue in found}
    assert len(by_key) == len(found), [issue["title"] for issue in found]
    return by_key


async def until_children(world: World, parent: int, count: int) -> dict[str, int]:
    """Wait until there are as many sub-issues, and return their numbers by their keys."""

    async def probe() -> bool:
        return len(await children_of(world, parent)) >= count

    await world.until(f"{count} sub-issues of #{parent}", probe)
    return {key: issue["number"] for key, issue in (await children_of(world, parent)).items()}


async def blockers_of(world: World, number: int) -> set[int]:
    """Return the numbers of the issues that block one, as GitHub has them."""
    return {issue["number"] for issue in await world.read(f"/issues/{number}/dependencies/blocked_by")}


async def block(world: World, number: int, blocker: int) -> None:
    """Let an issue block another one, as people do."""
    found = await world.read(f"/issues/{blocker}")
    path = f"/repos/{world.repository}/issues/{number}/dependencies/blocked_by"
    await world.call("POST", path, {"issue_id": found["id"]})


async def unblock(world: World, number: int, blocker: int) -> None:
    """Take the link away again."""
    found = await world.read(f"/issues/{blocker}")
    await world.call("DELETE", f"/repos/{world.repository}/issues/{number}/dependencies/blocked_by/{found['id']}")


async def close(world: World, number: int, reason: str = "completed") -> None:
    """Close an issue as a person."""
    change = {"state": "closed", "state_reason": reason}
    await world.call("PATCH", f"/repos/{world.repository}/issues/{number}", change)


async def versions_of(world: World) -> dict[int, list[str]]:
    """Return every version of the living comments by their issues, oldest first, as webhooks told them."""
    token = await asyncio.to_thread(_app_token, world)
    log, following = await _asked(world, "/app/hook/deliveries?per_page=100", token)
    while following:
        more, following = await _asked(world, following, token)
        log += more
    told: dict[str, int] = {one["guid"]: one["id"] for one in reversed(log) if one["event"] == "issue_comment"}
    found: dict[int, list[str]] = {}
    for each in told.values():
        payload = (await _asked(world, f"/app/hook/deliveries/{each}", token))[0]["request"]["payload"]
        if RECORD in payload["comment"]["body"]:
            found.setdefault(payload["issue"]["number"], []).append(payload["comment"]["body"])
    return found


def _app_token(world: World) -> str:
    now = int(world.clock())
    claims = {"iat": now - 30, "exp": now + 300, "iss": str(world.about["app_id"])}
    return jwt.encode(claims, Path(world.about["key_file"]).read_text(), "RS256")


async def _asked(world: World, path: str, token: str) -> tuple[Any, str]:
    """Ask as the App itself; return the answer and what comes after it."""
    headers = {"Authorization": f"Bearer {token}"}
    async with world.session.get(f"{world.about['api_url']}{path}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        following = str(answer.links["next"]["url"]) if "next" in answer.links else ""
        return await answer.json(), following.removeprefix(world.about["api_url"])
