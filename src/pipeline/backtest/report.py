"""The scores of a backtest as a table, beside those of another one where they are to be compared."""

import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pipeline.backtest.folds import BacktestImpossible, Sample
from pipeline.support import console_table

Scores = Mapping[str, Any]
COUNTS = {"trained_rows": "trained on", "rows": "rows"}
BASE_RATE = "base_rate"  # the same in any backtest of these rows
SCORES = {
    BASE_RATE: "base rate",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "brier": "Brier",
    "calibration_error": "ECE",
}


def mean(scores: Sequence[Scores]) -> dict[str, Any]:
    """The mean of each number over the periods in which it is defined: a short period counts as much as a long one."""
    defined = {name: [row[name] for row in scores if row[name] is not None] for name in scores[0] if name != "period"}
    return {"period": "mean", **{name: sum(of) / len(of) if of else None for name, of in defined.items()}}


def read(path: Path, samples: Sequence[Sample]) -> list[Scores]:
    """The scores of another backtest, and their mean. Raises BacktestImpossible where they are not of these samples."""
    if not path.is_file():
        raise BacktestImpossible(
            f"AGAINST should name a file that JSON wrote (--against and --json); there is no file {path}. Correct the path."
        )
    try:
        others: list[Scores] = json.loads(path.read_text(encoding="utf-8"))["periods"]
        found = [Sample(*(row[name] for name in Sample._fields)) for row in others]
    except (ValueError, KeyError, TypeError) as error:
        raise BacktestImpossible(f"{path} should be a file that --json wrote; it is not. Name such a file.") from error
    for wanted, other in zip_longest(samples, found):
        if wanted != other:
            raise BacktestImpossible(
                f"{path} should hold the scores of the same rows and labels; "
                f"where this backtest has {_described(wanted)}, it has {_described(other)}. "
                "Write it anew with the same period, initial and data."
            )
    return [*others, mean(others)]


def show(scores: Sequence[Scores], others: Sequence[Scores]) -> None:
    """Prints a row for each period; in brackets how a score differs from that of ``others``, if there are such."""
    pairs = zip(scores, others or [{}] * len(scores), strict=True)
    lines = (
        [
            row["period"],
            *(f"{row[name]:,.0f}" for name in COUNTS),
            *(_text(row[name], None if name == BASE_RATE else other.get(name)) for name in SCORES),
        ]
        for row, other in pairs
    )
    console_table.show(["period", *(COUNTS | SCORES).values()], lines)


def _text(value: float | None, other: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.4f}" if other is None else f"{value:.4f} ({round(value - other, 4) + 0.0:+.4f})"  # no -0.0000


def _described(sample: Sample | None) -> str:
    return f"{sample.rows:,} rows in {sample.period} with base rate {sample.base_rate}" if sample else "no period more"
