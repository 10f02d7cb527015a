"""What two repositories need to be alike again, branch by branch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fetch:
    """Move the hub's branch (which `was` there) to the person's commit."""

    branch: str
    sha: str
    was: str | None
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Land:
    """Move the person's branch (which `was` there) to the hub's commit; None removes it."""

    branch: str
    sha: str | None
    was: str | None


@dataclass(frozen=True, slots=True)
class Clash:
    """Both sides moved; `sha` is the hub's, None if the branch is gone there."""

    branch: str
    sha: str | None


Move = Fetch | Land | Clash
Contains = Callable[[str, str], bool]


def plan(mine: Mapping[str, str], hub: Mapping[str, str], agreed: dict[str, str], contains: Contains) -> list[Move]:
    """Compare the person's branches and the hub's with how they agreed last; note in `agreed` where they do now.

    `contains(commit, ancestor)` knows every commit named. A branch that the person removes stays on the hub, as it
    does on GitHub.
    """
    moves = []
    for branch in sorted(mine.keys() | hub.keys() | agreed.keys()):
        here, there = mine.get(branch), hub.get(branch)
        if here == there:
            _settle(agreed, branch, here)
        elif move := _move(branch, here, there, agreed.get(branch), contains):
            moves.append(move)
    return moves


def _settle(agreed: dict[str, str], branch: str, sha: str | None) -> None:
    if sha is None:
        agreed.pop(branch, None)
    else:
        agreed[branch] = sha


def _move(branch: str, here: str | None, there: str | None, last: str | None, contains: Contains) -> Move | None:
    if there == last:
        if here is None:
            return None
        return Fetch(branch, here, there, forced=there is not None and not contains(here, there))
    if here is None or here == last:
        return Land(branch, there, here)
    if there is None:
        return Clash(branch, None)
    if contains(here, there):
        return Fetch(branch, here, there)
    return Land(branch, there, here) if contains(there, here) else Clash(branch, there)
