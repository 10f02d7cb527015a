"""Users, and what they may do in a repository."""

from infra.hub.auth import Kind
from infra.hub.call import Call, Route
from infra.hub.errors import ApiError, invalid, not_accessible, not_found
from infra.hub.records import Collaborator, Repository, Role, User
from infra.hub.setup import set_collaborator
from infra.hub.shapes.users import show_profile, show_user
from infra.hub.wire import Answer

# GitHub's `permission` knows four values; `role_name` has the exact role.
PERMISSIONS = {Role.MAINTAIN: "write", Role.TRIAGE: "read"}


async def get_me(call: Call) -> Answer:
    match call.principal.kind:
        case Kind.ANONYMOUS:
            raise ApiError(401, "Requires authentication")
        case Kind.USER:
            return Answer(200, show_profile(call.world, call.actor))
        case _:
            raise not_accessible()


async def get_user(call: Call) -> Answer:
    return Answer(200, show_profile(call.world, find_user(call, call.param("login"))))


async def get_permission(call: Call) -> Answer:
    """Say what a user may do; on a public repository everybody reads."""
    repository = call.repository()
    if call.principal.kind is Kind.ANONYMOUS:
        raise ApiError(401, "Requires authentication")
    user = call.state.find(User, call.param("login"))
    if user is None:
        raise ApiError(404, f"{call.param('login')} is not a user")
    role = call.world.role(user, repository)
    rights = {
        "admin": role.allows(Role.ADMIN),
        "maintain": role.allows(Role.MAINTAIN),
        "push": role.allows(Role.WRITE),
        "triage": role.allows(Role.TRIAGE),
        "pull": role.allows(Role.READ),
    }
    shown = {**show_user(call.world, user), "permissions": rights, "role_name": role.value}
    return Answer(200, {"permission": PERMISSIONS.get(role, role.value), "role_name": role.value, "user": shown})


async def put_collaborator(call: Call) -> Answer:
    """Let somebody work in a repository at once: here nobody waits for an invitation to be accepted."""
    repository, user = _administered(call)
    given = call.maybe_text("Collaborator", "permission") or "push"
    role = {"pull": "read", "push": "write"}.get(given, given)
    if role not in list(Role):
        raise invalid("Collaborator", "permission")
    with call.state.transaction():
        set_collaborator(call.world, repository, user, Role(role))
    return Answer(204)


async def delete_collaborator(call: Call) -> Answer:
    """Take somebody's role away; on a public repository he still reads."""
    repository, user = _administered(call)
    found = call.state.find(Collaborator, str(user.id), repository.id)
    with call.state.transaction():
        if found is not None:
            call.state.delete(found)
    return Answer(204)


def _administered(call: Call) -> tuple[Repository, User]:
    repository = call.repository()
    call.require(repository, Role.ADMIN, "write", "administration")
    return repository, find_user(call, call.param("login"))


def find_user(call: Call, login: str) -> User:
    user = call.state.find(User, login)
    if user is None:
        raise not_found()
    return user


ROUTES: list[Route] = [
    ("GET", "/user", get_me),
    ("GET", "/users/{login}", get_user),
    ("PUT", "/repos/{owner}/{repo}/collaborators/{login}", put_collaborator),
    ("DELETE", "/repos/{owner}/{repo}/collaborators/{login}", delete_collaborator),
    ("GET", "/repos/{owner}/{repo}/collaborators/{login}/permission", get_permission),
]
