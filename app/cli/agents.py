"""The command about agents."""

import asyncio

import typer

from app.cli.options import Json, settings_for


def agents(ctx: typer.Context, as_json: Json = False) -> None:
    """List agents: whether each can run here, its version, and what it lacks.

    JSON keys: name, used (named by ORCH_AGENTS), program (null if none is needed or found), version, ready, lanes
    (exec, gated), own_limits, resumes, lacks.
    """
    from app.cli.output import show_rows
    from app.entry.agents import list_agents
    from app.settings import AgentsSettings

    rows = asyncio.run(list_agents(settings_for(ctx, AgentsSettings)))
    columns = ("name", "used", "ready", "version", "lanes", "resumes", "lacks")
    show_rows(rows, columns, as_json=as_json, none="There is no agent.")


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(agents)
