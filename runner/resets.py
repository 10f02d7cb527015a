"""When an agent's provider takes calls again, as far as the agent told."""

import re
from datetime import UTC, datetime, timedelta

from runner.story import Story

LONGEST = timedelta(days=8)
"""No provider's window is longer than a week; what an agent says of later ones is not believed."""
LONGEST_SAID = 2000
_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_PART = r"(\d{1,6}(?:\.\d{1,3})?) ?(days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)(?![A-Za-z])"
_IN = re.compile(
    rf"(?:try again|retry|retry.after|resets?|available again) ?(?:in|after)?:? ((?:{_PART}[, ]*(?:and )?){{1,4}})",
    re.I,
)
_EPOCH = re.compile(r"limit reached\|(\d{10})\b")


def reset_time(seconds: object) -> datetime | None:
    """Read a Unix time in seconds, as a provider's limits have it."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e11:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def limited_until(story: Story, reason: str, now: datetime) -> datetime | None:
    """Return when calls are taken again: by the agent's own event, else by its last words; None if neither tells."""
    until = reset_time(story.limited) or _said(reason[:LONGEST_SAID], now)
    return until if until is not None and now < until <= now + LONGEST else None


def _said(reason: str, now: datetime) -> datetime | None:
    if found := _EPOCH.search(reason):
        return reset_time(int(found[1]))
    if (found := _IN.search(reason)) is None:
        return None
    parts = re.findall(_PART, found[1], re.I)
    return now + timedelta(seconds=sum(float(count) * _SECONDS[unit[0].lower()] for count, unit in parts))
