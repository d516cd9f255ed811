"""Draws two curves in one chart as Mermaid text, which GitHub renders in comments and job summaries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
STEPS = 32  # of a line: Mermaid sums the steps, and only steps that are powers of two sum up exactly to the last point
COLOURS = {
    "blue": "#3b82c4",
    "orange": "#e8710a",
    "grey": "#8a94a6",
}  # distinguishable with most kinds of colour vision, on white and on black


@dataclass(frozen=True)
class Axes:
    """The column along each axis of a curve with its name; ``diagonal`` where the ideal curve is the diagonal."""

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
    """Both curves as the text of an xychart, None where their ranges of x do not overlap.

    An xychart has no legend, so the title says which line is which.
    """
    grid = _grid(axes, base, head)
    if grid is None:
        return None
    lines = {"blue": _interpolate(grid, axes, base), "orange": _interpolate(grid, axes, head)}
    legend = "blue is base, orange is head"
    if axes.diagonal:
        lines, legend = {"grey": grid, **lines}, f"{legend}, grey is perfect"
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
    """Evenly spaced values of x over the range that all tables share, rounded outwards to 64ths; None without one."""
    columns = [table[[axes.x, axes.y]].dropna()[axes.x] for table in tables]
    if not all(map(len, columns)):
        return None
    low, high = max(x.min() for x in columns), min(x.max() for x in columns)
    if low >= high:
        return None
    return np.linspace(np.floor(low * 64) / 64, np.ceil(high * 64) / 64, STEPS + 1)


def _interpolate(grid: Floats, axes: Axes, table: pd.DataFrame) -> Floats:
    points = table[[axes.x, axes.y]].dropna().sort_values(axes.x)
    return np.asarray(np.interp(grid, points[axes.x], points[axes.y]), np.float64)
