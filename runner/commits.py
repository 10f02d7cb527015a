"""Commits that are made out of trees, without a checkout."""

from collections.abc import Sequence
from datetime import datetime

from runner.git import Git, Identity


async def commit_tree(
    git: Git, tree: str, parents: Sequence[str], message: str, *, author: Identity, when: datetime
) -> str:
    """Commit a tree onto its parents and return the SHA; the same arguments make the same commit."""
    onto = [word for parent in parents for word in ("-p", parent)]
    said = message.encode(errors="replace")
    return (await git("commit-tree", tree, *onto, stdin=said, extra=_signed(author, when))).decode().strip()


def message_of(message: str, co_author: Identity | None) -> str:
    """Return a commit's message, with who else it is by."""
    text = message.replace("\0", "").strip()
    return f"{text}\n\nCo-authored-by: {co_author}\n" if co_author else f"{text}\n"


def _signed(author: Identity, when: datetime) -> dict[str, str]:
    date = f"@{int(when.timestamp())} +0000"
    roles = {"AUTHOR": author, "COMMITTER": author}
    return {
        name: value
        for role, identity in roles.items()
        for name, value in (
            (f"GIT_{role}_NAME", identity.name),
            (f"GIT_{role}_EMAIL", identity.email),
            (f"GIT_{role}_DATE", date),
        )
    }
