"""Draws two curves over each other as Mermaid text, which GitHub shows as a picture in comments and job summaries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
STEPS = 32  # between the points of a line: Mermaid adds the steps up, and only halves of halves add up to the last point
COLOURS = {"blue": "#3b82c4", "orange": "#e8710a", "grey": "#8a94a6"}  # told apart by most eyes, on white and on black


@dataclass(frozen=True)
class Axes:
    """What a curve shows: the column along each axis with its name, and whether the diagonal is where it should be."""

    title: str
    x: str
    x_name: str
    y: str
    y_name: str
    diagonal: bool = False


CURVES = {
    "roc": Axes("ROC curve", "false_positive_rate", "False positive rate", "true_positive_rate", "True positive rate"),
    "precision_recall": Axes("Precision and recall", "recall", "Recall", "precision", "Precision"),
    "calibration": Axes("Calibration", "predicted", "Predicted", "observed", "Observed", diagonal=True),
}


def chart(axes: Axes, base: pd.DataFrame, head: pd.DataFrame) -> str | None:
    """The curve on both sides as the text of an xychart, None where they have no stretch of x in common.

    An xychart has no legend: its title says which line is which.
    """
    grid = _grid(axes, base, head)
    if grid is None:
        return None
    lines = {"blue": _along(grid, axes, base), "orange": _along(grid, axes, head)}
    legend = "blue is base, orange is head"
    if axes.diagonal:
        lines, legend = {"grey": grid, **lines}, f"{legend}, grey is right"
    return "\n".join(
        [
            *_colours(lines),
            "xychart-beta",
            f'    title "{axes.title}: {legend}"',
            f'    x-axis "{axes.x_name}" {grid[0]:g} --> {grid[-1]:g}',
            f'    y-axis "{axes.y_name}" 0 --> 1',
            *(f"    line [{', '.join(f'{round(y, 4):g}' for y in line)}]" for line in lines.values()),
        ]
    )


def _colours(names: Mapping[str, object]) -> Sequence[str]:
    palette = ", ".join(COLOURS[name] for name in names)
    return ["---", "config:", "  themeVariables:", "    xyChart:", f'      plotColorPalette: "{palette}"', "---"]


def _grid(axes: Axes, *tables: pd.DataFrame) -> Floats | None:
    """Evenly spaced values of x that every table reaches, but for the rim; their ends are whole 64ths."""
    known = [table[[axes.x, axes.y]].dropna()[axes.x] for table in tables]
    if not all(map(len, known)):
        return None
    low, high = max(x.min() for x in known), min(x.max() for x in known)
    if low >= high:
        return None
    return np.linspace(np.floor(low * 64) / 64, np.ceil(high * 64) / 64, STEPS + 1)


def _along(grid: Floats, axes: Axes, table: pd.DataFrame) -> Floats:
    known = table[[axes.x, axes.y]].dropna().sort_values(axes.x)
    return np.asarray(np.interp(grid, known[axes.x], known[axes.y]), np.float64)
