"""Renders a page of a run from its template; the same numbers give the same bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
import pandas as pd

from pipeline.config.settings import Dataset, Params
from pipeline.evaluation.bootstrap import MOST_GROUPS
from pipeline.evaluation.group_sums import BINS
from pipeline.evaluation.slice_scores import Evaluation

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
MEANINGS = {
    "roc_auc": "how often a positive row has a higher probability than a negative one; 0.5 is chance, 1 is perfect",
    "average_precision": "the mean share of hits among the rows at the top of the list; the share of positives is chance",
    "brier": "the mean squared error of the probability; 0 is perfect",
    "log_loss": "the mean surprise; 0 is perfect, and a confident error costs most",
    "calibration_error": "how far the probability is from the share that comes true, on average; 0 is perfect",
    "precision": "the share of the rows predicted yes that are positive",
    "recall": "the share of the positive rows that are predicted yes",
    "f1": "the harmonic mean of precision and recall",
}


@dataclass(frozen=True)
class Run:
    """What the stages wrote about one model, and how it scored on the test rows.

    ``version`` is the one by which the services call the model, ``tested`` the first and the last moment of the test rows,
    or nothing where they were chosen at random.
    """

    version: str
    metadata: Mapping[str, Any]
    schema: Mapping[str, Any]
    counts: Mapping[str, Any]
    validation: Mapping[str, float]
    tested: tuple[pd.Timestamp, ...]
    evaluation: Evaluation
    importances: pd.DataFrame
    contributions: pd.DataFrame

    def topics(self) -> list[tuple[str, float, list[str]]]:
        """Each topic with its mean absolute contribution and the names of its columns, the largest contribution first."""
        columns: dict[str, list[str]] = {}
        for column in self.schema["columns"]:
            columns.setdefault(column["topic"], []).append(column["name"])
        return [(topic, mean, columns[topic]) for topic, mean in self.contributions.itertuples(index=False)]


def render(
    template: str,
    run: Run,
    data: Dataset,
    settings: Params,
    values: Mapping[str, Any],
    finalize: Callable[[Any], Any] | None = None,
) -> str:
    """The text of a page. HTML is escaped; ``finalize`` escapes what an expression gives in other formats."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.reporting"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"thousands": "{:,}".format, "score": _score, "interval": _interval}
    environment.filters |= {
        "sampled_from": _sampled_from,
        "percent": _percent,
        "points": _points,
        "pairs": _pairs,
        "column_words": _column_words,
    }
    return environment.get_template(template).render(
        run=run,
        data=data,
        settings=settings,
        names=NAMES,
        meanings=MEANINGS,
        resamples=_explain_resamples(run.evaluation, settings),
        **values,
    )


def intervals(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The value and the ends of the interval of each metric of a slice."""
    by_metric: dict[str, dict[str, float]] = rows.set_index("metric")[["value", "low", "high"]].T.to_dict()
    return by_metric


def _explain_resamples(evaluation: Evaluation, settings: Params) -> str:
    """How the intervals were made, in sentences."""
    unit = settings.data.resample_by
    sentences = [f"{settings.evaluate.resamples} bootstrap resamples of {f'whole groups by {unit}' if unit else 'rows'}."]
    if evaluation.binned_above:
        sentences.append(
            f"Those of more than {evaluation.binned_above:,} rows come from each group's counts in {BINS} bins of scores: "
            "an end of an interval of ROC AUC or average precision is then off by less than a hundredth of the interval's "
            "width. All values are of the rows themselves."
        )
    if evaluation.bundled_groups:
        bundled = f"{evaluation.bundled_groups:,} {'groups' if unit else 'rows'}"
        sentences.append(f"The {bundled} are drawn in {MOST_GROUPS:,} random bundles there.")
    return " ".join(sentences)


def _sampled_from(size: int, rows: int) -> str:
    """What a sample of at most ``size`` test rows is called."""
    return f"a random {size:,} of the test rows" if size < rows else f"all {rows:,} test rows"


def _column_words(slice_by: str) -> str:
    """What a slice is by, in words: ``bought_at.month`` is the month of bought at."""
    column, _, part = slice_by.partition(".")
    return f"{part} of {column}".replace("_", " ") if part else column.replace("_", " ")


def _score(value: float | None) -> str:
    return "-" if value is None or pd.isna(value) else f"{value:.4f}"


def _interval(scores: Mapping[str, float | None]) -> str:
    value, low, high = (_score(scores[end]) for end in ("value", "low", "high"))
    return value if low == high == "-" else f"{value} ({low} to {high})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _pairs(values: Mapping[str, Any]) -> str:
    """What is set, by name."""
    return ", ".join(f"{key} {value}" for key, value in values.items() if value is not None)
