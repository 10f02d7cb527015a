"""What a caller may see and do."""

from infra.hub.auth import Kind, Principal
from infra.hub.errors import ApiError, not_accessible, not_found
from infra.hub.records import FormerName, Repository, Role, User
from infra.hub.world import World

LEVELS = ("none", "read", "write", "admin")


def can_see(world: World, principal: Principal, repository: Repository) -> bool:
    """Tell whether the caller may know that a repository exists."""
    if not repository.private:
        return True
    match principal.kind:
        case Kind.USER:
            assert principal.user is not None
            return world.role(principal.user, repository).allows(Role.READ)
        case Kind.INSTALLATION:
            return covers(principal, repository)
        case _:
            return False


def covers(principal: Principal, repository: Repository) -> bool:
    """Tell whether an installation token was made for a repository that is still installed."""
    if principal.token is None or principal.installation is None:
        return False
    return repository.id in principal.token.repository_ids and repository.id in principal.installation.repository_ids


def grants(granted: dict[str, str], permission: str, level: str) -> bool:
    return LEVELS.index(granted.get(permission, "none")) >= LEVELS.index(level)


def allowed(
    world: World, principal: Principal, repository: Repository, role: Role, level: str, *permissions: str
) -> bool:
    """Tell whether a person has the role, or an installation token one of the permissions at the level.

    What anybody may read of a public repository needs no permission.
    """
    if level == "read" and not repository.private and role in (Role.NONE, Role.READ):
        return True
    match principal.kind:
        case Kind.USER:
            assert principal.user is not None
            return world.role(principal.user, repository).allows(role)
        case Kind.INSTALLATION:
            return covers(principal, repository) and any(grants(principal.permissions, p, level) for p in permissions)
        case _:
            return False


def require(
    world: World, principal: Principal, repository: Repository, role: Role, level: str, *permissions: str
) -> None:
    """Refuse what the caller may not do: 401 for nobody, 403 for somebody."""
    if allowed(world, principal, repository, role, level, *permissions):
        return
    raise denied(principal)


def denied(principal: Principal) -> ApiError:
    match principal.kind:
        case Kind.ANONYMOUS:
            return ApiError(401, "Requires authentication")
        case Kind.USER:
            return ApiError(403, "Must have admin rights to Repository.")
        case _:
            return not_accessible()


def find_repository(world: World, principal: Principal, owner: str, name: str) -> Repository:
    """Find a repository that the caller can see. Raises ApiError 404."""
    repository = world.state.find(Repository, f"{owner}/{name}")
    if repository is None or not can_see(world, principal, repository):
        raise not_found()
    return repository


def find_renamed(world: World, principal: Principal, owner: str, name: str) -> Repository | None:
    """Find a repository that the caller can see by a name that it had, if no other has taken that."""
    if world.state.find(Repository, f"{owner}/{name}") is not None:
        return None
    former = world.state.find(FormerName, f"{owner}/{name}")
    repository = world.state.get(Repository, former.repository_id) if former is not None else None
    return repository if repository is not None and can_see(world, principal, repository) else None


def actor(principal: Principal) -> User:
    """Give the person or bot that acts. Raises ApiError 401 or 403 where nobody does."""
    if principal.user is None:
        raise denied(principal)
    return principal.user
