"""What a simple command does: what it starts on behalf of others, and which of its words may be paths."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.tools.globs import ANY, ONE, STAR, is_marked
from app.domain.tools.shell import DEEPEST, Simple, Unreadable, read_script
from app.domain.tools.uses import Access, ToolKind

BY_PATH = "./"
"""What stands for the name of a program that is given by its path."""
FROM_INPUT = "-s"
"""What stands behind the name of a shell that takes its commands from its standard input."""

_SYSTEM = re.compile(r"/(?:usr/(?:local/)?)?s?bin/([^/]+)")
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "ash", "mksh"))
_FOREIGN = frozenset(("fish", "csh", "tcsh", "pwsh", "powershell", "xonsh", "nu", "elvish", "trap", "alias"))
_SHELL_FLAGS = frozenset("abefhiklmnpstuvxBCEHPT")
_SHELL_LONG = frozenset(("--login", "--norc", "--noprofile", "--posix"))
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=", re.ASCII)
_DECLARES = frozenset(("export", "declare", "typeset", "readonly", "local"))


@dataclass(frozen=True, slots=True)
class _Wrapper:
    """How the options of a program that starts another are read: letters without and with a value, long ones."""

    flags: str = ""
    valued: str = ""
    long: tuple[str, ...] = ()
    operands: int = 0
    sets: bool = False
    shown: bool = False


_WRAPPERS = {
    "nohup": _Wrapper(),
    "builtin": _Wrapper(),
    "busybox": _Wrapper(),
    "command": _Wrapper("p"),
    "exec": _Wrapper("cl", "a"),
    "time": _Wrapper("pv"),
    "nice": _Wrapper("", "n", ("adjustment=",)),
    "ionice": _Wrapper("t", "cn"),
    "setsid": _Wrapper("cfw", "", ("wait", "fork", "ctty")),
    "stdbuf": _Wrapper("", "ioe", ("input=", "output=", "error=")),
    "timeout": _Wrapper("v", "ks", ("preserve-status", "foreground", "verbose", "signal=", "kill-after="), operands=1),
    "env": _Wrapper("i", "u", ("ignore-environment", "unset="), sets=True),
    "sudo": _Wrapper("nEHbAkPS", "ugpC", ("non-interactive", "user=", "group="), sets=True, shown=True),
    "doas": _Wrapper("nL", "uC", shown=True),
    "xargs": _Wrapper(
        "0rtpx",
        "nPLIsEd",
        ("null", "no-run-if-empty", "verbose", "max-args=", "max-procs=", "max-lines=", "delimiter=", "replace="),
    ),
}

_FIND_TEXTS = frozenset(
    ("-name", "-iname", "-path", "-ipath", "-wholename", "-iwholename", "-regex", "-iregex", "-lname", "-ilname")
)
_FIND_RUNS = frozenset(("-exec", "-execdir", "-ok", "-okdir"))
_TEXTS = frozenset(("echo", "printf"))
_PATTERN_FIRST = frozenset(("grep", "egrep", "fgrep", "rg", "sed", "awk", "gawk", "mawk", "jq"))
_PATTERN_OPTION = re.compile(r"-[A-Za-z]*[ef]|--[efr]")
_PRINTS = re.compile(r"(?:[0-9]+|\$)(?:,(?:[0-9]+|\$))?p")

_GIT_FLAGS = frozenset(("--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs", "--no-replace-objects"))
_GIT_SETTINGS = re.compile(
    r"(?:user\.(?:name|email)|color\.[a-z]+|advice\.[a-z]+|core\.quotepath|init\.defaultbranch)=[^!]*"
    r"|commit\.gpgsign=false|core\.pager=cat",
    re.IGNORECASE | re.ASCII,
)


def say(words: tuple[str, ...]) -> str:
    """Write words for people, in one line."""
    text = " ".join(words).translate({ord(STAR): "*", ord(ONE): "?", ord(ANY): "$"})
    return " ".join(text.split())


def accesses_of(simple: Simple, depth: int = 0) -> Iterator[Access]:
    """List what a simple command does, in the order in which it may change directory; raises Unreadable."""
    for variable in simple.sets:
        yield _sets(variable)
    for path in simple.reads:
        yield Access(ToolKind.READ, say(("<", path)), paths=(path,))
    for path in simple.writes:
        yield Access(ToolKind.WRITE, say((">", path)), paths=(path,))
    if simple.words:
        yield from command_accesses(simple.words, depth)


def script_accesses(text: str, depth: int = 0) -> Iterator[Access]:
    """List what the text of a shell script does; raises Unreadable."""
    script = read_script(text)
    found = [access for simple in script.commands for access in accesses_of(simple, depth)]
    if not found:
        raise Unreadable("there is no command")
    if script.repeats and any(access.words[:1] in (("cd",), ("pushd",)) for access in found):
        raise Unreadable("a loop changes the directory")
    yield from found


def command_accesses(words: tuple[str, ...], depth: int = 0) -> Iterator[Access]:
    """List what a command does whose words are known, with what it starts on behalf of others; raises Unreadable."""
    if depth > DEEPEST:
        raise Unreadable("the command is nested too deeply")
    if is_marked(words[0]):
        raise Unreadable("which program runs is known only when it does")
    program = _program(words[0])
    words = (program, *words[1:])
    if program in _FOREIGN or program.startswith("="):  # zsh puts a path in place of `=name`
        raise Unreadable(f"what `{program}` does is not taken apart")
    if program in _SHELLS:
        yield from _shell(words, depth)
    elif program == "eval":
        yield from script_accesses(_known(" ".join(words[1:])), depth + 1)
    elif program in _WRAPPERS and not _only_asks(words):
        yield from _wrapped(words, depth)
    elif program == "find":
        yield from _find(words, depth)
    else:
        yield from _plain(words)


def _program(word: str) -> str:
    system = _SYSTEM.fullmatch(word)
    return system[1] if system else word


def _only_asks(words: tuple[str, ...]) -> bool:
    return words[0] == "command" and words[1:2] in (("-v",), ("-V",))


def _sets(variable: str) -> Access:
    return Access(ToolKind.SHELL, say((variable,)), variable=variable)


def _known(text: str) -> str:
    if is_marked(text):
        raise Unreadable("a command is put together when it runs")
    return text


# Programs that start others


def _shell(words: tuple[str, ...], depth: int) -> Iterator[Access]:
    """Read the options of a shell, then what it runs: a text, a file, or its input."""
    index, takes_text = 1, False
    while index < len(words) and (word := _known(words[index]))[:1] in ("-", "+") and len(word) > 1:
        index += 1
        if word in ("-o", "+o"):
            index += 1
        elif word == "--":
            break
        elif word not in _SHELL_LONG:
            letters = set(word[1:])
            takes_text |= "c" in letters
            index += "o" in letters
            if not letters - {"c", "o"} <= _SHELL_FLAGS or word.startswith("+c"):
                raise Unreadable(f"the option {word} of a shell is not taken apart")
    rest = words[index:]
    if takes_text:
        yield from script_accesses(_known(rest[0] if rest else ""), depth + 1)
    elif not rest or rest[0] == "-" or "s" in "".join(word for word in words[1:index] if not word.startswith("--")):
        yield Access(ToolKind.SHELL, say(words), ("sh", FROM_INPUT))
    else:
        yield Access(ToolKind.SHELL, say(words), ("sh", *rest), _paths(("sh", *rest)))


def _wrapped(words: tuple[str, ...], depth: int) -> Iterator[Access]:
    program, wrapper = words[0], _WRAPPERS[words[0]]
    index, values = _after_options(words, wrapper)
    while wrapper.sets and index < len(words) and _ASSIGNMENT.match(words[index]):
        yield _sets(words[index])
        index += 1
    if any(is_marked(word) for word in words[:index]):
        raise Unreadable(f"what `{program}` starts is known only when it does")
    inner = words[index:]
    if wrapper.shown or (not inner and program != "xargs"):
        yield Access(ToolKind.SHELL, say(words), (program,))
    if program == "xargs":
        inner = _with_input(inner or ("echo",), values)
    if inner:
        yield from command_accesses(inner, depth + 1)


def _after_options(words: tuple[str, ...], wrapper: _Wrapper) -> tuple[int, dict[str, str]]:
    """Return where the options and operands of the wrapper end, and the values of the short ones."""
    index, values = 1, {}
    while index < len(words) and words[index].startswith("-") and words[index] != "-":
        word = words[index]
        index += 1
        if word == "--":
            break
        if word.startswith("--"):
            _check_long(word, wrapper)
            continue
        for position, letter in enumerate(word[1:], 2):
            if letter in wrapper.valued:
                values[letter] = word[position:] or "".join(words[index : index + 1])
                index += not word[position:]
                break
            if letter not in wrapper.flags:
                raise Unreadable(f"the option {say((word,))} is not taken apart")
    return index + wrapper.operands, values


def _check_long(word: str, wrapper: _Wrapper) -> None:
    name, equals, _ = word[2:].partition("=")
    if name + equals not in wrapper.long:
        raise Unreadable(f"the option {say((word,))} is not taken apart")


def _with_input(inner: tuple[str, ...], values: dict[str, str]) -> tuple[str, ...]:
    """Put what xargs reads where it puts it; with a word to be replaced, that is anywhere."""
    replaced = values.get("I")
    return tuple(word.replace(replaced, ANY) for word in inner) if replaced else (*inner, ANY)


def _find(words: tuple[str, ...], depth: int) -> Iterator[Access]:
    yield Access(ToolKind.SHELL, say(words), words, _paths(tuple(_without_patterns(words))))
    rest = list(words)
    while rest:
        if rest.pop(0) in _FIND_RUNS:
            ends = [index for index, word in enumerate(rest) if word in (";", "+")]
            if not ends or not ends[0]:
                raise Unreadable("what `find` starts does not end")
            yield from command_accesses(tuple(word.replace("{}", ANY) for word in rest[: ends[0]]), depth + 1)


def _without_patterns(words: tuple[str, ...]) -> Iterator[str]:
    is_pattern = False
    for word in words:
        if not is_pattern or is_marked(word):
            yield word
        is_pattern = not is_pattern and word in _FIND_TEXTS


# Other programs


def _plain(words: tuple[str, ...]) -> Iterator[Access]:
    said = say(words)
    if words[0] in _DECLARES:
        for word in words[1:]:
            if _ASSIGNMENT.match(word) or is_marked(word):
                yield _sets(word)
    paths: tuple[str, ...] = ()
    if words[0] == "git":
        words, folder = _git(words)
        paths = tuple(_below(folder, path) for path in (*([""] if folder else []), *_paths(words)))
    else:
        words = _line_printer(words)
        paths = _paths(words)
        if "/" in words[0]:
            words, paths = (BY_PATH, *words[1:]), (words[0], *paths)
    yield Access(ToolKind.SHELL, said, words, paths)


def _git(words: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Take options off git that change nothing but where it looks; that folder is the other part of the answer."""
    rest, folder = list(words[1:]), ""
    while rest:
        if rest[0] in _GIT_FLAGS:
            rest = rest[1:]
        elif rest[0] == "-C" and len(rest) > 1:
            folder, rest = _below(folder, rest[1]), rest[2:]
        elif rest[0] == "-c" and len(rest) > 1 and _GIT_SETTINGS.fullmatch(rest[1]) and not is_marked(rest[1]):
            rest = rest[2:]
        else:
            break
    return ("git", *rest), folder


def _below(folder: str, path: str) -> str:
    return path if not folder or path.startswith(("/", "~")) else f"{folder}/{path}"


def _line_printer(words: tuple[str, ...]) -> tuple[str, ...]:
    """Call `sed -n 1,9p` what it is: it prints lines, while any other sed may write and run."""
    options_end = words[3:] and not any(word.startswith("-") or is_marked(word[:1]) for word in words[3:])
    if words[:2] == ("sed", "-n") and _PRINTS.fullmatch("".join(words[2:3])) and (options_end or len(words) == 3):
        return ("sed", "print", *words[3:])
    return words


def _paths(words: tuple[str, ...]) -> tuple[str, ...]:
    """List every spelling in the words that may be a path."""
    texts = _texts(words)
    candidates = [word for index, word in enumerate(words) if index and (index not in texts or is_marked(word))]
    return tuple(dict.fromkeys(path for word in candidates for path in _spellings(word) if path))


def _texts(words: tuple[str, ...]) -> frozenset[int]:
    """Tell which words are text: all of an echo, the pattern of a grep."""
    if words[0] in _TEXTS:
        return frozenset(range(len(words)))
    start = 2 if words[:2] == ("git", "grep") else 1
    if start == 1 and (words[0] not in _PATTERN_FIRST or words[1:2] == ("print",)):
        return frozenset()
    if any(_PATTERN_OPTION.match(word) or is_marked(word[:1]) for word in words[start:]):
        return frozenset()
    return frozenset([index for index in range(start, len(words)) if not words[index].startswith("-")][:1])


def _spellings(word: str) -> Iterator[str]:
    """Spell what may be a path in one word: all of it, what follows `=`, what is written behind an option's letter."""
    name, _, value = word.partition("=")
    yield value
    if not word.startswith("-") or word == "-":
        yield word
    elif word.startswith("--"):
        yield ANY if is_marked(name) else ""
    else:
        letters = re.match(r"-[A-Za-z0-9]{0,12}", word)
        yield from (word[start:] for start in range(2, letters.end() + 1)) if letters else ()
