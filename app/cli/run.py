"""Commands about runs. They only read, also while Orch runs."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import Json, settings_for

if TYPE_CHECKING:
    from app.settings import StateSettings

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", help="the run's id, or how it begins")]


def show(ctx: typer.Context, run_id: RunId, as_json: Json = False) -> None:
    """Show all that is known of a run.

    JSON keys: run, state (at work; ended; given back, to be begun again; lost, with its runner), task, title, attempt,
    agent, model, outcome, reason, step, runner, started_at, ended_at, seconds, usage (tokens_in, tokens_out,
    tokens_cached, cost in US dollars as text; null if unknown), session, head_sha, transcript (its file).
    """
    from app.cli.output import show_fields
    from app.entry.run_view import show_run
    from app.settings import StateSettings

    show_fields(asyncio.run(show_run(settings_for(ctx, StateSettings), run_id)), as_json=as_json)


def log(
    ctx: typer.Context,
    run_id: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until the run has ended")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="the lines that the agent printed, as it printed them")] = False,
    as_json: Json = False,
) -> None:
    """Show what a run did.

    JSON is one object per line, with the keys at and type, and those of the event; with --raw: at, stream, text,
    truncated. Secrets are not in it. Times are this machine's.
    """
    from app.settings import StateSettings

    asyncio.run(_log(settings_for(ctx, StateSettings), run_id, follow=follow, raw=raw, as_json=as_json))


async def _log(settings: "StateSettings", run_id: str, *, follow: bool, raw: bool, as_json: bool) -> None:
    from app.entry.run_log import read_run

    async for said in read_run(settings, run_id, raw=raw, follow=follow):
        line = _line(said, raw=raw, as_json=as_json)
        if line or raw:
            typer.echo(line, color=True)  # or it would take colours out of what goes into a file


def _line(said: dict[str, Any], *, raw: bool, as_json: bool) -> str:
    """Return what is printed; only a terminal needs protection from what an agent printed."""
    import json

    from app.entry.run_log import describe, safe

    if as_json:
        return json.dumps(said)
    if raw:
        text = str(said.get("text", ""))
        return safe(text) if sys.stdout.isatty() else text
    return describe(said)


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Look at runs.", rich_markup_mode=None)
    group.command()(show)
    group.command()(log)
    cli.add_typer(group, name="run")
