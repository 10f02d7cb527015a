"""Commands that keep the state of this machine, and put it back."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Json, settings_for


def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a new file; - is standard output")],
    as_json: Json = False,
) -> None:
    """Copy queue, store and artifacts to one file, while Orch runs.

    All that Orch took before is in it. Settings and keys are not.

    JSON keys: made_at (all before it is in), files, bytes, store (whether there was one).
    """
    from app.cli.output import show_fields
    from app.entry.backup import back_up
    from app.settings import StateSettings

    kept = back_up(settings_for(ctx, StateSettings), _named(file))
    if _named(file):
        show_fields(kept, as_json=as_json)


def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="what `orch backup` wrote; - is standard input")],
    store: Annotated[
        bool, typer.Option(help="with --no-store, records are read back from GitHub, which may know more")
    ] = True,
    as_json: Json = False,
) -> None:
    """Put a backup back where there is no state yet, and Orch does not run.

    JSON keys: made_at (all before it is in), files, bytes, store (whether the backup has one).
    """
    from app.cli.output import show_fields
    from app.entry.restore import restore as put_back
    from app.settings import StateSettings

    show_fields(put_back(settings_for(ctx, StateSettings), _named(file), with_store=store), as_json=as_json)


def _named(file: Path) -> Path | None:
    return None if str(file) == "-" else file


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(backup)
    cli.command()(restore)
