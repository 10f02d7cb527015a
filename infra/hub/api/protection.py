"""What branches ask for: branch protection, which people set, and the rules of rulesets, set by a door of the hub."""

from dataclasses import replace

from infra.hub.api.ci import acting_here
from infra.hub.call import Call, Route
from infra.hub.check_records import Protection
from infra.hub.errors import ApiError
from infra.hub.records import Pull, Repository, Role
from infra.hub.rules import protections_of
from infra.hub.shapes.protection import show_protection, show_rules, show_signatures
from infra.hub.wire import JSON, Answer

RESOURCE = "Protection"
UNPROTECTED = "Branch not protected"


async def get_protection(call: Call) -> Answer:
    repository = _administered(call, "read")
    return Answer(200, show_protection(call.world, repository, _protection(call, repository)))


async def put_protection(call: Call) -> Answer:
    """Protect a branch; what is not said is not asked for, but signatures, which have a path of their own."""
    repository = _administered(call, "write")
    checks = call.fields().get("required_status_checks") or {}
    reviews = call.fields().get("required_pull_request_reviews")
    named = [check["context"] for check in checks.get("checks") or []]
    found = call.state.find(Protection, f"classic/{call.param('branch')}", repository.id)
    with call.state.transaction():
        made = found or Protection(call.state.new_id(), repository.id, call.param("branch"), classic=True)
        protection = replace(
            made,
            approvals=0 if reviews is None else int(reviews.get("required_approving_review_count", 1)),
            contexts=named or list(checks.get("contexts") or []),
            strict=bool(checks.get("strict")),
        )
        _keep(call, repository, protection)
    return Answer(200, show_protection(call.world, repository, protection))


async def delete_protection(call: Call) -> Answer:
    repository = _administered(call, "write")
    protection = _protection(call, repository)
    with call.state.transaction():
        call.state.delete(protection)
        _changed(call, repository)
    return Answer(204)


async def get_signatures(call: Call) -> Answer:
    repository = _administered(call, "read")
    return Answer(200, show_signatures(call.world, repository, _protection(call, repository)))


async def set_signatures(call: Call) -> Answer:
    """Ask for signatures (POST), or no longer (DELETE)."""
    repository = _administered(call, "write")
    asked = call.request.method == "POST"
    protection = replace(_protection(call, repository), signatures=asked)
    with call.state.transaction():
        _keep(call, repository, protection)
    return Answer(200, show_signatures(call.world, repository, protection)) if asked else Answer(204)


async def list_rules(call: Call) -> Answer:
    """List the rules of rulesets for a branch, which need not be there; branch protection is none of them."""
    repository = call.repository()
    call.require(repository, Role.READ, "read", "metadata")
    found = [one for one in protections_of(call.world, repository, call.param("branch")) if not one.classic]
    shown = [rule for one in found for rule in show_rules(repository, one)]
    return call.page(shown, dict)


async def put_rules(call: Call) -> Answer:
    """Make or change the ruleset of a branch, or of all that a pattern with `*` matches.

    `approvals`, `checks` (names), `strict`, `signatures`, `queue` (a merge queue); what is not said is not asked for.
    """
    repository = acting_here(call).repository
    pattern, given = call.param("branch"), call.fields()
    found = call.state.find(Protection, f"ruleset/{pattern}", repository.id)
    with call.state.transaction():
        protection = Protection(
            id=found.id if found is not None else call.state.new_id(),
            repository_id=repository.id,
            pattern=pattern,
            classic=False,
            approvals=int(given.get("approvals", 0)),
            contexts=[str(name) for name in given.get("checks", [])],
            strict=call.flag("strict"),
            signatures=call.flag("signatures"),
            queue=call.flag("queue"),
        )
        _keep(call, repository, protection)
    return Answer(200, _described(protection))


async def delete_rules(call: Call) -> Answer:
    repository = acting_here(call).repository
    found = call.state.find(Protection, f"ruleset/{call.param('branch')}", repository.id)
    with call.state.transaction():
        if found is not None:
            call.state.delete(found)
        _changed(call, repository)
    return Answer(204)


def _described(protection: Protection) -> JSON:
    names = ("pattern", "approvals", "strict", "signatures", "queue")
    return {name: getattr(protection, name) for name in names} | {"checks": protection.contexts}


def _administered(call: Call, level: str) -> Repository:
    repository = call.repository()
    call.require(repository, Role.ADMIN, level, "administration")
    return repository


def _protection(call: Call, repository: Repository) -> Protection:
    found = call.state.find(Protection, f"classic/{call.param('branch')}", repository.id)
    if found is None:
        raise ApiError(404, UNPROTECTED)
    return found


def _keep(call: Call, repository: Repository, protection: Protection) -> None:
    call.state.put(protection)
    _changed(call, repository)


def _changed(call: Call, repository: Repository) -> None:
    """Have git ask for signatures where that is asked for now, and forget what was worked out under other rules."""
    asking = [one.pattern for one in call.state.rows(Protection, repository.id) if one.signatures]
    call.world.git(repository).ask_for_signatures(asking)
    for pull in call.state.rows(Pull, repository.id):
        if pull.merged is None:
            call.state.put(replace(pull, mergeable=None))
    call.world.look_at_queues()


PROTECTED = "/repos/{owner}/{repo}/branches/{branch:.+}/protection"

ROUTES: list[Route] = [
    ("GET", PROTECTED + "/required_signatures", get_signatures),
    ("POST", PROTECTED + "/required_signatures", set_signatures),
    ("DELETE", PROTECTED + "/required_signatures", set_signatures),
    ("GET", PROTECTED, get_protection),
    ("PUT", PROTECTED, put_protection),
    ("DELETE", PROTECTED, delete_protection),
    ("GET", "/repos/{owner}/{repo}/rules/branches/{branch:.+}", list_rules),
]

ADMIN_ROUTES: list[Route] = [
    ("PUT", "/_hub/repositories/{owner}/{repo}/rules/{branch:.+}", put_rules),
    ("DELETE", "/_hub/repositories/{owner}/{repo}/rules/{branch:.+}", delete_rules),
]
