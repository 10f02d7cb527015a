"""Commits, files, refs and branches, as GitHub shows them."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from infra.hub.git import CommitInfo, FileChange, Identity
from infra.hub.git_signed import signature_of
from infra.hub.records import Repository, User
from infra.hub.shapes.repositories import api_url, html_url
from infra.hub.shapes.users import node_id, show_user
from infra.hub.wire import JSON
from infra.hub.world import World

UNSIGNED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


def show_moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def show_git_user(identity: Identity, moment: datetime) -> JSON:
    return {"name": identity.name, "email": identity.email, "date": show_moment(moment)}


def show_commit(world: World, repository: Repository, commit: CommitInfo) -> JSON:
    url, html = api_url(world, repository), html_url(world, repository)
    return {
        "sha": commit.sha,
        "node_id": node_id("Commit", int(commit.sha[:12], 16)),
        "url": f"{url}/commits/{commit.sha}",
        "html_url": f"{html}/commit/{commit.sha}",
        "comments_url": f"{url}/commits/{commit.sha}/comments",
        "commit": {
            "url": f"{url}/git/commits/{commit.sha}",
            "author": show_git_user(commit.author, commit.author_date),
            "committer": show_git_user(commit.committer, commit.date),
            "message": commit.message,
            "comment_count": 0,
            "tree": {"sha": commit.tree, "url": f"{url}/git/trees/{commit.tree}"},
            "verification": show_verification(world, repository, commit),
        },
        "author": _account(world, commit.author),
        "committer": _account(world, commit.committer),
        "parents": [
            {"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{html}/commit/{sha}"} for sha in commit.parents
        ],
    }


def show_verification(world: World, repository: Repository, commit: CommitInfo) -> JSON:
    if commit.sha not in world.git(repository).signed():
        return UNSIGNED
    payload = f"tree {commit.tree}\n\n{commit.message}"
    signature, moment = signature_of(payload.encode()), show_moment(commit.date)
    return {"verified": True, "reason": "valid", "signature": signature, "payload": payload, "verified_at": moment}


def show_git_commit(world: World, repository: Repository, commit: CommitInfo) -> JSON:
    """Show a commit as git's own object."""
    url, html = api_url(world, repository), html_url(world, repository)
    shown = show_commit(world, repository, commit)
    keys = ("author", "committer", "message", "tree", "verification")
    return {
        "sha": commit.sha,
        "node_id": shown["node_id"],
        "url": f"{url}/git/commits/{commit.sha}",
        "html_url": shown["html_url"],
        **{key: shown["commit"][key] for key in keys},
        "parents": [
            {"sha": sha, "url": f"{url}/git/commits/{sha}", "html_url": f"{html}/commit/{sha}"}
            for sha in commit.parents
        ],
    }


def show_file_commit(world: World, repository: Repository, commit: CommitInfo) -> JSON:
    """Show a commit as the answer to a changed file does: git's part only."""
    shown = show_commit(world, repository, commit)
    keys = ("sha", "node_id", "html_url", "parents")
    return {**shown["commit"], **{key: shown[key] for key in keys}}


def show_pushed_commit(
    world: World, repository: Repository, commit: CommitInfo, files: Sequence[tuple[str, str]]
) -> JSON:
    """Show a commit as push webhooks do, with what it did to which files."""
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "distinct": True,
        "message": commit.message,
        "timestamp": commit.date.isoformat(),
        "url": f"{html_url(world, repository)}/commit/{commit.sha}",
        "author": {"name": commit.author.name, "email": commit.author.email},
        "committer": {"name": commit.committer.name, "email": commit.committer.email},
        "added": [name for how, name in files if how == "added"],
        "removed": [name for how, name in files if how == "removed"],
        "modified": [name for how, name in files if how in ("modified", "changed")],
    }


def show_file_change(world: World, repository: Repository, sha: str, change: FileChange) -> JSON:
    """Show one file of a pull request."""
    path = quote(change.filename)
    html = html_url(world, repository)
    shown: JSON = {
        "sha": hashlib.sha1(f"{sha}:{change.filename}".encode(), usedforsecurity=False).hexdigest(),
        "filename": change.filename,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{html}/blob/{sha}/{path}",
        "raw_url": f"{html}/raw/{sha}/{path}",
        "contents_url": f"{api_url(world, repository)}/contents/{path}?ref={sha}",
    }
    if change.patch is not None:
        shown["patch"] = change.patch
    if change.previous_filename is not None:
        shown["previous_filename"] = change.previous_filename
    return shown


def blob_sha(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def show_file(world: World, repository: Repository, path: str, ref: str, content: bytes) -> JSON:
    """Show a file with its content in base64."""
    url = f"{api_url(world, repository)}/contents/{quote(path)}?ref={quote(ref)}"
    sha = blob_sha(content)
    git_url = f"{api_url(world, repository)}/git/blobs/{sha}"
    html = f"{html_url(world, repository)}/blob/{quote(ref)}/{quote(path)}"
    return {
        "type": "file",
        "encoding": "base64",
        "size": len(content),
        "name": path.rpartition("/")[2],
        "path": path,
        "content": base64.encodebytes(content).decode(),
        "sha": sha,
        "url": url,
        "git_url": git_url,
        "html_url": html,
        "download_url": f"{html_url(world, repository)}/raw/{quote(ref)}/{quote(path)}",
        "_links": {"git": git_url, "self": url, "html": html},
    }


def show_ref(world: World, repository: Repository, name: str, sha: str) -> JSON:
    url = api_url(world, repository)
    return {
        "ref": name,
        "node_id": node_id("Ref", int(hashlib.sha256(name.encode()).hexdigest()[:12], 16)),
        "url": f"{url}/git/{name}",
        "object": {"sha": sha, "type": "commit", "url": f"{url}/git/commits/{sha}"},
    }


def show_branch(world: World, repository: Repository, name: str, sha: str) -> JSON:
    """Show a branch as lists do."""
    return {
        "name": name,
        "commit": {"sha": sha, "url": f"{api_url(world, repository)}/commits/{sha}"},
        "protected": False,
    }


def show_full_branch(world: World, repository: Repository, name: str, commit: CommitInfo) -> JSON:
    url = f"{api_url(world, repository)}/branches/{name}"
    return {
        **show_branch(world, repository, name, commit.sha),
        "commit": show_commit(world, repository, commit),
        "_links": {"self": url, "html": f"{html_url(world, repository)}/tree/{name}"},
        "protection": {
            "enabled": False,
            "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []},
        },
        "protection_url": f"{url}/protection",
    }


def _account(world: World, identity: Identity) -> JSON | None:
    login = identity.email.partition("@")[0].partition("+")[2]
    user = world.state.find(User, login) if login else None
    return None if user is None else show_user(world, user)
