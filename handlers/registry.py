"""Every handler, by hand."""

from collections.abc import Mapping
from typing import Any

from app.domain.snapshot import Handler
from handlers import admission, config, installations, issues, pull_requests, runs, schedule

HANDLERS: Mapping[type[Any], Handler] = {
    handler.event: handler
    for family in (issues, pull_requests, runs, admission, schedule, installations, config)
    for handler in family.HANDLERS
}
