"""Branch protection and the rules of rulesets, as GitHub shows them."""

from infra.hub.check_records import Protection
from infra.hub.records import Repository
from infra.hub.shapes.repositories import api_url
from infra.hub.wire import JSON
from infra.hub.world import World

OFF = (
    "enforce_admins",
    "required_linear_history",
    "allow_force_pushes",
    "allow_deletions",
    "block_creations",
    "required_conversation_resolution",
    "lock_branch",
    "allow_fork_syncing",
)


def show_protection(world: World, repository: Repository, protection: Protection) -> JSON:
    """Show a branch protection; what it does not ask for is left out."""
    url = _url(world, repository, protection)
    shown: JSON = {"url": url, **{name: {"enabled": False} for name in OFF}}
    shown["enforce_admins"]["url"] = f"{url}/enforce_admins"
    shown["required_signatures"] = show_signatures(world, repository, protection)
    if protection.contexts or protection.strict:
        shown["required_status_checks"] = _show_checks(url, protection)
    if protection.approvals:
        shown["required_pull_request_reviews"] = {
            "url": f"{url}/required_pull_request_reviews",
            "dismiss_stale_reviews": False,
            "require_code_owner_reviews": False,
            "required_approving_review_count": protection.approvals,
            "require_last_push_approval": False,
        }
    return shown


def show_signatures(world: World, repository: Repository, protection: Protection) -> JSON:
    return {
        "url": f"{_url(world, repository, protection)}/required_signatures",
        "enabled": protection.signatures,
    }


def show_rules(repository: Repository, protection: Protection) -> list[JSON]:
    """Show what a ruleset asks for, one rule for each kind of thing."""
    about = {
        "ruleset_source_type": "Repository",
        "ruleset_source": repository.full_name,
        "ruleset_id": protection.id,
    }
    rules: list[JSON] = []
    if protection.signatures:
        rules.append({"type": "required_signatures"})
    if protection.approvals:
        rules.append({"type": "pull_request", "parameters": _review_parameters(protection)})
    if protection.contexts:
        checks = [{"context": context} for context in protection.contexts]
        parameters = {
            "required_status_checks": checks,
            "strict_required_status_checks_policy": protection.strict,
            "do_not_enforce_on_create": False,
        }
        rules.append({"type": "required_status_checks", "parameters": parameters})
    if protection.queue:
        rules.append({"type": "merge_queue", "parameters": _queue_parameters()})
    return [rule | about for rule in rules]


def _show_checks(url: str, protection: Protection) -> JSON:
    return {
        "url": f"{url}/required_status_checks",
        "strict": protection.strict,
        "contexts": protection.contexts,
        "contexts_url": f"{url}/required_status_checks/contexts",
        "checks": [{"context": context, "app_id": None} for context in protection.contexts],
    }


def _review_parameters(protection: Protection) -> JSON:
    names = (
        "dismiss_stale_reviews_on_push",
        "require_code_owner_review",
        "require_last_push_approval",
        "required_review_thread_resolution",
    )
    return {
        **dict.fromkeys(names, False),
        "required_approving_review_count": protection.approvals,
        "allowed_merge_methods": ["merge", "squash", "rebase"],
        "required_reviewers": [],
    }


def _queue_parameters() -> JSON:
    return {
        "check_response_timeout_minutes": 60,
        "grouping_strategy": "ALLGREEN",
        "max_entries_to_build": 1,
        "max_entries_to_merge": 1,
        "merge_method": "MERGE",
        "min_entries_to_merge": 1,
        "min_entries_to_merge_wait_minutes": 0,
    }


def _url(world: World, repository: Repository, protection: Protection) -> str:
    return f"{api_url(world, repository)}/branches/{protection.pattern}/protection"
