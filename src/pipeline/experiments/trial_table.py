"""Prints experiments for a person: which MLflow run is whose, what was turned, and how good it was in validation."""

import math
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from pipeline.experiments.trials import Trial

WIDTH = 120  # of a log; a terminal has its own


def show(
    ranked: Sequence[Trial], keys: Sequence[str], metric: str, runs: Mapping[str, str], chosen: Trial | None = None
) -> None:
    """Prints the experiments in the order given, ``chosen`` in bold, with these parameters and the MLflow run of each.

    Where an experiment has no score yet, its state stands in its place.
    """
    table = Table("experiment", "MLflow run")
    for key in keys:
        table.add_column(_short(key, keys), justify="right", overflow="fold")
    for period in ("validation", "test"):
        table.add_column(period, justify="right", no_wrap=True)
    for column in table.columns[:2]:
        column.no_wrap = True
    for one in ranked:
        values = [_value(one, key) for key in keys]
        scores = [_number(one.score(metric), one.state), _number(one.test_score(metric))]
        style = "bold" if one is chosen else ""
        table.add_row(one.name, runs.get(one.name, "-"), *values, *scores, style=style)
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(table)
    console.print(f"Scores are {metric}; the order is that of the validation period, and the test period chooses nothing.")


def _short(key: str, keys: Sequence[str]) -> str:
    """The last part of a key where no other key ends like it."""
    last = key.rpartition(".")[2]
    return key if sum(other.rpartition(".")[2] == last for other in keys) > 1 else last


def _value(trial: Trial, key: str) -> str:
    return str(trial.params[key]) if key in trial.params else "-"


def _number(value: float, otherwise: str = "-") -> str:
    return otherwise if math.isnan(value) else f"{value:.6f}"
