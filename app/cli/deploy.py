"""Commands about Orch on AWS, as `template.yaml` makes it."""

import asyncio
from typing import Annotated

import typer

from app.cli.options import Json, options_of

Stack = Annotated[str, typer.Argument(metavar="STACK", help="the stack's name in CloudFormation")]


def check(stack: Stack, as_json: Json = False) -> None:
    """Examine a stack: its parts, the App that its secret names, and whether GitHub delivers to it.

    Region and credentials are found as the AWS CLI finds them. Exit status 1 if something keeps Orch from working. JSON
    keys: check, result (ok, note or failed), detail, advice.
    """
    from app.cli.output import show_rows
    from app.entry.aws_parts import open_clients
    from app.entry.check import Check, failed
    from app.entry.deploy import examine_stack, read_stack
    from infra.local.clock import SystemClock

    async def examine() -> list[Check]:
        with open_clients() as clients:
            return await examine_stack(await read_stack(clients, stack), clients, SystemClock())

    checks = asyncio.run(examine())
    show_rows(checks, ("result", "check", "detail", "advice"), as_json=as_json, none="")
    if failed(checks):
        raise typer.Exit(1)


def connect(ctx: typer.Context, stack: Stack) -> None:
    """Tell a stack of the App, and the App of the stack.

    Puts the App's id, key and webhook secret, as ORCH_APP_ID, ORCH_PRIVATE_KEY(_FILE) and ORCH_WEBHOOK_SECRET have them
    here, into the stack's secret, and makes the stack's address the App's webhook URL on GitHub.
    """
    from app.entry.aws_parts import open_clients
    from app.entry.deploy import read_stack
    from app.entry.deploy_connect import app_settings
    from app.entry.deploy_connect import connect as connect_to
    from infra.local.clock import SystemClock

    settings = app_settings(options_of(ctx).config)

    async def tell() -> list[str]:
        with open_clients() as clients:
            return await connect_to(await read_stack(clients, stack), settings, clients, SystemClock())

    for line in asyncio.run(tell()):
        typer.echo(line)


def settings(stack: Stack) -> None:
    """Print the settings with which commands here work on a stack, as lines for `.env`."""
    from app.entry.aws_parts import open_clients
    from app.entry.deploy import read_stack, settings_for

    async def read() -> dict[str, str]:
        with open_clients() as clients:
            return settings_for(await read_stack(clients, stack))

    for name, value in asyncio.run(read()).items():
        typer.echo(f"{name}={value}")


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Look after Orch on AWS.", rich_markup_mode=None)
    group.command()(connect)
    group.command()(check)
    group.command()(settings)
    cli.add_typer(group, name="deploy")
