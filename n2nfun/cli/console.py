"""What all commands print with. Texts are printed as they are: a file named ``[b]`` is no markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["progress_bar", "say", "show_table"]


def say(text: str) -> None:
    """Print a line; a long one is left to the terminal to wrap."""
    Console().print(Text(text), soft_wrap=True)


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    lines: bool = False,
) -> None:
    """Print a table; the columns named in ``numbers`` stand to the right, and ``lines`` keep rows of several lines apart."""
    table = Table(title=title, title_justify="left", show_lines=lines)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def progress_bar() -> Progress:
    """Make a line of progress on standard error, on a terminal only, that vanishes when it is done."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
