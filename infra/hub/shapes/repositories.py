"""Repositories, as GitHub shows them."""

from infra.hub.records import Issue, Repository, User
from infra.hub.shapes.users import node_id, show_user
from infra.hub.wire import JSON, timestamp
from infra.hub.world import World

LINKS = {
    "archive": "{archive_format}{/ref}",
    "assignees": "assignees{/user}",
    "blobs": "git/blobs{/sha}",
    "branches": "branches{/branch}",
    "collaborators": "collaborators{/collaborator}",
    "comments": "comments{/number}",
    "commits": "commits{/sha}",
    "compare": "compare/{base}...{head}",
    "contents": "contents/{+path}",
    "contributors": "contributors",
    "deployments": "deployments",
    "downloads": "downloads",
    "events": "events",
    "forks": "forks",
    "git_commits": "git/commits{/sha}",
    "git_refs": "git/refs{/sha}",
    "git_tags": "git/tags{/sha}",
    "hooks": "hooks",
    "issue_comment": "issues/comments{/number}",
    "issue_events": "issues/events{/number}",
    "issues": "issues{/number}",
    "keys": "keys{/key_id}",
    "labels": "labels{/name}",
    "languages": "languages",
    "merges": "merges",
    "milestones": "milestones{/number}",
    "notifications": "notifications{?since,all,participating}",
    "pulls": "pulls{/number}",
    "releases": "releases{/id}",
    "stargazers": "stargazers",
    "statuses": "statuses/{sha}",
    "subscribers": "subscribers",
    "subscription": "subscription",
    "tags": "tags",
    "teams": "teams",
    "trees": "git/trees{/sha}",
}
COUNTS = ("forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "size")


def api_url(world: World, repository: Repository) -> str:
    return f"{world.base_url}/repos/{repository.full_name}"


def html_url(world: World, repository: Repository) -> str:
    return f"{world.base_url}/{repository.full_name}"


def show_repository(world: World, repository: Repository) -> JSON:
    """Show a repository as lists and webhooks do."""
    html = html_url(world, repository)
    open_issues = world.state.count(Issue, repository.id, "open")
    pushed = timestamp(repository.pushed or repository.created)
    return {
        **show_minimal(repository),
        "owner": show_user(world, world.state.load(User, repository.owner_id)),
        "html_url": html,
        "description": repository.description,
        "fork": False,
        **_urls(world, repository),
        "created_at": timestamp(repository.created),
        "updated_at": pushed,
        "pushed_at": pushed,
        "homepage": None,
        **dict.fromkeys(COUNTS, 0),
        "language": None,
        **dict.fromkeys(("has_issues", "has_projects", "has_wiki", "has_downloads"), True),
        **dict.fromkeys(("has_pages", "has_discussions", "disabled", "is_template"), False),
        "archived": repository.archived,
        "license": None,
        "allow_forking": True,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private" if repository.private else "public",
        "open_issues": open_issues,
        "open_issues_count": open_issues,
        "default_branch": repository.default_branch,
    }


def show_full_repository(world: World, repository: Repository) -> JSON:
    """Show a repository as its own path does."""
    return {
        **show_repository(world, repository),
        **dict.fromkeys(("allow_merge_commit", "allow_squash_merge", "allow_rebase_merge"), True),
        "allow_auto_merge": False,
        "delete_branch_on_merge": repository.delete_branch_on_merge,
        "network_count": 0,
        "subscribers_count": 0,
    }


def show_minimal(repository: Repository) -> JSON:
    """Show what installation webhooks say of a repository."""
    return {
        "id": repository.id,
        "node_id": node_id("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
    }


def _urls(world: World, repository: Repository) -> JSON:
    url, html = api_url(world, repository), html_url(world, repository)
    host = world.base_url.removeprefix("http://")
    return {
        "url": url,
        **{f"{name}_url": f"{url}/{tail}" for name, tail in LINKS.items()},
        "git_url": f"git://{host}/{repository.full_name}.git",
        "ssh_url": f"git@{host}:{repository.full_name}.git",
        "clone_url": f"{html}.git",
        "svn_url": html,
        "mirror_url": None,
    }
