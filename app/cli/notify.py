"""The command that tries notifications."""

import asyncio
from dataclasses import dataclass

import typer

from app.cli.options import Json, settings_for


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a rule; `detail` says why it failed."""

    rule: str
    result: str
    detail: str


def try_all(ctx: typer.Context, as_json: Json = False) -> None:
    """Send a notice by every rule of ORCH_NOTIFY, and say what came of it.

    Exit status 1 if one failed. JSON keys: rule, result (sent or failed), detail.
    """
    from app.cli.output import show_rows
    from app.entry.notifying import NotifySettings, try_rules

    told = asyncio.run(try_rules(settings_for(ctx, NotifySettings)))
    rows = [Tried(one.rule, "sent" if one.failed is None else "failed", one.failed or "") for one in told]
    show_rows(rows, ("result", "rule", "detail"), as_json=as_json, none="")
    if any(one.failed is not None for one in told):
        raise typer.Exit(1)


def register(cli: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(no_args_is_help=True, help="Tell people outside GitHub.", rich_markup_mode=None)
    group.command("test")(try_all)
    cli.add_typer(group, name="notify")
