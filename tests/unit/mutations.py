"""Recorded lines of agents with anything in the place of one value."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from runner.agents.base import AgentEvent, Asked, Send

GOLDEN = Path(__file__).parents[1] / "golden" / "agents"
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800")
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2)
)


def recorded(name: str) -> list[bytes]:
    """Return the lines that an agent printed, without those that were said to it."""
    lines = (GOLDEN / f"{name}.jsonl").read_bytes().splitlines()
    return [line for line in lines if not line.startswith(b'{"dir": "in"')]


def all_recorded(pattern: str) -> list[bytes]:
    """Return the lines of all recordings that match."""
    return [line for path in sorted(GOLDEN.glob(pattern)) for line in recorded(path.name.removesuffix(".jsonl"))]


@st.composite
def mutated(draw: st.DrawFn, lines: list[bytes]) -> bytes:
    """Draw one of the lines and change one value in it, at any depth."""
    said: Any = json.loads(draw(st.sampled_from(lines)))
    place = said
    while True:
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            break
        place = place[key]
    place[key] = draw(_VALUES)
    return json.dumps(said).encode()


def write_down(events: Iterable[AgentEvent]) -> list[Asked]:
    """Write events down as whoever keeps them does; return the questions among them."""
    asked = []
    for event in events:
        if not isinstance(event, Send):
            json.dumps(asdict(event), ensure_ascii=False, default=str).encode()
        if isinstance(event, Asked):
            asked.append(event)
    return asked
