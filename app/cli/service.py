"""Commands that run until they are stopped."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import options_of
from app.domain.errors import Permanent, UserError

if TYPE_CHECKING:
    from app.settings import ServeSettings


def serve(
    ctx: typer.Context,
    runner: Annotated[bool, typer.Option(help="run agents in this process too")] = True,
) -> None:
    """Take webhooks and work on tasks.

    SIGTERM or Ctrl-C ends it in order, within ORCH_DRAIN_SECONDS; a second one ends it at once. Nothing is lost
    either way.
    """
    from app.entry.serve import serve as run

    settings = _settings(ctx)
    _run(run(settings, with_runner=runner))


def runner(ctx: typer.Context) -> None:
    """Run agents beside an `orch serve --no-runner`.

    Both work over the same state directory.
    """
    from app.entry.runner import run_runner

    _run(run_runner(_settings(ctx)))


def hub(
    port: Annotated[int, typer.Option(help="0 takes a free one")] = 0,
    state: Annotated[Path | None, typer.Option(help="keep the state here; without it, it goes with the hub")] = None,
    webhook: Annotated[str | None, typer.Option(help="where webhooks go")] = None,
) -> None:
    """Run the local imitation of GitHub.

    It prints what is needed to use it as one line of JSON.
    """
    from infra.hub.main import run_hub
    from infra.hub.settings import HubSettings

    run_hub(HubSettings(state_dir=state, port=port, webhook_url=webhook))


def _settings(ctx: typer.Context) -> "ServeSettings":
    from app.log import configure
    from app.settings import ServeSettings, read_settings

    settings = read_settings(ServeSettings, options_of(ctx).config)
    configure(settings.log_level, as_json=settings.log_json, secrets=settings.secrets())
    return settings


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; what ends it by mistake is logged with its traceback, which nobody could ask for later."""
    from app.log import log

    try:
        asyncio.run(work)
    except (UserError, Permanent):
        raise
    except Exception:
        log().exception("ended by a mistake of Orch itself")
        raise


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    for command in (serve, runner, hub):
        cli.command()(command)
