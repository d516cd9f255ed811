"""Prints the scores of a replay for a person: live beside offline, and each model version that answered."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline import comparison
from pipeline.comparison import Line


def show(lines: Sequence[Line], groups: Sequence[Mapping[str, Any]]) -> None:
    """Prints both sides of each score, and each model version's where more than one answered."""
    console = Console(highlight=False, markup=False)
    console.print(_table(["score", "live", "offline", "difference"], (_cells(line) for line in lines)))
    if len(groups) > 1:
        found = [comparison.live(group) for group in groups]
        rows = ([name, *(_number(scores[name]) for scores in found)] for name in comparison.NAMES)
        console.print(_table(["of model version", *(str(group["group"]) for group in groups)], rows))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*columns)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def _cells(line: Line) -> list[str]:
    return [line.name, _number(line.live), _number(line.offline), f"{line.difference:.1e}" if line.difference else "0"]


def _number(value: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6f}"
