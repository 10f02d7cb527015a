"""What of a repository's files is not there in a run: those in Git LFS, and those of submodules."""

import re
from collections.abc import Iterator, Sequence

from app.domain.base import Value
from app.domain.text import one_line

ATTRIBUTES, MODULES = ".gitattributes", ".gitmodules"
MOST = 100
"""Patterns and paths that are remembered of a repository."""
SHOWN = 5
_MACRO = "[attr]"
_SECTION = re.compile(r'\s*\[\s*submodule\s+"')
_PATH = re.compile(r'\s*path\s*=\s*"?(.*?)"?\s*$')


class Absent(Value):
    """Patterns of files of which a checkout has pointers only, and paths of folders that are empty in it."""

    lfs: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()


def lfs_patterns(text: str, folder: str = "") -> tuple[str, ...]:
    """List the patterns that a `.gitattributes` file in a folder (empty: the root) puts into Git LFS."""
    found: dict[str, bool] = {}
    words = {"filter=lfs"}
    for pattern, attributes in _lines(text):
        told = [word for word in attributes if word in words or word.lstrip("-!").split("=")[0] == "filter"]
        if not told:
            continue
        if pattern.startswith(_MACRO):
            words |= {pattern.removeprefix(_MACRO)} if told[-1] in words else set()
        else:
            found[pattern] = told[-1] in words
    return tuple(f"{folder}/{pattern.lstrip('/')}" if folder else pattern for pattern in found if found[pattern])[:MOST]


def submodule_paths(text: str) -> tuple[str, ...]:
    """List where a `.gitmodules` file has submodules."""
    paths, inside = [], False
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            inside = bool(_SECTION.match(line))
        elif inside and (told := _PATH.match(line)):
            paths.append(told[1].rstrip("/"))
    return tuple(dict.fromkeys(path for path in paths if path))[:MOST]


def describe_absent(absent: Absent) -> tuple[str, ...]:
    """Say it to people and agents, each kind in a sentence."""
    sentences = []
    if absent.lfs:
        unseen = "the agent sees pointers, and a change to them cannot be delivered"
        sentences.append(f"{name_some(absent.lfs)} are in Git LFS: {unseen}.")
    if len(absent.submodules) == 1:
        sentences.append(f"{name_some(absent.submodules)} is a submodule; its files are not there in the run.")
    elif absent.submodules:
        sentences.append(f"{name_some(absent.submodules)} are submodules; their files are not there in the run.")
    return tuple(sentences)


def name_some(names: Sequence[str]) -> str:
    """Name the first few of them."""
    more = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    *shown, last = [*(f"`{one_line(name, 100)}`" for name in names[:SHOWN]), *more]
    return f"{', '.join(shown)} and {last}" if shown else last


def _lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """Split lines into what they are about, which may be quoted, and its attributes."""
    for line in text.splitlines():
        if quoted := re.match(r'\s*"((?:[^"\\]|\\.)*)"(.*)', line):
            yield re.sub(r"\\(.)", r"\1", quoted[1]), quoted[2].split()
        elif (words := line.split()) and not words[0].startswith("#"):
            yield words[0], words[1:]
