"""Commands that mend what was lost or missed. They work while Orch runs over the same files."""

import asyncio
from typing import Annotated

import typer

from app.cli.options import Json, settings_for


def rebuild(
    ctx: typer.Context,
    task: Annotated[
        str | None, typer.Argument(metavar="OWNER/REPO#NUMBER", help="a task, as in acme/widgets#12")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="every issue that has or had Orch's labels")] = False,
    as_json: Json = False,
) -> None:
    """Read lost records back from GitHub.

    What the store has is kept: it knows more than GitHub. JSON keys: task, result.
    """
    from app.cli.output import show_rows
    from app.domain.errors import UserError
    from app.entry.mending import rebuild as run
    from app.settings import ServeSettings

    if (task is None) != everything:
        raise UserError("say either a task, as in acme/widgets#12, or --all")
    rows = asyncio.run(run(settings_for(ctx, ServeSettings), task))
    show_rows(rows, ("task", "result"), as_json=as_json, none="There is no task on GitHub.")


def sweep(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be done, and why")] = False,
    as_json: Json = False,
) -> None:
    """Look for what was missed, as Orch does when it starts.

    What is found is handled by `orch serve`.

    JSON keys: about (a task, a group, or a delivery's GUID), what (`redelivery`, or the event that is sent), found (the
    same in words); then (what would be done, in words), effects (the names of it) and why are only there with
    --dry-run, which leaves out what nothing follows from.
    """
    from app.cli.output import show_rows
    from app.entry.mending import sweep as run
    from app.settings import ServeSettings

    rows = asyncio.run(run(settings_for(ctx, ServeSettings), dry=dry_run))
    columns = ("about", "found", "then", "why") if dry_run else ("about", "found")
    show_rows(rows, columns, as_json=as_json, none="Nothing was missed.")


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(rebuild)
    cli.command()(sweep)
