"""A patch, line by line, as a page shows it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
LIMIT = 2000


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line: `kind` is hunk, added, removed, same or note; numbers count in the old and the new file."""

    kind: str
    text: str
    old: int | None = None
    new: int | None = None


def diff_lines(patch: str) -> list[DiffLine]:
    """Number the lines of a patch; after 2,000 lines a note says how many are left out."""
    lines = patch.split("\n")
    shown = list(_numbered(lines[:LIMIT]))
    if len(lines) > LIMIT:
        shown.append(DiffLine("note", f"{len(lines) - LIMIT} more lines are not shown"))
    return shown


def _numbered(lines: list[str]) -> Iterator[DiffLine]:
    old = new = 0
    for line in lines:
        sign, text = line[:1], line[1:]
        if sign == "@" and (hunk := HUNK.match(line)):
            old, new = int(hunk[1]), int(hunk[2])
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
