"""Prints a table for a person, as wide as it needs to be where nobody watches."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

LOG_WIDTH = 200  # columns of a pipe or a log, which wrap nothing


def show(columns: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[str] = ()) -> None:
    """Prints rows of text; the first column and those named in ``left`` are aligned to the left, the others to the right."""
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 or column in left else "right")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else LOG_WIDTH
    Console(highlight=False, markup=False, width=width).print(table)
