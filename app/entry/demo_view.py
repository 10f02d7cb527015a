"""How the demo is shown: a table that fills while one watches, or plain lines where nobody does."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from app.terminal import printable


class View:
    """Shows the steps in the order they are known in; `names` are all of them."""

    def __init__(self, console: Console, names: Sequence[str]) -> None:
        self.console = console
        self.names = names
        self.seen: dict[str, tuple[float, str]] = {}
        self.began = time.monotonic()
        self._spinner = Spinner("dots")
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=10)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def see(self, name: str, detail: str) -> None:
        """Show that a step was observed, once."""
        self.seen[name] = (self.seconds, detail)
        if not self.console.is_terminal:
            self.say(f"{self.seconds:5.1f} s  {name}: {detail}")

    def say(self, text: str) -> None:
        """Show a line of its own."""
        self.console.print(Text(printable(text)), soft_wrap=True)

    @property
    def missing(self) -> list[str]:
        return [name for name in self.names if name not in self.seen]

    def _table(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(overflow="ellipsis", no_wrap=True)
        current = next(iter(self.missing), None)
        for name in self.names:
            table.add_row(*self._row(name, current))
        return Group("", table, "")

    def _row(self, name: str, current: str | None) -> tuple[RenderableType, ...]:
        if name in self.seen:
            seconds, detail = self.seen[name]
            when, what = Text(f"{seconds:4.1f} s", style="dim"), Text(printable(detail), style="dim")
            return Text("✓", style="green"), name, when, what
        if name == current:
            return self._spinner, Text(name, style="bold"), "", ""
        return "", Text(name, style="dim"), "", ""
