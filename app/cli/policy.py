"""Commands about what agents may do. They only say it: nothing runs."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Json

STATUS = {"allow": 0, "deny": 1, "ask": 3}

Profile = Annotated[
    str, typer.Argument(metavar="PROFILE", help="plan-readonly, headless-safe, headless-permissive or trusted")
]


def check(
    profile: Profile,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="the agent's name of the tool, as in Bash, or its kind")],
    given: Annotated[str, typer.Argument(metavar="INPUT", help="JSON, or plain text: the command, path or address")],
    workspace: Annotated[
        Path, typer.Option(metavar="PATH", help="where paths begin; without it, the current directory")
    ] = Path(),
    as_json: Json = False,
) -> None:
    """Say what becomes of a tool call, by which rule and why.

    Exit status: 0 allow, 1 deny, 3 ask, 2 bad usage. JSON keys: effect, rule, why.
    """
    from app.cli.output import show_json
    from app.entry.policy import check_call
    from app.redaction import Redaction
    from app.terminal import printable

    ruling = check_call(profile, tool, given, workspace)
    if as_json:
        show_json(ruling.model_dump(mode="json"))
    else:
        typer.echo(printable(Redaction().text(f"{ruling.effect}: {ruling.why}")))
        typer.echo(printable(Redaction().text(f"  by {ruling.rule}")))
    raise typer.Exit(STATUS[ruling.effect])


def show(profile: Profile, as_json: Json = False) -> None:
    """List the rules of a profile: the first that fits counts.

    JSON keys: profile, about, needs_gate, unreadable (what becomes of a call that cannot be understood), rules (number,
    effect, rule).
    """
    from dataclasses import asdict

    from app.cli.output import show_json
    from app.entry.policy import profile_detail

    detail = profile_detail(profile)
    if as_json:
        show_json(asdict(detail))
        return
    gate = "It needs an agent that asks before each call." if detail.needs_gate else "It needs no gate."
    typer.echo(f"{detail.profile}: {detail.about} {gate}")
    for rule in detail.rules:
        typer.echo(f"{rule.number:>3}  {rule.rule}")
    typer.echo(f"  -  {detail.unreadable} what cannot be understood")


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="See what agents may do.", rich_markup_mode=None)
    group.command()(check)
    group.command()(show)
    cli.add_typer(group, name="policy")
