"""Graphs that GitHub draws: Mermaid in a code fence, whose labels others may have written.

A label keeps letters, digits and a few signs, so that nothing in it can end the label, the line or the fence, nor be
read as Markdown, HTML, an address or a directive, whichever version of Mermaid reads it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

LONGEST_LABEL = 40
MOST_ARROWS = 450
"""Mermaid draws no graph that has more than 500."""
_KEPT = frozenset(" ,.:()'/+-")
_ADDRESS = re.compile(r":/+|\bwww\.", re.IGNORECASE)
_FILLED = "color:#1f2328"
COLOURS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "closed": ("green", f"fill:#aceebb,stroke:#1a7f37,{_FILLED}"),
        "dropped": ("grey", f"fill:#d1d9e0,stroke:#59636e,{_FILLED}"),
        "person": ("orange", f"fill:#ffd8b5,stroke:#bc4c00,{_FILLED}"),
        "work": ("blue", f"fill:#b6e3ff,stroke:#0969da,{_FILLED}"),
        "review": ("violet", f"fill:#ecd8ff,stroke:#8250df,{_FILLED}"),
        "waits": ("yellow", f"fill:#fff8c5,stroke:#9a6700,{_FILLED}"),
        "others": ("white", f"fill:#ffffff,stroke:#59636e,stroke-dasharray:4,{_FILLED}"),
    }
)
"""What a box's kind looks like: the colour's name, and how Mermaid is told."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node: `name` tells it from the others, `number` is an issue's, `kind` is one of COLOURS or empty."""

    name: str
    title: str
    after: Sequence[str] = ()
    number: int | None = None
    kind: str = ""


def is_worth_drawing(boxes: Sequence[Box], most: int) -> bool:
    """Say whether there is something to see, and not too much for people nor for Mermaid."""
    return 1 < len(boxes) <= most and sum(len(box.after) for box in boxes) <= MOST_ARROWS


def draw(boxes: Sequence[Box]) -> str:
    """Draw boxes, and an arrow to each from those it comes after; names that are no box are left out."""
    ids = {box.name: f"n{index}" for index, box in enumerate(boxes, 1)}
    nodes = [f'    {ids[box.name]}["{_label(box)}"]{f":::{box.kind}" if box.kind else ""}' for box in boxes]
    arrows = [f"    {ids[name]} --> {ids[box.name]}" for box in boxes for name in box.after if name in ids]
    kinds = [f"    classDef {kind} {COLOURS[kind][1]}" for kind in COLOURS if any(box.kind == kind for box in boxes)]
    return "\n".join(["```mermaid", "graph LR", *nodes, *arrows, *kinds, "```"])


def _label(box: Box) -> str:
    if box.number is None:
        return f"{_safe(box.name)}: {_safe(box.title)}"
    return f"#35;{box.number} {_safe(box.title)}"


def _safe(text: str) -> str:
    signs = (sign if _is_kept(sign) else " " for sign in _ADDRESS.sub(" ", text))
    line = " ".join("".join(signs).split())
    return line if len(line) <= LONGEST_LABEL else f"{line[: LONGEST_LABEL - 1]}…"


def _is_kept(sign: str) -> bool:
    return sign in _KEPT or (sign.isprintable() and (sign.isalnum() or ord(sign) > 0xFF))
