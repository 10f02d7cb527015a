"""What runs used. The command only reads, also while Orch runs."""

import asyncio
from datetime import datetime
from typing import Annotated

import typer

from app.cli.options import Json, settings_for


def usage(
    ctx: typer.Context,
    by: Annotated[
        str | None, typer.Option(metavar="WHAT", help="run, task, repository, agent, model or day (UTC)")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="only runs that began on that day (UTC) or later"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Sum up what runs used, as far as it is known.

    JSON keys: by, since, undated (runs that are not counted, as their day is not known any more), rows and total.
    Each row has: name, about, runs, and tokens_in, tokens_out, tokens_cached, cost (US dollars as text), each with
    known (null if no run's is) and unknown_runs (how many are not in it).
    """
    from app.cli.output import show_json, show_rows
    from app.entry.usage import By, report_usage
    from app.settings import StateSettings

    report = asyncio.run(report_usage(settings_for(ctx, StateSettings), by, since.date() if since else None))
    if as_json:
        from dataclasses import asdict

        show_json(asdict(report))
        return
    columns = ["name", "runs", "tokens_in", "tokens_out", "tokens_cached", "cost"]
    if report.by is By.RUN:
        columns.insert(1, "about")
    rows = [*report.rows, report.total] if report.total.runs else []
    show_rows(rows, columns, as_json=False, none="No run has ended yet.")
    if report.undated:
        typer.echo(f"Not counted: earlier runs whose day is not known any more ({report.undated}).", err=True)


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(usage)
