"""Prints a table: at full width in a pipe or a log, row by row on a terminal that is too narrow."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

MOST_NARROW = 3  # a table of no more columns is readable however it wraps
LOG_WIDTH = 10_000  # characters of a pipe or a log, which should not wrap: more than any table needs


def show(columns: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[str] = ()) -> None:
    """Prints rows of text; the first column and those named in ``left`` are aligned to the left, the others to the right."""
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 or column in left else "right")
    cells = [tuple(row) for row in rows]
    for row in cells:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else LOG_WIDTH
    console = Console(highlight=False, markup=False, width=width)
    if len(columns) > MOST_NARROW and Measurement.get(console, console.options, table).maximum >= console.width:
        console.print(*(_record(columns, row) for row in cells), sep="\n")
    else:
        console.print(table)


def _record(columns: Sequence[str], row: Sequence[str]) -> Table:
    """A row as lines of name and value, with an empty line below."""
    lines = Table.grid(padding=(0, 2))
    for name, value in zip(columns, row, strict=True):
        lines.add_row(name, value)
    lines.add_row()
    return lines
