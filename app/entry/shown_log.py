"""The end of a run's log, as people see it on GitHub."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from app.domain.text import neutralise
from app.ports import Artifacts

LINES = 80
LONGEST = 8000
"""Characters of a log that are shown."""


def log_shower(artifacts: Artifacts) -> Callable[[str], Awaitable[str]]:
    """Return what renders the end of a run's log as markdown."""

    async def show(run_id: str) -> str:
        from app.entry.run_log import describe  # noqa: PLC0415 - seldom wanted, and it imports all of the runner
        from runner.transcript import events_key  # noqa: PLC0415

        data = await artifacts.read(events_key(run_id))
        if data is None:
            return f"Run `{run_id}` left no log (yet)."
        entries = [entry for line in data.splitlines() if (entry := _entry(line)) is not None]
        lines = [text for entry in entries[-2 * LINES :] if (text := describe(entry))]
        shown = "\n".join(lines[-LINES:])[-LONGEST:]
        head = f"The end of the log of run `{run_id}`; `orch run log {run_id}` shows all of it where Orch runs."
        return f"{head}\n\n{_fenced(shown)}"

    return show


def _fenced(text: str) -> str:
    """Show text as it is: nothing in a fence that is longer than any in the text counts as markup."""
    runs = [len(run) for run in re.findall("`+", text)]
    fence = "`" * max(3, 1 + max(runs, default=0))
    return f"{fence}text\n{neutralise(text, 2 * LONGEST)}\n{fence}"


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
