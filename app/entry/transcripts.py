"""The transcripts that runs left on this machine. They are read as they grow, which the port of artifacts cannot."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from app.domain.outcomes import Usage, total
from app.settings import StateSettings
from runner.agents.base import Started, UsageReport
from runner.event_json import event_of
from runner.transcript import events_key, stream_key

LAST = 4096
"""Bytes that hold the last event of a run that has ended."""

Entry = dict[str, Any]


def events_file(settings: StateSettings, run_id: str) -> Path:
    """Return the file with a run's events."""
    return settings.state_dir / "artifacts" / events_key(run_id)


def stream_file(settings: StateSettings, run_id: str) -> Path:
    """Return the file with a run's output."""
    return settings.state_dir / "artifacts" / stream_key(run_id)


def left_ids(settings: StateSettings) -> list[str]:
    """List the runs that left a transcript."""
    folder = events_file(settings, "any").parent.parent
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


class Tail:
    """Reads a file of JSON lines as far as there are whole ones, and goes on from there."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, 0

    def read(self) -> Iterator[Entry]:
        """Yield what is new; a line that is torn is passed over."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._at += len(line)
                if (said := _object(line)) is not None:
                    yield said


def _object(line: bytes) -> Entry | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def has_ended(settings: StateSettings, run_id: str) -> bool:
    """Say whether the run's last event is that it ended."""
    path = events_file(settings, run_id)
    if not path.exists():
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LAST))
        lines = file.read().splitlines()
    return bool(lines) and (_object(lines[-1]) or {}).get("type") == "run_ended"


def time_of(said: Entry) -> datetime | None:
    """Return when it was said."""
    try:
        return datetime.fromisoformat(said["at"])
    except (LookupError, TypeError, ValueError):
        return None


@dataclass(slots=True)
class Gathered:
    """What a run's events tell of it as a whole."""

    started_at: datetime | None = None
    last_at: datetime | None = None
    session: str | None = None
    model: str | None = None
    usage: Usage = field(default_factory=Usage)
    has_ended: bool = False


def gather(entries: Iterable[Entry]) -> Gathered:
    """Read a run's events; what was used is known only if there was a report, and each report knew it."""
    gathered, reports = Gathered(), list[Usage]()
    for said in entries:
        gathered.last_at = time_of(said) or gathered.last_at
        gathered.started_at = gathered.started_at or gathered.last_at
        gathered.has_ended = said.get("type") == "run_ended"
        match event_of(said):
            case Started(session=session, model=model):
                gathered.session, gathered.model = session or gathered.session, model or gathered.model
            case UsageReport() as report:
                reports.append(_usage(report))
    gathered.usage = total(reports) if reports else Usage()
    return gathered


def _usage(report: UsageReport) -> Usage:
    return Usage(
        tokens_in=report.tokens_in,
        tokens_out=report.tokens_out,
        tokens_cached=report.tokens_cached,
        cost=report.cost,
    )
