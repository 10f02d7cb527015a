"""Commands about tasks. They only read, also while Orch runs."""

import asyncio
from typing import Annotated

import typer

from app.cli.options import Json, settings_for

Name = Annotated[str, typer.Argument(metavar="OWNER/REPO#NUMBER", help="the task, as in acme/widgets#12")]


def list_(
    ctx: typer.Context,
    status: Annotated[str | None, typer.Option(help="only those with this status, as in needs_review")] = None,
    repo: Annotated[str | None, typer.Option(metavar="OWNER/REPO", help="only those of this repository")] = None,
    as_json: Json = False,
) -> None:
    """List tasks.

    JSON keys: task, status, attempt, agent, model, pull_request, branch, title, why, requested_by, runs, cost (US
    dollars as text, null if unknown), created_at.
    """
    from app.cli.output import show_rows
    from app.entry.tasks import list_tasks
    from app.settings import StateSettings

    rows = asyncio.run(list_tasks(settings_for(ctx, StateSettings), status, repo))
    columns = ("task", "status", "attempt", "agent", "pull_request", "title", "why")
    show_rows(rows, columns, as_json=as_json, none="There is no such task.")


def show(ctx: typer.Context, task: Name, as_json: Json = False) -> None:
    """Show all that is known of a task.

    JSON keys: task, title, status, why, notice, acts_next, attempt, agent, model, requested_by, branch, head_sha,
    pull_request, cost, created_at, current_run, past_runs, to_be_done, decisions.
    """
    from app.cli.output import show_fields
    from app.entry.tasks import detail, find_task
    from app.settings import StateSettings

    show_fields(detail(asyncio.run(find_task(settings_for(ctx, StateSettings), task))), as_json=as_json)


def why(ctx: typer.Context, task: Name) -> None:
    """Say why a task stands where it stands.

    One paragraph: its status and why, who acts next, what was tried and decided.
    """
    from app.entry.tasks import explain, find_task
    from app.redaction import Redaction
    from app.settings import StateSettings
    from app.terminal import printable

    said = explain(asyncio.run(find_task(settings_for(ctx, StateSettings), task)))
    typer.echo(printable(Redaction().text(said)))


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Look at tasks.", rich_markup_mode=None)
    group.command("list")(list_)
    group.command()(show)
    group.command()(why)
    cli.add_typer(group, name="task")
