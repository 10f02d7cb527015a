"""What a tool call would do, read out of its input: the fields that agents have for it, none of them guessed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.domain.tools.commands import command_accesses, script_accesses
from app.domain.tools.globs import ANY, ONE, STAR
from app.domain.tools.shell import Unreadable
from app.domain.tools.uses import Access, ToolKind, ToolUse, kind_of, searches_names

_COMMANDS = ("command", "cmd")
_FOLDERS = ("cwd", "workdir", "working_directory", "directory", "dir_path")
_PATHS = (
    *(
        "file_path",
        "path",
        "filePath",
        "absolute_path",
        "notebook_path",
        "target_file",
        "file",
        "dir_path",
        "directory",
    ),
    *("from", "to", "source", "destination", "old_path", "new_path", "move_path", "filepath"),
)
_LISTS = ("paths", "files", "include", "locations", "changes", "fileChanges", "content")
_NO_PATHS = ("include", "content")
"""Fields which are text where they are not lists: what names must be like, what a file is to hold."""
_PATCHES = ("patch", "input", "patchText", "patch_text")
_ADDRESSES = ("url", "urls", "uri")
_QUESTIONS = ("query", "prompt")
_IN_PATCH = re.compile(r"^\*\*\* (?:(?:Add|Update|Delete) File|Move to): (.+)$", re.MULTILINE)
_LEAVES_ITS_SANDBOX = ("dangerouslyDisableSandbox", "with_escalated_permissions")


def read_use(call: ToolUse) -> tuple[str, tuple[Access, ...]]:
    """Return the folder in which a call begins, and all that it would do; raises Unreadable."""
    kind = kind_of(call.name)
    match kind:
        case ToolKind.SHELL:
            return _folder(call.input), tuple(_commands(call))
        case ToolKind.READ | ToolKind.WRITE | ToolKind.EDIT:
            return "", tuple(_files(call, kind))
        case ToolKind.SEARCH:
            return "", tuple(_searches(call))
        case ToolKind.FETCH:
            return "", tuple(_fetches(call))
        case _:
            return "", (Access(kind, call.name),)


def _commands(call: ToolUse) -> Iterator[Access]:
    if any(call.input.get(key) for key in _LEAVES_ITS_SANDBOX) or call.input.get("sandbox_permissions") not in (
        *(None, "", "use_default"),
    ):
        raise Unreadable("the command asks to leave the agent's own sandbox")
    given = [call.input[key] for key in _COMMANDS if call.input.get(key) is not None]
    if not given:
        raise Unreadable(f"`{call.name}` comes without a command")
    yield from _environment(call.input.get("env"))
    for command in given:
        match command:
            case str():
                yield from script_accesses(command)
            case [str(), *_] if all(isinstance(word, str) for word in command):
                yield from command_accesses(tuple(command))
            case _:
                raise Unreadable(f"the command of `{call.name}` is no text")


def _environment(env: object) -> Iterator[Access]:
    if env is None:
        return
    if not isinstance(env, Mapping):
        raise Unreadable("the environment of the command is not understood")
    for name, value in env.items():
        text = f"{name}={value}"
        yield Access(ToolKind.SHELL, text, variable=text)


def _folder(given: Mapping[str, Any]) -> str:
    folders = {given[key] for key in _FOLDERS if isinstance(given.get(key), str)}
    if len(folders) > 1 or any(given.get(key) is not None and not isinstance(given[key], str) for key in _FOLDERS):
        raise Unreadable("where the command runs is not understood")
    return folders.pop() if folders else ""


def _files(call: ToolUse, kind: ToolKind) -> Iterator[Access]:
    paths = tuple(_paths(call.input))
    if not paths:
        raise Unreadable(f"`{call.name}` comes without a path")
    yield _access(kind, paths)


def _searches(call: ToolUse) -> Iterator[Access]:
    paths = tuple(_paths(call.input)) or (".",)
    pattern = call.input.get("pattern")
    if searches_names(call.name) and isinstance(pattern, str) and _leaves(pattern):
        marked = pattern.replace("*", STAR).replace("?", ONE)
        paths = (*paths, ANY if re.search(r"[{\[]", pattern) else marked)
    yield _access(ToolKind.SEARCH, paths)


def _leaves(pattern: str) -> bool:
    """Say whether a glob may find what is not below the folder where it begins."""
    return ".." in pattern or re.search(r"(?:^|[{,(|])[/~]", pattern) is not None


def _fetches(call: ToolUse) -> Iterator[Access]:
    addresses = [address for key in _ADDRESSES for address in _texts(key, call.input.get(key))]
    for address in addresses:
        if address.strip().casefold().startswith("file:"):
            yield _access(ToolKind.READ, (_path(address.strip()),))
        else:
            yield Access(ToolKind.FETCH, address)
    if not addresses:
        asked = [call.input[key] for key in _QUESTIONS if isinstance(call.input.get(key), str)]
        if not asked:
            raise Unreadable(f"`{call.name}` comes without an address")
        yield Access(ToolKind.FETCH, asked[0])


def _access(kind: ToolKind, paths: tuple[str, ...]) -> Access:
    return Access(kind, f"{kind} {', '.join(paths)}", paths=paths)


def _paths(given: Mapping[str, Any]) -> Iterator[str]:
    for key in _PATHS:
        for path in _texts(key, given.get(key)):
            yield _path(path)
    for key in _LISTS:
        yield from _listed(key, given.get(key))
    for key in _PATCHES:
        if isinstance(given.get(key), str):
            yield from _patched(given[key])


def _texts(key: str, value: Any) -> Iterator[str]:
    """Return the text, or the list of them, that a field holds."""
    match value:
        case None:
            return
        case str():
            yield value
        case [*items] if all(isinstance(item, str) for item in items):
            yield from items
        case _:
            raise Unreadable(f"the field `{key}` is not understood")


def _listed(key: str, value: object) -> Iterator[str]:
    """Read paths where files are listed with more about each."""
    match value:
        case None:
            return
        case str():
            yield from () if key in _NO_PATHS else (_path(value),)
        case Mapping():
            for path, change in value.items():
                yield _path(str(path))
                yield from _moved(change)
        case [*items]:
            for item in items:
                yield from _item(key, item)
        case _:
            raise Unreadable(f"the field `{key}` is not understood")


def _item(key: str, item: object) -> Iterator[str]:
    match item:
        case str():
            yield _path(item.replace("*", STAR) if key == "include" else item)
        case {"path": str() as path}:
            yield _path(path)
            yield from _moved(item)
        case Mapping() if key == "content":
            return
        case _:
            raise Unreadable(f"the field `{key}` is not understood")


def _moved(change: object) -> Iterator[str]:
    """Find where a change moves its file."""
    if isinstance(change, Mapping):
        for value in (change.get("move_path"), change.get("movePath")):
            if isinstance(value, str):
                yield _path(value)
        for inner in (change.get("kind"), change.get("update")):
            yield from _moved(inner)


def _patched(text: str) -> Iterator[str]:
    found = _IN_PATCH.findall(text)
    if not found:
        raise Unreadable("a patch names no file")
    yield from (path.strip() for path in found)


def _path(path: str) -> str:
    return re.sub(r"^file:(?://)?", "", path, flags=re.IGNORECASE)
