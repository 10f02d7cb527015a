"""Commands that run until they are stopped."""

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import options_of, read
from app.domain.errors import Permanent, UserError

if TYPE_CHECKING:
    from app.settings import RunnerSettings, ServeSettings

Backend = Annotated[str | None, typer.Option(help="`local` or `aws`: where queues and state are (ORCH_BACKEND)")]


def serve(
    ctx: typer.Context,
    runner: Annotated[bool, typer.Option(help="run agents in this process too")] = True,
    backend: Backend = None,
) -> None:
    """Take webhooks and work on tasks.

    With --backend aws as many of these as one likes share the work. SIGTERM or Ctrl-C ends it in order, within
    ORCH_DRAIN_SECONDS; a second one ends it at once. Nothing is lost either way.
    """
    from app.entry.serve import serve as run

    _run(run(_settings(ctx, backend), with_runner=runner))


def runner(ctx: typer.Context, backend: Backend = None) -> None:
    """Run agents beside an `orch serve --no-runner`.

    Both work over the same state directory; with --backend aws over the same queues, with nothing of the App, and until
    there was no job for ORCH_IDLE_SECONDS.
    """
    from app.entry.runner import run_runner

    _run(run_runner(_runner_settings(ctx, backend)))


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


def _settings(ctx: typer.Context, backend: str | None) -> "ServeSettings":
    from app.settings import ServeSettings, find_sources

    settings = read(ServeSettings, find_sources(options_of(ctx).config, _given(backend)))
    _log(settings)
    return settings


def _runner_settings(ctx: typer.Context, backend: str | None) -> "RunnerSettings":
    """Ask for nothing of the App where the runner reports to others."""
    from app.settings import RunnerSettings, demand, find_sources

    sources = find_sources(options_of(ctx).config, _given(backend))
    if "backend" not in sources.given or sources.given["backend"].value != "aws":
        return _settings(ctx, backend)
    settings = demand(RunnerSettings, sources)
    _log(settings)
    return settings


def _given(backend: str | None) -> Mapping[str, str]:
    return {"backend": backend} if backend else {}


def _log(settings: "RunnerSettings") -> None:
    from app.log import configure

    configure(settings.log_level, as_json=settings.log_json, secrets=settings.secrets())


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
