"""How many requests GitHub still allows, as its answers tell."""

import re
from collections.abc import Mapping
from datetime import datetime

from app.metrics import QUOTA
from app.telemetry import is_measured

RESOURCE = re.compile("[a-z_]{1,40}")


class Quota:
    """Measures what is left of each limit, for the credential that has least left in its hour."""

    def __init__(self) -> None:
        self._left: dict[str, dict[str, tuple[float, int]]] = {}

    def note(self, key: str, headers: Mapping[str, str], now: datetime) -> None:
        """Read an answer to a request of a credential; one that tells nothing changes nothing."""
        if not is_measured():
            return
        resource = headers.get("x-ratelimit-resource", "core")
        try:
            left, until = int(headers["x-ratelimit-remaining"]), float(headers["x-ratelimit-reset"])
        except (KeyError, ValueError):
            return
        if RESOURCE.fullmatch(resource):
            known = self._left.get(resource, {}) | {key: (until, left)}
            known = {one: hour for one, hour in known.items() if one == key or hour[0] > now.timestamp()}
            self._left[resource] = known
            QUOTA.record(min(count for _, count in known.values()), resource=resource)
