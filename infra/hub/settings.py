"""What the hub is started with."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Seed:
    """What a new hub holds before anybody calls it.

    With a `source`, the repository starts with the branches of that repository on this machine instead of `files`.
    `branch` is the default one.
    """

    owner: str = "acme"
    repository: str = "widgets"
    private: bool = False
    people: tuple[tuple[str, str], ...] = (
        ("writer", "write"),
        ("maintainer", "admin"),
        ("triager", "triage"),
        ("stranger", "none"),
    )
    files: tuple[tuple[str, str], ...] = (("README.md", "# Widgets\n\nA place to try things out.\n"),)
    source: Path | None = None
    branch: str = "main"


@dataclass(frozen=True, slots=True)
class HubSettings:
    """How to start a hub.

    `state_dir` None means a temporary directory that goes with the hub. `seed` applies to an empty state only;
    None leaves it with an App and nothing else. `faults` is what PUT /_hub/faults takes.
    """

    state_dir: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    webhook_url: str | None = None
    webhook_secret: str = "orch-hub-secret"  # noqa: S105 - guards nothing but a hub on loopback
    app_slug: str = "orch"
    seed: Seed | None = field(default_factory=Seed)
    faults: dict[str, Any] = field(default_factory=dict)
