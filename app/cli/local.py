"""Commands for one repository on this machine."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

Repo = Annotated[Path, typer.Option("--repo", help="the repository, or a folder in it")]
State = Annotated[Path | None, typer.Option("--state", help="where its state is kept, if not in ~/.local/state/orch")]
Sandbox = Annotated[
    str | None,
    typer.Option("--sandbox", help="what isolates agents: bubblewrap, uid or none; the best there is, if not given"),
]
Agent = Annotated[str, typer.Option("--agent", help="who works on issues; `script` runs their bash blocks")]


def local(
    *,
    repo: Repo = Path(),
    agent: Agent = "script",
    base: Annotated[str | None, typer.Option(help="the branch that work starts from and is merged into")] = None,
    port: Annotated[int, typer.Option(help="port of the page; 0 takes that of last time, or a free one")] = 0,
    state: State = None,
    sandbox: Sandbox = None,
) -> None:
    """Run hub and Orch for a git repository.

    All of it is on this machine and needs no network. Work comes back as branches of the repository itself. Ctrl-C
    ends it in order, a second one at once.
    """
    from app.entry.local import run_local
    from app.entry.local_place import find_place
    from app.entry.local_settings import Wish

    asyncio.run(run_local(find_place(repo, state), Wish(agent, base, port, sandbox), _tell))


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="leave it up afterwards, until Ctrl-C")] = False,
    agent: Agent = "script",
    sandbox: Sandbox = None,
) -> None:
    """Watch an issue become a merged pull request.

    A sample repository is served on this machine. The exit status is 0 only if every step was observed.
    """
    from app.entry.demo import run_demo
    from app.entry.local_settings import Wish

    raise typer.Exit(0 if asyncio.run(run_demo(Wish(agent, sandbox=sandbox), keep=keep)) else 1)


def new(
    title: Annotated[str, typer.Argument(help="what is to be done, in one line")],
    body: Annotated[str, typer.Option(help="more about it, in Markdown; `-` reads it from standard input")] = "",
    label: Annotated[list[str] | None, typer.Option(help="a label; `orch` starts the work; may be repeated")] = None,
    repo: Repo = Path(),
    state: State = None,
) -> None:
    """Open an issue at the hub of `orch local`."""
    from app.entry.local_issue import new_issue
    from app.entry.local_place import find_place

    text = typer.get_text_stream("stdin").read() if body == "-" else body
    _tell(asyncio.run(new_issue(find_place(repo, state), title, text, label or [])))


def enqueue(
    files: Annotated[list[Path], typer.Argument(help="YAML files with tickets, one in each document")],
    again: Annotated[bool, typer.Option("--again", help="make new issues though these tickets have some")] = False,
    repo: Repo = Path(),
    state: State = None,
) -> None:
    """Make issues of tickets in YAML files.

    They are made at the hub of the `orch local` that runs for the repository. A ticket has `title` and, if wanted,
    `body`, `labels` (`orch` starts the work), `priority` (high, normal, low), `locks` (paths), `depends_on` (keys or
    titles of tickets of this batch, or issues as '#3') and `key`, a name for others to depend on. What it depends on
    blocks the issue on GitHub until that is closed as completed; two tasks that lock the same paths do not run at once.
    If any ticket is bad, none is made. A ticket that has an issue already gets no second one.
    """
    from app.entry.enqueue import enqueue_files
    from app.entry.local_place import find_place

    asyncio.run(enqueue_files(find_place(repo, state), files, _tell, _complain, again=again))


def watch(
    folder: Annotated[Path, typer.Argument(help="where ticket files (.yml, .yaml) are put")],
    repo: Repo = Path(),
    state: State = None,
) -> None:
    """Make issues of tickets put into a folder.

    `orch enqueue --help` says what they hold; Ctrl-C ends it. A file that is done goes to `done/`; a bad one is refused
    with file, line and field, and stays where it is.
    """
    from app.entry.local_place import find_place
    from app.entry.watch import watch_folder

    asyncio.run(watch_folder(find_place(repo, state), folder, _tell))


def _tell(line: str) -> None:
    from app.terminal import printable

    typer.echo(printable(line))


def _complain(line: str) -> None:
    from app.terminal import printable

    typer.echo(printable(line), err=True)


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    issue = typer.Typer(no_args_is_help=True, help="Work with issues at the hub of `orch local`.")
    issue.command()(new)
    cli.add_typer(issue, name="issue")
    for command in (local, demo, enqueue, watch):
        cli.command()(command)
