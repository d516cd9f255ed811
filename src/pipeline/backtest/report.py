"""The scores of a backtest as a table, beside those of another one where they are to be compared."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.backtest.folds import BacktestImpossible
from pipeline.support import console_table

Scores = Mapping[str, Any]
COUNTS = {"trained_rows": "trained on", "rows": "rows"}
SCORES = {
    "base_rate": "base rate",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "brier": "Brier",
    "calibration_error": "ECE",
}


def mean(scores: Sequence[Scores]) -> dict[str, Any]:
    """The mean of each number over the periods in which it is defined: a short period counts as much as a long one."""
    defined = {name: [row[name] for row in scores if row[name] is not None] for name in scores[0] if name != "period"}
    return {"period": "mean", **{name: sum(of) / len(of) if of else None for name, of in defined.items()}}


def read(path: Path, periods: Sequence[str]) -> list[Scores]:
    """The scores of another backtest, and their mean. Raises BacktestImpossible where they are not of these periods."""
    try:
        others: list[Scores] = json.loads(path.read_text(encoding="utf-8"))["periods"]
        names = [row["period"] for row in others]
    except (ValueError, KeyError, TypeError) as error:
        raise BacktestImpossible(f"{path} should be a file that --json wrote; it is not. Name such a file.") from error
    if names != list(periods):
        raise BacktestImpossible(
            f"{path} should hold the {len(periods)} periods from {periods[0]} to {periods[-1]}; it holds {len(names)}, from "
            f"{names[0]} to {names[-1]}. Write it anew with the same period, initial and data."
        )
    return [*others, mean(others)]


def show(scores: Sequence[Scores], others: Sequence[Scores]) -> None:
    """Prints a row for each period; in brackets how a score differs from that of ``others``, if there are such."""
    pairs = zip(scores, others or [{}] * len(scores), strict=True)
    lines = (
        [row["period"], *(f"{row[name]:,.0f}" for name in COUNTS), *(_text(row[name], other.get(name)) for name in SCORES)]
        for row, other in pairs
    )
    console_table.show(["period", *(COUNTS | SCORES).values()], lines)


def _text(value: float | None, other: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.4f}" if other is None or other == value else f"{value:.4f} ({value - other:+.4f})"
