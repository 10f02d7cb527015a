"""The command that examines how Orch is set up."""

import asyncio
from typing import Annotated

import typer

from app.cli.options import Json, options_of, settings_for


def doctor(
    ctx: typer.Context,
    sandbox: Annotated[
        str | None, typer.Option(metavar="KIND", help="examine `bubblewrap`, `uid` or `none` instead of what is set")
    ] = None,
    as_json: Json = False,
) -> None:
    """Examine the settings, the App with its webhook and permissions, the agents, and this machine.

    It also tries to get out of the agents' sandbox.
    Exit status 1 if something fails that must not. JSON keys: check, result (ok, note or failed), detail, advice.
    """
    from app.cli.output import show_rows
    from app.domain.errors import UserError
    from app.entry.check import failed
    from app.entry.doctor import DoctorSettings, examine, examine_set_up
    from runner.sandbox import SandboxKind

    settings = settings_for(ctx, DoctorSettings)
    if sandbox is not None:
        if sandbox not in list(SandboxKind):
            raise UserError(f"there is no sandbox `{sandbox}`; known: {', '.join(SandboxKind)}")
        settings = settings.model_copy(update={"sandbox": SandboxKind(sandbox)})
    config = options_of(ctx).config
    checks = [*asyncio.run(examine_set_up(config)), *asyncio.run(examine(settings, config))]
    show_rows(checks, ("result", "check", "detail", "advice"), as_json=as_json, none="")
    if failed(checks):
        raise typer.Exit(1)


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(doctor)
