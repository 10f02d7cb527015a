"""The command that examines this machine."""

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
    """Examine whether this machine can run agents, and try to get out of their sandbox.

    Exit status 1 if something fails that must not. JSON keys: check, result (ok, note or failed), detail, advice.
    """
    from app.cli.output import show_rows
    from app.domain.errors import UserError
    from app.entry.doctor import DoctorSettings, examine, failed
    from runner.sandbox import SandboxKind

    settings = settings_for(ctx, DoctorSettings)
    if sandbox is not None:
        if sandbox not in list(SandboxKind):
            raise UserError(f"there is no sandbox `{sandbox}`; known: {', '.join(SandboxKind)}")
        settings = settings.model_copy(update={"sandbox": SandboxKind(sandbox)})
    checks = asyncio.run(examine(settings, options_of(ctx).config))
    show_rows(checks, ("result", "check", "detail", "advice"), as_json=as_json, none="")
    if failed(checks):
        raise typer.Exit(1)


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(doctor)
