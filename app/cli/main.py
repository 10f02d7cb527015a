"""The command line: thin commands over the entry points. What a command needs is imported when it runs."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from app.cli import (
    agents,
    backup,
    config,
    deploy,
    doctor,
    local,
    mend,
    notify,
    policy,
    queue,
    run,
    service,
    setup,
    task,
    usage,
)
from app.cli.options import Options, bring_forward
from app.domain.errors import Permanent, Retryable, UserError

LONGEST = 2000
EXPECTED = (UserError, Permanent, Retryable)
COMMANDS = (
    setup,
    service,
    local,
    task,
    queue,
    mend,
    backup,
    config,
    agents,
    run,
    usage,
    policy,
    notify,
    doctor,
    deploy,
)

cli = typer.Typer(name="orch", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"orch {version('orch-app')}")
        raise typer.Exit


@cli.callback()
def orch(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML file with settings; without it, orch.yml if it is there")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="say where in Orch an error came from")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Turn labelled GitHub issues into merged pull requests."""
    ctx.obj = Options(config, debug)


for module in COMMANDS:
    module.register(cli)


def main() -> None:
    """Run the command line; a mistake of the user is one line and exit status 2."""
    argv = bring_forward(sys.argv[1:])
    try:
        status = typer.main.get_command(cli).main(argv, prog_name="orch", standalone_mode=False)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        sys.exit(_report(error, debug="--debug" in argv))
    sys.exit(status if isinstance(status, int) else 0)


def _report(error: Exception, *, debug: bool) -> int:
    """Say what went wrong in one line, and return the exit status: 2, or 1 if it is a mistake of Orch itself."""
    from app.redaction import Redaction

    if debug:
        import traceback

        print(Redaction().text("".join(traceback.format_exception(error))), file=sys.stderr, end="")
    causes = list(_causes(error))
    text, status = _explain(next((cause for cause in causes if isinstance(cause, EXPECTED)), causes[0]))
    print(Redaction().text(text), file=sys.stderr)
    return status


def _explain(error: Exception) -> tuple[str, int]:
    match error:
        case UserError() | Permanent():
            return _line(str(error)), 2
        case Retryable():
            return _line(f"{error}; try again later"), 2
        case typer.Abort():
            return _line("stopped"), 130
        case typer.TyperException():
            return _usage(error)
        case OSError():
            return _line(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"), 2
        case _:
            return _line(f"a mistake of Orch itself (--debug says where): {type(error).__name__}: {error}"), 1


def _line(text: str) -> str:
    from app.terminal import printable

    line = printable(" ".join(text.split()))
    return f"orch: {line if len(line) <= LONGEST else line[:LONGEST] + '...'}"


def _usage(error: typer.TyperException) -> tuple[str, int]:
    """Say what is wrong with the command; of a group without a command, that is its help."""
    said = error.format_message() if hasattr(error, "format_message") else str(error)
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        return _line(said), 2
    if said == ctx.get_help():
        return said, 2
    return _line(f"{said} (see `{ctx.command_path} --help`)"), 2


def _causes(error: BaseException) -> Iterator[Exception]:
    """Look into groups: tasks that ended together were stopped by the first."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    elif isinstance(error, Exception):
        yield error
