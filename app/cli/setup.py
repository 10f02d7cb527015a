"""The command that makes the App."""

import asyncio
from typing import Annotated

import typer

from app.cli.options import options_of, settings_for


def setup(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(help="port of the page; 0 takes a free one")] = 0,
    replace: Annotated[bool, typer.Option("--replace", help="make an App in place of the one that .env names")] = False,
    browser: Annotated[bool, typer.Option(help="open a browser, if there is a display")] = True,
) -> None:
    """Make a GitHub App for Orch, on a page of this machine.

    The page asks for its name and owner, GitHub asks you to confirm, and the App's keys are written: to `.env` here,
    and to ORCH_STATE_DIR.
    """
    from app.entry.setup import Asked, run_setup
    from app.settings import SetupSettings

    asked = Asked(port, replace, browser)
    asyncio.run(run_setup(settings_for(ctx, SetupSettings), asked, typer.echo, options_of(ctx).config))


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(setup)
