"""A patch, line by line, as a page shows it."""

from infra.hub.patches import DiffLine, numbered

LIMIT = 2000


def diff_lines(patch: str) -> list[DiffLine]:
    """Number the lines of a patch; after 2,000 lines a note says how many are left out."""
    lines = patch.split("\n")
    shown = list(numbered(lines[:LIMIT]))
    if len(lines) > LIMIT:
        shown.append(DiffLine("note", f"{len(lines) - LIMIT} more lines are not shown"))
    return shown
