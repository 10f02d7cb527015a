"""The steps of a task, each with where on the hub it is seen."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.entry.demo_look import Json, Look

Sign = Callable[[Look], str | None]
"""Return what was seen of a step, None while there is nothing to see."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is to be observed."""

    name: str
    sign: Sign


def delivered(look: Look) -> str | None:
    """See the label's webhook in the delivery log, answered as taken."""
    for each in look.deliveries:
        if (each["event"], each["action"], each["status_code"]) == ("issues", "labeled", 202):
            return f"issues.labeled answered 202 after {each['duration'] * 1000:.0f} ms"
    return None


def routed(look: Look) -> str | None:
    """See the agent that was chosen, in the living comment."""
    comment = look.status()
    found = re.search(r"^\| Agent \| (.+?) \|$", comment["body"], re.MULTILINE) if comment else None
    return f"agent {found[1]}" if found else None


def started(look: Look) -> str | None:
    """See that the status was `in_progress`."""
    event = look.labelled("status:in_progress")
    return f"status:in_progress, set by {event['actor']['login']}" if event else None


def worked(look: Look) -> str | None:
    """See what the agent said, in the pull request's body."""
    words = agent_words(look)
    return f"said {len(words)} lines, the last: {words[-1]}" if words else None


def agent_words(look: Look) -> list[str]:
    """Return the lines of the agent that the pull request quotes."""
    pull = _pull(look)
    if pull is None:
        return []
    quoted = re.findall(r"^> ?(.*)$", pull["body"] or "", re.MULTILINE)
    return [line.rstrip() for line in quoted if line.strip(" `\\")]


def pushed(look: Look) -> str | None:
    """See the task's branch."""
    found = next(((name, sha) for name, sha in look.refs.items() if name.startswith("refs/heads/orch/")), None)
    return f"{found[0].removeprefix('refs/heads/')} at {found[1][:10]}" if found else None


def opened(look: Look) -> str | None:
    """See the pull request that closes the issue."""
    pull = _pull(look)
    if pull is None or f"Closes #{look.issue['number']}" not in pull["body"]:
        return None
    return f"#{pull['number']} {pull['title']}"


def reviewable(look: Look) -> str | None:
    """See that it is a person's turn."""
    return "status:in_review" if "status:in_review" in look.labels else None


def merged(look: Look) -> str | None:
    """See the merge."""
    pull = _pull(look)
    if pull is None or not pull["merged_at"]:
        return None
    return f"main is at {look.refs['refs/heads/main'][:10]}"


def closed(look: Look) -> str | None:
    """See that issue and task are done."""
    done = look.issue["state_reason"] == "completed" and "status:done" in look.labels
    return "completed, status:done" if done else None


def branch_gone(look: Look) -> str | None:
    """See that no ref but the default branch is left."""
    return "only main is left" if list(look.refs) == ["refs/heads/main"] else None


def worktree_gone(look: Look) -> str | None:
    """See that the runner's workspaces are removed."""
    return None if look.workspaces else "no workspace is left"


def _pull(look: Look) -> Json | None:
    return look.pulls[0] if look.pulls else None


TO_REVIEW = (
    Step("webhook received", delivered),
    Step("admitted and routed", routed),
    Step("run started", started),
    Step("pushed", pushed),
    Step("pull request opened", opened),
    Step("the agent's steps", worked),
    Step("ready for review", reviewable),
)
TO_DONE = (
    Step("merged", merged),
    Step("issue closed", closed),
    Step("branch gone", branch_gone),
    Step("worktree gone", worktree_gone),
)
