"""Commands for one repository on this machine."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

Repo = Annotated[Path, typer.Option("--repo", help="the repository, or a folder in it")]
State = Annotated[Path | None, typer.Option("--state", help="where its state is kept, if not in ~/.local/state/orch")]
Agent = Annotated[str, typer.Option("--agent", help="who works on issues; `script` runs their bash blocks")]


def local(
    repo: Repo = Path(),
    agent: Agent = "script",
    base: Annotated[str | None, typer.Option(help="the branch that work starts from and is merged into")] = None,
    port: Annotated[int, typer.Option(help="port of the page; 0 takes that of last time, or a free one")] = 0,
    state: State = None,
) -> None:
    """Run hub and Orch for a git repository on this machine, with nothing but it.

    Work comes back as branches of the repository itself. Ctrl-C ends it in order, a second one at once.
    """
    from app.entry.local import run_local
    from app.entry.local_place import find_place
    from app.entry.local_settings import Wish

    asyncio.run(run_local(find_place(repo, state), Wish(agent, base, port), _tell))


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="leave it up afterwards, until Ctrl-C")] = False,
    agent: Agent = "script",
) -> None:
    """Watch a labelled issue become a merged pull request, on this machine; 0 only if every step was observed."""
    from app.entry.demo import run_demo
    from app.entry.local_settings import Wish

    raise typer.Exit(0 if asyncio.run(run_demo(Wish(agent), keep=keep)) else 1)


def _tell(line: str) -> None:
    typer.echo(line)


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(local)
    cli.command()(demo)
