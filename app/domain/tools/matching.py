"""Whether a rule is about an access: certainly, as it must be to allow, or possibly, as is enough to ask or deny."""

from collections.abc import Iterable, Sequence

from app.domain.tools.globs import is_marked, word_fits, word_may_fit
from app.domain.tools.paths import covers, may_cover
from app.domain.tools.rules import Rule
from app.domain.tools.uses import Access, ToolKind


def is_about(rule: Rule, name: str, kind: ToolKind | None) -> bool:
    """Say whether the rule names the tool, by a glob or as one of its kind, or names none."""
    return not rule.tools or any(tool == kind or word_fits(tool.casefold(), name.casefold()) for tool in rule.tools)


def certainly(rule: Rule, access: Access) -> bool:
    """Say whether all of an access meets the rule, whatever a shell makes of it."""
    if rule.variables:
        return any(word_fits(glob, text) for glob in rule.variables for text in _variable(access))
    if access.variable and (rule.commands or rule.options or rule.paths):
        return False
    ends = [len(words) for words in _split(rule.commands) if _begins(words, access.words)]
    if rule.commands and not ends:
        return False
    if rule.options and not any(_has(option, word) for option in rule.options for word in access.words[1:]):
        return False
    if rule.only is not None and not any(_all_fit(rule.only, access.words[end:]) for end in ends):
        return False
    return not rule.paths or all(any(covers(glob, path) for glob in rule.paths) for path in access.paths)


def possibly(rule: Rule, access: Access) -> bool:
    """Say whether some of an access may meet the rule, once a shell has made something of it."""
    if rule.variables:
        return any(word_may_fit(glob, text) for glob in rule.variables for text in _variable(access))
    if rule.commands and not any(_may_begin(words, access.words) for words in _split(rule.commands)):
        return False
    if rule.options and not any(_may_have(option, word) for option in rule.options for word in access.words[1:]):
        return False
    return not rule.paths or any(may_cover(glob, path) for glob in rule.paths for path in access.paths)


def _split(commands: Iterable[str]) -> list[list[str]]:
    return [command.split() for command in commands]


def _variable(access: Access) -> tuple[str, ...]:
    """Spell a variable as rules may: by its name, or with its value."""
    name = access.variable.partition("=")[0].removesuffix("+")
    return (name, access.variable) if access.variable else ()


def _all_fit(globs: Sequence[str], words: Sequence[str]) -> bool:
    return all(any(word_fits(glob, word) for glob in globs) for word in words)


def _begins(globs: Sequence[str], words: Sequence[str]) -> bool:
    return len(words) >= len(globs) and all(word_fits(glob, word) for glob, word in zip(globs, words, strict=False))


def _may_begin(globs: Sequence[str], words: Sequence[str]) -> bool:
    """Compare with the program and the words after it, with or without options and their values between."""
    if not words or not word_fits(globs[0], words[0]):
        return False
    return any(_may_follow(globs[1:], words[start:]) for start in _starts(words))


def _starts(words: Sequence[str]) -> list[int]:
    starts = [1]
    for start in starts:
        if words[start : start + 1] and words[start].startswith(("-", "+")):
            starts += [after for after in (start + 1, start + 2) if after not in starts]
    return starts


def _may_follow(globs: Sequence[str], words: Sequence[str]) -> bool:
    for index, glob in enumerate(globs):
        if index >= len(words) or not word_may_fit(glob, words[index]):
            return False
        if is_marked(words[index]):  # it may become any number of words
            return True
    return True


def _has(option: str, word: str) -> bool:
    return not is_marked(word) and _may_have(option, word)


def _may_have(option: str, word: str) -> bool:
    """Compare a word with one of a rule's `options`."""
    if not option.startswith("-"):
        return word_fits(option, word)
    if is_marked(word) and (is_marked(word[0]) or word[0] == "-"):
        return True
    if option.startswith("--") and "*" not in option:
        name = word.partition("=")[0]
        return len(name) > 2 and option.startswith(name)
    if len(option) == 2:
        return word[:1] == "-" and word[:2] != "--" and option[1] in word
    return word_fits(option, word)
