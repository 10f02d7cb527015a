"""Commands about settings."""

import asyncio
from dataclasses import asdict
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


def explain(
    ctx: typer.Context,
    repo: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="read .orch.yml there, through GitHub, and lay it over")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say of each key of .orch.yml which value is in force, where it was given, and why it is no other.

    Without --repo, it is what repositories begin with. `orch config show` has the settings that they have no say in.

    JSON keys: repository (null without --repo), values (key, value, origin, where, why) and remarks. An origin is
    default, file, environment or repository.
    """
    from app.cli.output import show_json, show_rows
    from app.entry import explanation
    from app.redaction import Redaction
    from app.terminal import printable

    found = asyncio.run(explanation.explain(options_of(ctx).config, repo))
    if as_json:
        show_json(asdict(found))
        return
    show_rows(found.values, ("key", "value", "where", "why"), as_json=False, none="There is no key.")
    for line in "\n".join(found.remarks).splitlines():
        typer.echo(printable(Redaction().text(line)), err=True)


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
    group.command()(explain)
    group.command()(reference)
    cli.add_typer(group, name="config")
