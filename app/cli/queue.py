"""Commands about the queues. They work while Orch runs over the same files."""

import asyncio
from typing import Annotated

import typer

from app.cli.options import Json, settings_for


def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """Count what lies on each queue.

    JSON keys: queue (events or jobs), waiting, in_flight, later (not to be received yet), dead (set aside).
    """
    from app.cli.output import show_rows
    from app.entry.queues import list_queues
    from app.settings import StateSettings

    rows = asyncio.run(list_queues(settings_for(ctx, StateSettings)))
    show_rows(rows, ("queue", "waiting", "in_flight", "later", "dead"), as_json=as_json, none="There is no queue.")


def dlq(ctx: typer.Context, as_json: Json = False) -> None:
    """List what was set aside, and why: what could not be understood, or failed too often.

    JSON keys: queue, id, kind, about, failures, died_at, reason (whole, where the table has its last line).
    """
    from app.cli.output import show_rows
    from app.entry.queues import list_dead
    from app.settings import StateSettings

    rows = asyncio.run(list_dead(settings_for(ctx, StateSettings)))
    columns = ("queue", "id", "kind", "about", "failures", "died_at", "last_reason")
    show_rows(rows, columns, as_json=as_json, none="Nothing was set aside.")


def redrive(
    ctx: typer.Context,
    dead_id: Annotated[str | None, typer.Argument(metavar="ID", help="its id, as `orch queue dlq` has it")] = None,
    everything: Annotated[bool, typer.Option("--all", help="put back all that was set aside")] = False,
    as_json: Json = False,
) -> None:
    """Put back what was set aside, to be handled again.

    JSON keys: queue, id.
    """
    from app.cli.output import show_rows
    from app.domain.errors import UserError
    from app.entry.queues import redrive as put_back
    from app.settings import StateSettings

    if (dead_id is None) != everything:
        raise UserError("say either an id (`orch queue dlq` lists them) or --all")
    rows = asyncio.run(put_back(settings_for(ctx, StateSettings), dead_id))
    show_rows(rows, ("queue", "id"), as_json=as_json, none="Nothing was set aside.")


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Look at queues and dead letters.", rich_markup_mode=None)
    group.command("list")(list_)
    group.command()(dlq)
    group.command()(redrive)
    cli.add_typer(group, name="queue")
