"""Renders data/report/report.html: one self-contained page, readable without a network."""

from collections.abc import Mapping
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from pipeline.config.settings import Dataset, Params
from pipeline.evaluation.slice_scores import Evaluation
from pipeline.reporting import figures

NAMES = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "calibration_error": "Calibration error",
    "precision": "Precision at the threshold",
    "recall": "Recall at the threshold",
    "f1": "F1 at the threshold",
}


def render(
    found: Evaluation,
    losses: pd.DataFrame,
    metadata: Mapping[str, Any],
    counts: Mapping[str, Any],
    data: Dataset,
    settings: Params,
) -> str:
    """The page as HTML text; the same numbers give the same bytes."""
    overall = found.overall["roc_auc"]["value"]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["score"] = lambda value: "-" if value is None or pd.isna(value) else f"{value:.4f}"
    return environment.get_template("report.html.j2").render(
        metadata=metadata,
        counts=counts,
        data=data,
        resample_by=settings.data.resample_by,
        evaluate=settings.evaluate,
        names=NAMES,
        overall=found.overall,
        rate=found.rate,
        pictures=_pictures(found, losses),
        slices=[_slice_table(by, rows, overall) for by, rows in found.slices.groupby("by", sort=False)],
    )


def _pictures(found: Evaluation, losses: pd.DataFrame) -> dict[str, Markup]:
    drawn = {
        "roc": figures.roc(found.roc),
        "precision_recall": figures.precision_recall(found.precision_recall, found.rate),
        "calibration": figures.calibration(found.calibration),
        "importances": figures.importances(losses),
    }
    return {name: _own_ids(svg, name) for name, svg in drawn.items()}


def _slice_table(by: Any, rows: pd.DataFrame, overall: float | None) -> dict[str, Any]:
    listed = [
        {
            "slice": name,
            "rows": count,
            "rate": rate,
            "scores": scores.set_index("metric")[["value", "low", "high"]].T.to_dict(),
        }
        for (name, count, rate), scores in rows.groupby(["slice", "rows", "rate"], sort=False)
    ]
    auc = rows[rows["metric"] == "roc_auc"]
    return {
        "by": by,
        "rows": listed,
        "picture": _own_ids(figures.slices(auc, overall), f"slice-{by}"),
    }


def _own_ids(svg: str, name: str) -> Markup:
    """The picture with ids of its own: several pictures in one page would share matplotlib's."""
    name = name.replace(".", "-").replace("_", "-")
    for before in ('id="', 'href="#', "url(#"):
        svg = svg.replace(before, f"{before}{name}-")
    return Markup(svg)  # noqa: S704 - drawn by us, from numbers
