"""What there is to see of a repository on the hub, so that a test can say that nothing else changed."""

from typing import Any

from tests.e2e.world import World

Picture = dict[str, Any]
BOT = "orch[bot]"
MARKER = "<!-- orch:record"


async def take(world: World) -> Picture:
    """Take a picture: issues, labels, comments, pull requests with their reviews, and where each ref is."""
    found = await world.read("/issues?state=all&per_page=100")
    picture: Picture = {}
    for issue in found:
        number = issue["number"]
        picture[f"#{number}"] = {name: issue[name] for name in ("state", "state_reason", "title", "body")}
        picture[f"#{number} labels"] = sorted(label["name"] for label in issue["labels"])
        picture |= _comments(number, await world.read(f"/issues/{number}/comments?per_page=100"))
    for pull in await world.pulls():
        picture |= await _pull(world, pull)
    return picture | await _refs(world)


def _comments(number: int, comments: list[Any]) -> Picture:
    return {_name(number, comment): comment["body"].split(MARKER)[0] for comment in comments}


def _name(number: int, comment: Any) -> str:
    """Name a comment: what Orch says is told from its living comment, and from what others say."""
    by = comment["user"]["login"]
    living = by == BOT and MARKER in comment["body"]
    return f"#{number} living" if living else f"#{number} by {by}: {comment['id']}"


async def _pull(world: World, pull: Any) -> Picture:
    number = pull["number"]
    facts = {"state": pull["state"], "draft": pull["draft"], "merged": pull["merged_at"], "head": pull["head"]["sha"]}
    reviews = await world.read(f"/pulls/{number}/reviews")
    threads = await world.read(f"/pulls/{number}/comments")
    return {
        f"#{number} pull": facts,
        **{f"#{number} by {one['user']['login']}: review {one['id']}": one["body"] for one in reviews},
        **{f"#{number} by {one['user']['login']}: thread {one['id']}": one["body"] for one in threads},
    }


async def _refs(world: World) -> Picture:
    found = [ref for prefix in ("heads", "orch") for ref in await world.read(f"/git/matching-refs/{prefix}")]
    return {ref["ref"]: ref["object"]["sha"] for ref in found}


def changes(before: Picture, after: Picture) -> list[str]:
    """List what is different, without what others than Orch said anew: `#1 labels`, `#1 by orch[bot]`."""
    new = [name.rpartition(":")[0] or name for name in after.keys() - before.keys() if _is_orchs(name) and after[name]]
    return sorted([*(name for name, fact in before.items() if after.get(name) != fact), *new])


def _is_orchs(name: str) -> bool:
    return not name[1:].isdigit() and (" by " not in name or f" by {BOT}" in name)


def told(before: Picture, after: Picture) -> str:
    """Return what Orch wrote anew or changed."""
    return "\n".join(str(after[name]) for name in after if before.get(name) != after[name] and _is_orchs(name))
