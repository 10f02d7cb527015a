"""Who may do what on GitHub: the actor of an event counts, not who wrote the issue."""

from enum import StrEnum

from app.domain.facts import Actor, Permission, Standing
from app.domain.people import name_people
from app.domain.policy import Policy


class Power(StrEnum):
    """What an event asks to be allowed to do."""

    READ = "read"
    WRITE = "write"
    BUDGET = "budget"
    MERGE = "merge"


_RANKS = ("read", "triage", "write", "maintain", "admin")
_REFUSALS = {
    Power.READ: "only people with access to this repository are answered",
    Power.WRITE: "only people with write access to this repository start or steer work",
    Power.BUDGET: "only {who} approve budgets here",
    Power.MERGE: "only {who} have pull requests merged here",
}
BOTS_REFUSED = "bots start and steer no work unless the operator names them"


def refusal(power: Power, actor: Actor, standing: Standing | None, policy: Policy) -> str | None:
    """Say why somebody may not do that, None if he may; `standing` is None where it was not to be had."""
    if actor.is_bot and not is_named(actor, policy):
        return BOTS_REFUSED
    has = standing or Standing()
    if power is Power.READ:
        return None if has.permission is not Permission.NONE else _REFUSALS[power]
    if not has.permission.can_write:
        return _REFUSALS[Power.WRITE]
    allowed = {Power.BUDGET: policy.budget_approvers, Power.MERGE: policy.mergers}.get(power, ("write",))
    return None if any(_fits(one, actor, has) for one in allowed) else _REFUSALS[power].format(who=name_people(allowed))


def is_named(bot: Actor, policy: Policy) -> bool:
    """Say whether the operator lets that bot instruct."""
    return bot.login.lower() in {name.lower() for name in policy.bots}


def _fits(one: str, actor: Actor, has: Standing) -> bool:
    """Say whether somebody is meant by `@login`, `@login&role` or a role; who has a role has those below it too."""
    login, _, role = one.partition("&") if one.startswith("@") else ("", "", one)
    if login and login[1:].lower() != actor.login.lower():
        return False
    ranks = [_RANKS.index(rank) for rank in (has.role, has.permission.value) if rank in _RANKS]
    return max(ranks, default=-1) >= _RANKS.index(role or "write")
