"""Every handler, by hand."""

from collections.abc import Mapping
from typing import Any

from app.domain.snapshot import Handler
from handlers import (
    admission,
    checks,
    comments,
    config,
    family,
    installations,
    issue_life,
    issues,
    links,
    merging,
    pull_requests,
    repositories,
    reviews,
    routing,
    runs,
    schedule,
)

FAMILIES = (
    issues,
    issue_life,
    comments,
    pull_requests,
    reviews,
    checks,
    merging,
    runs,
    routing,
    links,
    family,
    admission,
    schedule,
    installations,
    repositories,
    config,
)

HANDLERS: Mapping[type[Any], Handler] = {handler.event: handler for family in FAMILIES for handler in family.HANDLERS}
