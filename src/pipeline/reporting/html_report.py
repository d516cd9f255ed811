"""Renders data/report/report.html: one self-contained page, readable without a network."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from pipeline.config.settings import Dataset, Params
from pipeline.reporting import figures, plain_words, rendering
from pipeline.reporting.rendering import Run


def render(run: Run, data: Dataset, settings: Params) -> str:
    """The page as HTML text."""
    evaluation = run.evaluation
    pictures = {
        "roc": figures.roc(evaluation.roc),
        "precision_recall": figures.precision_recall(evaluation.precision_recall, evaluation.rate),
        "calibration": figures.calibration(evaluation.calibration),
        "importances": figures.importances(run.importances),
        "contributions": figures.contributions(run.contributions),
    }
    auc = evaluation.overall["roc_auc"]["value"]
    values = {
        "sentences": plain_words.sentences(evaluation, run.metadata["threshold"], settings.evaluate.confidence),
        "pictures": {name: _with_own_ids(svg, name) for name, svg in pictures.items()},
        "calibration": evaluation.calibration.itertuples(index=False),
        "importances": run.importances.head(figures.MOST_BARS).itertuples(index=False),
        "slices": [_slice_table(by, rows, auc, evaluation.rate) for by, rows in evaluation.slices.groupby("by", sort=False)],
    }
    return rendering.render("report.html.j2", run, data, settings, values)


def _slice_table(by: Any, rows: pd.DataFrame, auc: float | None, rate: float) -> dict[str, Any]:
    slices = [
        {"slice": name, "rows": count, "rate": share, "scores": rendering.intervals(scores)}
        for (name, count, share), scores in rows.groupby(["slice", "rows", "rate"], sort=False)
    ]
    picture = figures.slices(rows[rows["metric"] == "roc_auc"], auc, rate)
    return {"by": by, "rows": slices, "picture": _with_own_ids(picture, f"slice-{by}")}


def _with_own_ids(svg: str, name: str) -> Markup:
    """The picture with ids of its own: several pictures in one page would share matplotlib's."""
    name = name.replace(".", "-").replace("_", "-")
    for attribute in ('id="', 'href="#', "url(#"):
        svg = svg.replace(attribute, f"{attribute}{name}-")
    return Markup(svg)  # noqa: S704 - drawn by us, from numbers
