"""Renders data/report/model_card.md: what the model is for, what it was made from, how good it is, and its limits."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from pipeline.config.settings import Card, Dataset, Params, RandomSplit, Split
from pipeline.evaluation.slice_scores import Evaluation
from pipeline.reporting.html_report import NAMES

MOST_COLUMNS = 10
# What Markdown takes for more than text; an underscore inside a word is not among it, so names stay readable.
MARKUP = re.compile(r"[\\`*\[\]<>|~#$&]|(?<![^\W_])_|_(?![^\W_])")
BAR = re.compile(r"(?<!\\)\|")  # would end a cell of a table
THRESHOLDS = {
    "f1": "the one with the best F1 on training rows, each scored by a model that had not seen it",
    "rate": "the one that says yes as often as it is true, on training rows, each scored by a model that had not seen it",
}


@dataclass(frozen=True)
class Run:
    """What the stages wrote of one model, and what the test rows said of it."""

    metadata: Mapping[str, Any]
    schema: Mapping[str, Any]
    counts: Mapping[str, Any]
    validation: Mapping[str, float]
    test: pd.DataFrame
    found: Evaluation
    losses: pd.DataFrame


def render(run: Run, card: Card, data: Dataset, settings: Params) -> str:
    """The card as Markdown text; the same numbers give the same bytes."""
    environment = jinja2.Environment(  # noqa: S701 - `finalize` escapes what Markdown would take for markup
        loader=jinja2.PackageLoader("pipeline.reporting"),
        finalize=text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"thousands": "{:,}".format, "score": _score, "interval": _interval, "percent": _percent}
    environment.filters |= {"declared": _declared(data.name), "bullets": _bullets(data.name), "pairs": _pairs}
    return environment.get_template("model_card.md.j2").render(
        run=run,
        card=card,
        data=data,
        tables=settings.data.tables,
        resample_by=settings.data.resample_by,
        evaluate=settings.evaluate,
        names=NAMES,
        threshold_rule=THRESHOLDS.get(run.metadata["parameters"]["train"]["threshold"], "as set in train.threshold"),
        trained=_trained(data.split, run.schema),
        tested=_tested(data.split, run.test),
        extremes=list(_extremes(run.found.slices)),
        columns=[(name, loss, data.columns[name]) for name, loss in run.losses.head(MOST_COLUMNS).itertuples(index=False)],
        available_from=Counter(column.available_from for column in data.columns.values()).most_common(),
    )


def text(value: object) -> str:
    """A value as Markdown for a table or the middle of a line, which shows it and nothing else; Markup is left alone."""
    if isinstance(value, Markup):
        return value
    return MARKUP.sub(r"\\\g<0>", " ".join(str(value).split()))


def _declared(name: str) -> Callable[[str, str], Markup]:
    """A filter for a text that a person wrote in Markdown, or what to do where nobody did."""

    def declared(written: str, key: str) -> Markup:
        line = BAR.sub(r"\|", " ".join(written.split()))
        return Markup(line or f"Not declared: write `{key}` in {text(f'conf/card/{name}.yaml')}.")  # noqa: S704

    return declared


def _bullets(name: str) -> Callable[[tuple[str, ...], str], Markup]:
    declared = _declared(name)

    def bullets(written: tuple[str, ...], key: str) -> Markup:
        return Markup("\n").join(Markup("- ") + declared(item, key) for item in written) or declared("", key)

    return bullets


def _score(value: float | None) -> str:
    return "-" if value is None or pd.isna(value) else f"{value:.4f}"


def _interval(scores: Mapping[str, float | None]) -> str:
    value, low, high = (_score(scores[end]) for end in ("value", "low", "high"))
    return value if low == high == "-" else f"{value} ({low} to {high})"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _trained(split: Split, schema: Mapping[str, Any]) -> str:
    """Which rows were trained on, by the model's schema where time says it."""
    if isinstance(split, RandomSplit):
        return f"a random {100 * (1 - split.test_share):g} %"
    (seen,) = (column["seen"] for column in schema["columns"] if column["name"] == split.column)
    return _dates(seen["minimum"], seen["maximum"])


def _tested(split: Split, test: pd.DataFrame) -> str:
    if isinstance(split, RandomSplit):
        return f"a random {100 * split.test_share:g} %"
    return _dates(test[split.column].min().isoformat(), test[split.column].max().isoformat())


def _dates(first: str, last: str) -> str:
    return f"{first.partition('T')[0]} to {last.partition('T')[0]}"


def _extremes(slices: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The slice of the highest and that of the lowest ROC AUC, of each ``by``; slices of one class have none."""
    for by, rows in slices.groupby("by", sort=False):
        auc = rows[(rows["metric"] == "roc_auc") & rows["value"].notna()].sort_values(["value", "slice"])
        ends = [("highest", auc.tail(1)), ("lowest", auc.head(1))] if len(auc) > 1 else [("only", auc)]
        for place, end in ends:
            for name in end["slice"]:
                yield {"by": by, "place": place, "slice": name, **_of_slice(rows[rows["slice"] == name])}


def _of_slice(rows: pd.DataFrame) -> dict[str, Any]:
    scores = rows.set_index("metric")[["value", "low", "high"]].T.to_dict()
    return {"rows": int(rows["rows"].iloc[0]), "rate": float(rows["rate"].iloc[0]), "scores": scores}
