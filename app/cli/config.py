"""Commands about settings."""

from typing import Annotated

import typer

from app.cli.options import Json, options_of


def show(ctx: typer.Context, as_json: Json = False) -> None:
    """Show every setting, its value and where that was given; secrets are not shown.

    JSON keys: name, value (null if there is none), origin.
    """
    from app.cli.output import show_rows
    from app.domain.errors import UserError
    from app.entry.configuration import list_settings

    rows, problems = list_settings(options_of(ctx).config)
    show_rows(rows, ("name", "value", "origin"), as_json=as_json, none="There is no setting.")
    if problems:
        raise UserError("settings: " + "; ".join(problems))


def reference(
    keys: Annotated[bool, typer.Option("--keys", help="print that of the keys of a repository's .orch.yml")] = False,
) -> None:
    """Print the table of all settings in markdown."""
    from app.entry import configuration

    typer.echo(configuration.reference_of_keys() if keys else configuration.reference())


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Look at settings.", rich_markup_mode=None)
    group.command()(show)
    group.command()(reference)
    cli.add_typer(group, name="config")
