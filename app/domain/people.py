"""Who may do something, as lists of roles and `@login`s; `@login&role` is somebody as long as that person has the role.

Nobody without write access may do any of it, so `@login` alone is the same as `@login&write`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

ROLES = ("write", "maintain", "admin")
"""From the widest; who has one has those before it too."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Everybody with at least that role, or of those only the one with the login."""

    login: str | None
    role: str

    def __str__(self) -> str:
        if self.login is None:
            return self.role
        return self.login if self.role == ROLES[0] else f"{self.login}&{self.role}"

    def is_in(self, other: "_Group") -> bool:
        """Say whether everybody of this group is in the other one."""
        return ROLES.index(self.role) >= ROLES.index(other.role) and (
            other.login is None or (self.login or "").lower() == other.login.lower()
        )


def narrow(allowed: Collection[str], asked: Collection[str]) -> tuple[str, ...]:
    """Return who is in both lists, nobody twice; it is empty if that is nobody."""
    pairs = ((_read(one), _read(other)) for one in asked for other in allowed)
    return tuple(map(str, _fewest(group for one, other in pairs if (group := _both(one, other)))))


def are_same(one: Collection[str], other: Collection[str]) -> bool:
    """Say whether two lists mean the same people."""
    groups, others = list(map(_read, one)), list(map(_read, other))
    return all(_covered(group, others) for group in groups) and all(_covered(group, groups) for group in others)


def name_people(people: Collection[str]) -> str:
    """Say for people who they are."""
    return " and ".join(_name(_read(one)) for one in people) or "nobody"


def _read(text: str) -> _Group:
    if not text.startswith("@"):
        return _Group(None, text)
    login, _, role = text.partition("&")
    return _Group(login, role or ROLES[0])


def _both(one: _Group, other: _Group) -> _Group | None:
    if one.login and other.login and one.login.lower() != other.login.lower():
        return None
    return _Group(one.login or other.login, max(one.role, other.role, key=ROLES.index))


def _fewest(groups: Iterable[_Group]) -> list[_Group]:
    kept: list[_Group] = []
    for group in groups:
        if not _covered(group, kept):
            kept = [*(other for other in kept if not other.is_in(group)), group]
    return kept


def _covered(group: _Group, others: Iterable[_Group]) -> bool:
    return any(group.is_in(other) for other in others)


def _name(group: _Group) -> str:
    if group.login is None:
        return f"people with the role `{group.role}`"
    role = "" if group.role == ROLES[0] else f" (with the role `{group.role}`)"
    return f"`{group.login[1:]}`{role}"
