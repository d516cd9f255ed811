"""Draws the pictures of the report as SVG text: the same numbers give the same bytes."""

import io
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, ACCENT, PALE = "#1f2933", "#0b6e99", "#c3d3dc"
STYLE = {
    "svg.hashsalt": "ontime",  # names of clip paths, random otherwise
    "svg.fonttype": "none",  # text stays text: it can be searched, read aloud and scaled
    "font.family": "sans-serif",
    "font.size": 10,
    "text.parse_math": False,  # a column may be called "$ per mile"
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}
MOST_BARS = 25


def roc(curve: pd.DataFrame) -> str:
    """The ROC curve above the diagonal of random predictions."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=PALE, linestyle="--")
        axes.plot(curve["false_positive_rate"], curve["true_positive_rate"], color=ACCENT, linewidth=2)
        axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1))

    return _svg(draw, 4.2, 3.6)


def precision_recall(curve: pd.DataFrame, rate: float) -> str:
    """Precision over recall, above the share of positives."""

    def draw(axes: Axes) -> None:
        axes.axhline(rate, color=PALE, linestyle="--")
        axes.plot(curve["recall"], curve["precision"], color=ACCENT, linewidth=2)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))

    return _svg(draw, 4.2, 3.6)


def calibration(bins: pd.DataFrame) -> str:
    """The share observed over the probability predicted, one point per equal-count bin."""

    def draw(axes: Axes) -> None:
        top = float(np.ceil(bins[["predicted", "observed"]].to_numpy().max() * 10) / 10)
        axes.plot([0, top], [0, top], color=PALE, linestyle="--")
        axes.plot(bins["predicted"], bins["observed"], color=ACCENT, marker="o", markersize=5, linewidth=1)
        axes.set(xlabel="predicted probability", ylabel="share that came true", xlim=(0, top), ylim=(0, top))

    return _svg(draw, 4.2, 3.6)


def slices(scores: pd.DataFrame, overall: float | None, rate: float) -> str:
    """The share of positives and the ROC AUC with its interval per slice, beside those of the whole table."""

    def draw(shares: Axes, auc: Axes) -> None:
        places = np.arange(len(scores))[::-1]
        shares.barh(places, scores["rate"], color=ACCENT, height=0.6)
        shares.axvline(rate, color=INK, linestyle="--", linewidth=1)
        shares.set_yticks(places, scores["slice"])
        shares.set_ylim(-0.6, len(scores) - 0.4)
        shares.set(xlabel="share that came true")
        if overall is not None:
            auc.axvline(overall, color=INK, linestyle="--", linewidth=1)
        auc.hlines(places, scores["low"], scores["high"], color=PALE, linewidth=4)
        auc.plot(scores["value"], places, "o", color=ACCENT, markersize=5)
        auc.set(xlabel="ROC AUC, with its interval")

    return _svg(draw, 7.6, 0.9 + 0.24 * len(scores), panels=2)


def importances(losses: pd.DataFrame) -> str:
    """The columns whose shuffling costs most AUC."""
    largest = losses.head(MOST_BARS)
    return _bars(largest["column"], largest["auc_loss"], "loss of ROC AUC when shuffled")


def contributions(means: pd.DataFrame) -> str:
    """How many points of probability each topic contributes to a prediction on average, of either sign."""
    return _bars(means["topic"], 100 * means["mean_absolute_contribution"], "points of probability, on average")


def _bars(names: pd.Series, lengths: pd.Series, label: str) -> str:
    def draw(axes: Axes) -> None:
        places = np.arange(len(names))[::-1]
        axes.barh(places, lengths, color=ACCENT, height=0.7)
        axes.set_yticks(places, names)
        axes.set(xlabel=label)

    return _svg(draw, 7.0, 0.9 + 0.24 * len(names))


def _svg(draw: Callable[..., None], width: float, height: float, panels: int = 1) -> str:
    """The drawing of panels side by side as an <svg> element, without the prologue and the clock that matplotlib writes."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(*figure.subplots(1, panels, sharey=True, squeeze=False)[0])
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
