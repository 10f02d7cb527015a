"""What becomes of one tool call under a profile: pure, and it never raises on what an agent asks for.

A gate is no sandbox: it sees what a call says, not what the programs do that it starts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from app.domain.base import Value
from app.domain.tools.globs import is_marked
from app.domain.tools.inputs import read_use
from app.domain.tools.matching import certainly, is_about, possibly
from app.domain.tools.paths import HERE, UNKNOWN, is_outside, locate
from app.domain.tools.rules import Profile, Rule, RuleEffect
from app.domain.tools.shell import Unreadable
from app.domain.tools.uses import Access, ToolUse, kind_of

MOST_FOLDERS = 16
MOST_WORDS = 1000
MOST_MARKED = 1000
SAID = 160
"""Characters of a call that a ruling repeats."""


class Ruling(Value):
    """What becomes of a call, the rule that made it so, and what of the call that rule was about.

    `rule` and `why` are one line of plain text each; they repeat what an agent wrote.
    """

    effect: RuleEffect
    rule: str
    why: str


def judge(profile: Profile, call: ToolUse, workspace: PurePosixPath) -> Ruling:
    """Rule on a call whose paths begin at the workspace, an absolute path: its strictest part decides."""
    try:
        accesses = _placed(call, workspace)
    except Unreadable as error:
        return _unreadable(profile, call, str(error))
    rulings = [ruling for access in accesses for ruling in _rulings(profile, call, access)]
    return max(rulings, key=lambda ruling: ruling.effect.strictness)


def _unreadable(profile: Profile, call: ToolUse, why: str) -> Ruling:
    """Rule on what cannot be told apart: each added rule that names its tool may be about it."""
    name = f"{profile.name}: {profile.unreadable} what cannot be understood"
    own = Ruling(effect=profile.unreadable, rule=name, why=_line(why))
    added = [
        _ruled(profile, number, rule, why)
        for number, rule in _added(profile)
        if is_about(rule, call.name, kind_of(call.name))
    ]
    return max([own, *added], key=lambda ruling: ruling.effect.strictness)


def _rulings(profile: Profile, call: ToolUse, access: Access) -> Iterator[Ruling]:
    yield _own(profile, call, access)
    for number, rule in _added(profile):
        if is_about(rule, call.name, access.kind) and possibly(rule, access):
            yield _ruled(profile, number, rule, access.text)


def _own(profile: Profile, call: ToolUse, access: Access) -> Ruling:
    """Rule by the profile's own rules; what nobody knows has to be named by one."""
    known = access.kind is not None
    for number, rule in enumerate(profile.rules, 1):
        meets = certainly if rule.effect is RuleEffect.ALLOW else possibly
        if (known or rule.tools) and is_about(rule, call.name, access.kind) and meets(rule, access):
            return _ruled(profile, str(number), rule, access.text)
    if not known:
        return _unreadable(profile, call, f"no agent is known to have a tool `{call.name}`")
    return Ruling(effect=RuleEffect.DENY, rule=f"{profile.name}: no rule", why=_line(access.text))


def _added(profile: Profile) -> Iterator[tuple[str, Rule]]:
    yield from ((f"repository {number}", rule) for number, rule in enumerate(profile.added, 1))


def _ruled(profile: Profile, number: str, rule: Rule, why: str) -> Ruling:
    return Ruling(effect=rule.effect, rule=f"{profile.name} {number}: {rule}", why=_line(why))


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SAID else line[: SAID - 1] + "…"


# What a call is about


def _placed(call: ToolUse, workspace: PurePosixPath) -> tuple[Access, ...]:
    """List what a call would do with its paths as places; a `cd` may have happened or not."""
    folder, accesses = read_use(call)
    words = [word for access in accesses for word in (*access.words, *access.paths)]
    if len(words) > MOST_WORDS or sum(len(word) for word in words if is_marked(word)) > MOST_MARKED:
        raise Unreadable("it is too much to look at")
    folders = [locate(folder, HERE, workspace)]
    placed = []
    for access in accesses:
        places = [locate(path, folder, workspace) for path in access.paths for folder in folders]
        if access.words:
            places += [folder for folder in folders if is_outside(folder)]
        placed.append(replace(access, paths=tuple(dict.fromkeys(places))))
        folders = list(dict.fromkeys((*folders, *_entered(access.words, folders, workspace))))
        if len(folders) > MOST_FOLDERS:
            raise Unreadable("it changes the directory too often")
    return tuple(placed)


def _entered(words: Sequence[str], folders: Sequence[str], workspace: PurePosixPath) -> list[str]:
    """Return the folders that a command may change to."""
    if not words or words[0] not in ("cd", "pushd", "popd"):
        return []
    target = next((word for word in words[1:] if not word.startswith("-") or word == "-"), "")
    if words[0] == "cd" and not target:
        return ["~"]
    if words[0] == "popd" or target in ("", "-") or target.startswith("+"):
        return [UNKNOWN]
    return [locate(target, folder, workspace) for folder in folders]
