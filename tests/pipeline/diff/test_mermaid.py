"""Two curves become one Mermaid chart, whose lines have as many points as its axis has steps."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.diff import mermaid
from pipeline.diff.mermaid import CURVES


def table(name, x, y):
    return pd.DataFrame({CURVES[name].x: x, CURVES[name].y: y})


def lines(chart):
    return [[float(number) for number in line.split(",")] for line in re.findall(r"line \[(.*)\]", chart)]


def test_the_base_is_drawn_first_in_the_colours_that_the_title_names():
    straight = table("roc", [0, 1], [0, 1])
    chart = mermaid.chart(CURVES["roc"], straight, table("roc", [0, 0.5, 1], [0, 0.75, 1]))
    _, front, drawn = chart.split("---\n")

    assert yaml.safe_load(front)["config"]["themeVariables"]["xyChart"]["plotColorPalette"] == "#3b82c4, #e8710a"
    assert drawn.splitlines()[:4] == [
        "xychart-beta",
        '    title "ROC curve: blue is base, orange is head"',
        '    x-axis "False positive rate" 0 --> 1',
        '    y-axis "True positive rate" 0 --> 1',
    ]
    base, head = lines(chart)
    assert base == pytest.approx(np.linspace(0, 1, mermaid.STEPS + 1), abs=5e-4)
    assert head[mermaid.STEPS // 2] == 0.75


def test_calibration_is_drawn_beside_the_diagonal_of_perfect_calibration():
    base, head = table("calibration", [0.5, 0.1, 0.9], [0.4, 0.2, 0.8]), table("calibration", [0.2, 0.7], [0.2, 0.7])
    chart = mermaid.chart(CURVES["calibration"], base, head)
    right, before, after = lines(chart)

    assert 'x-axis "Predicted" 0.1875 --> 0.703125' in chart
    assert "grey is perfect" in chart
    assert right[0] == pytest.approx(0.1875, abs=5e-4)
    assert before[0] == pytest.approx(0.2437, abs=1e-4)
    assert after[-1] == 0.7


@pytest.mark.parametrize("ends", [(0.1, 0.9), (0.03, 0.75), (0.005, 1.0)])
def test_steps_of_the_axis_add_up_to_its_end(ends):
    """As Mermaid adds them up: a sum that passes the end would lose the last point."""
    one = table("calibration", ends, ends)
    low, high = map(
        float, re.search(r"x-axis .* ([\d.]+) --> ([\d.]+)", mermaid.chart(CURVES["calibration"], one, one)).groups()
    )

    at, step = low, (high - low) / mermaid.STEPS
    for _ in range(mermaid.STEPS):
        at += step
    assert at == high


@pytest.mark.parametrize("x", [[0.5, 0.6], [np.nan, np.nan], []])
def test_curves_without_a_stretch_in_common_are_not_drawn(x):
    assert mermaid.chart(CURVES["calibration"], table("calibration", [0.1, 0.2], [0, 1]), table("calibration", x, x)) is None


def test_every_curve_is_one_that_evaluate_writes():
    for name, axes in CURVES.items():
        assert {axes.x, axes.y} <= set(pd.read_csv(f"data/report/plots/{name}.csv"))
