"""What every command may be told: where the configuration is, and how much to say of errors."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from app.settings import StateSettings
    from app.sources import Sources

S = TypeVar("S", bound="StateSettings")

Json = Annotated[bool, typer.Option("--json", help="print JSON, with the keys that this help names")]

ANYWHERE = {"--debug": False, "--config": True}
"""Options of `orch` itself that may stand after the command too, and whether a value follows."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `orch` itself."""

    config: Path | None = None
    debug: bool = False


def options_of(ctx: typer.Context) -> Options:
    """Return the options that were given before or after the command."""
    found = ctx.find_object(Options)
    assert found is not None
    return found


def bring_forward(argv: Sequence[str]) -> list[str]:
    """Move the options of `orch` itself before the command: people write them at the end."""
    front: list[str] = []
    rest: list[str] = []
    words = list(argv)
    while words and words[0] != "--":
        word = words.pop(0)
        name, _, value = word.partition("=")
        if name not in ANYWHERE:
            rest.append(word)
        elif ANYWHERE[name] and not value and words:
            front += [word, words.pop(0)]
        else:
            front.append(word)
    return [*front, *rest, *words]


def settings_for(ctx: typer.Context, kind: type[S]) -> S:
    """Read the settings of a command that does one thing and ends; its log says only what went wrong."""
    from app.log import configure
    from app.settings import find_sources

    settings = read(kind, find_sources(options_of(ctx).config))
    level = settings.log_level if settings.log_level in ("debug", "error") else "warning"
    configure(level, as_json=settings.log_json, secrets=settings.secrets())
    return settings


def read(kind: type[S], sources: "Sources") -> S:
    """Return the settings of that kind, with what a secret on AWS has of them."""
    from app.entry.secret_settings import read_with_secret

    return asyncio.run(read_with_secret(kind, sources))
