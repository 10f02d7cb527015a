"""Listings: JSON for programs, tables for people, tab-separated lines where there is no terminal."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def show_rows(rows: Sequence["DataclassInstance"], columns: Sequence[str], *, as_json: bool, none: str) -> None:
    """Print the rows: every field as JSON, or the columns named; `none` is said to people if there is no row."""
    if as_json:
        show_json([asdict(row) for row in rows])
    elif not rows and sys.stdout.isatty():
        typer.echo(none)
    else:
        lines = [[_cell(getattr(row, name)) for name in columns] for row in rows]
        _show_table([name.replace("_", " ") for name in columns], lines)


def show_fields(row: "DataclassInstance", *, as_json: bool) -> None:
    """Print one thing, a line for each field."""
    if as_json:
        show_json(asdict(row))
        return
    for field in fields(row):
        value = getattr(row, field.name)
        for item in value if isinstance(value, tuple | list) else [value]:
            typer.echo(f"{field.name.replace('_', ' '):<16} {_cell(item)}".rstrip())


def show_json(value: Any) -> None:
    """Print a value as JSON, without secrets."""
    from app.redaction import Redaction

    plain = json.loads(json.dumps(value, default=_plain))
    typer.echo(json.dumps(Redaction().value(plain), indent=2))


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _cell(value: object) -> str:
    from app.redaction import Redaction
    from app.terminal import printable

    match value:
        case None:
            text = ""
        case Enum():
            text = str(value.value)
        case datetime():
            text = value.astimezone().isoformat(" ", "seconds")
        case tuple() | list():
            text = ", ".join(str(item) for item in value)
        case dict():
            text = ", ".join(f"{name}: {item}" for name, item in value.items())
        case _:
            text = str(value)
    return printable(Redaction().text(text))


def _show_table(names: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    if not sys.stdout.isatty():
        for line in [names, *lines]:
            typer.echo("\t".join(line))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    Console().print(table)
