"""Patches, line by line: what each line is, and where a comment on it stands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line: `kind` is hunk, added, removed, same or note; numbers count in the old and the new file."""

    kind: str
    text: str
    old: int | None = None
    new: int | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A line that can be commented on. `position` counts from the first hunk's header, `hunk` ends with the line."""

    side: str
    line: int
    position: int
    hunk: str


def numbered(lines: list[str]) -> Iterator[DiffLine]:
    """Tell of each line of a patch what it is."""
    old = new = 0
    for line in lines:
        sign, text = line[:1], line[1:]
        if sign == "@" and (hunk := HUNK.match(line)):
            old, new = int(hunk[1]), int(hunk[3])
            yield DiffLine("hunk", line)
        elif sign == "+":
            yield DiffLine("added", text, new=new)
            new += 1
        elif sign == "-":
            yield DiffLine("removed", text, old=old)
            old += 1
        elif sign == "\\":
            yield DiffLine("note", text.strip())
        else:
            yield DiffLine("same", text, old, new)
            old, new = old + 1, new + 1


def anchor_at_line(patch: str, side: str, line: int) -> Anchor | None:
    """Find a line by its number: in the old file where `side` is LEFT, else in the new one."""
    for position, one in enumerate(numbered(patch.split("\n"))):
        if line == (one.old if side == "LEFT" else one.new):
            return Anchor(side, line, position, _hunk(patch, position))
    return None


def anchor_at_position(patch: str, position: int) -> Anchor | None:
    """Find a line by how far below the first hunk's header it stands."""
    lines = list(numbered(patch.split("\n")))
    one = lines[position] if 0 < position < len(lines) else DiffLine("note", "")
    side, line = ("LEFT", one.old) if one.kind == "removed" else ("RIGHT", one.new)
    return None if line is None else Anchor(side, line, position, _hunk(patch, position))


def line_after(patch: str, line: int) -> int | None:
    """Say where an old line is after a patch without context lines; None if it was changed or removed."""
    shift = 0
    for hunk in map(HUNK.match, patch.split("\n")):
        if hunk is None:
            continue
        start, removed, added = int(hunk[1]), int(hunk[2] or 1), int(hunk[4] or 1)
        if start <= line < start + removed:
            return None
        if line < start + (removed == 0):
            break
        shift += added - removed
    return line + shift


def _hunk(patch: str, position: int) -> str:
    lines = patch.split("\n")[: position + 1]
    first = max(number for number, line in enumerate(lines) if HUNK.match(line))
    return "\n".join(lines[first:])
