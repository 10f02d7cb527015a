"""The command line: thin commands over the entry points."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.local import register as register_local
from app.domain.errors import Permanent, UserError

cli = typer.Typer(name="orch", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@cli.callback()
def orch() -> None:
    """Turn labelled GitHub issues into merged pull requests."""


@cli.command()
def serve(
    runner: Annotated[bool, typer.Option(help="run agents in this process too")] = True,
) -> None:
    """Take webhooks and work on tasks; settings come from ORCH_* and .env."""
    from app.entry.serve import serve as run
    from app.settings import ServeSettings, read_settings

    settings = read_settings(ServeSettings)
    _configure_log(settings.log_level, as_json=settings.log_json)
    asyncio.run(run(settings, with_runner=runner))


@cli.command()
def runner() -> None:
    """Run agents for an `orch serve --no-runner` over the same state directory."""
    from app.entry.runner import run_runner
    from app.settings import ServeSettings, read_settings

    settings = read_settings(ServeSettings)
    _configure_log(settings.log_level, as_json=settings.log_json)
    asyncio.run(run_runner(settings))


@cli.command()
def hub(
    port: Annotated[int, typer.Option(help="0 takes a free one")] = 0,
    state: Annotated[Path | None, typer.Option(help="keep the state here; without it, it goes with the hub")] = None,
    webhook: Annotated[str | None, typer.Option(help="where webhooks go")] = None,
) -> None:
    """Run the local imitation of GitHub; prints what is needed to use it as one line of JSON."""
    from infra.hub.main import run_hub
    from infra.hub.settings import HubSettings

    run_hub(HubSettings(state_dir=state, port=port, webhook_url=webhook))


register_local(cli)


def _configure_log(level: str, *, as_json: bool) -> None:
    from app.log import configure

    configure(level, as_json=as_json)


def main() -> None:
    """Run the command line; a mistake of the user is one line and exit status 2."""
    try:
        cli()
    except (UserError, Permanent) as error:
        print(f"orch: {error}", file=sys.stderr)
        sys.exit(2)
