"""Renders data/report/model_card.md: what the model is for, what it was made from, how good it is, and its limits."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
from markupsafe import Markup

from pipeline.config.settings import Card, Dataset, Params, RandomSplit, Split
from pipeline.reporting import rendering
from pipeline.reporting.rendering import Run

MOST_COLUMNS = 10
# What Markdown takes for more than text; an underscore inside a word is not among it, so names stay readable.
MARKUP = re.compile(r"[\\`*\[\]<>|~#$&]|(?<![^\W_])_|_(?![^\W_])")
BAR = re.compile(r"(?<!\\)\|")  # would end a cell of a table
THRESHOLDS = {
    "f1": "the one with the best F1 on training rows, each scored by a model that had not seen it",
    "rate": "the one that predicts as many positives as there are among training rows, each scored by a model that had not "
    "seen it",
}


def render(run: Run, card: Card, data: Dataset, settings: Params) -> str:
    """The card as Markdown text."""
    train = run.metadata["parameters"]["train"]
    largest_losses = run.importances.head(MOST_COLUMNS).itertuples(index=False)
    values = {
        "card": _texts(card, data.name),
        "threshold_rule": THRESHOLDS.get(train["threshold"], "as set in train.threshold"),
        "trained": _trained(data.split, run.schema),
        "tested": _tested(data.split, run.tested),
        "extremes": list(_extremes(run.evaluation.slices)),
        "columns": [(name, loss, data.columns[name]) for name, loss in largest_losses],
        "available_from": Counter(column.available_from for column in data.columns.values()).most_common(),
    }
    return rendering.render("model_card.md.j2", run, data, settings, values, finalize=text)


def text(value: object) -> str:
    """A value as Markdown for a table or the middle of a line, which shows it and nothing else; Markup is left alone."""
    if isinstance(value, Markup):
        return value
    return MARKUP.sub(r"\\\g<0>", " ".join(str(value).split()))


def _texts(card: Card, name: str) -> dict[str, Markup]:
    """The texts that a person wrote in Markdown, or what to do where nobody did."""

    def declared(written: str, key: str) -> Markup:
        line = BAR.sub(r"\|", " ".join(written.split()))
        return Markup(line or f"Not declared: write `{key}` in {text(f'conf/card/{name}.yaml')}.")  # noqa: S704

    def bullets(written: tuple[str, ...], key: str) -> Markup:
        return Markup("\n").join(Markup("- ") + declared(item, key) for item in written) or declared("", key)

    return {key: (declared if isinstance(value, str) else bullets)(value, key) for key, value in asdict(card).items()}


def _trained(split: Split, schema: Mapping[str, Any]) -> str:
    """Which rows were trained on, by the model's schema where time says it."""
    if isinstance(split, RandomSplit):
        return f"a random {100 * (1 - split.test_share):g} %"
    (seen,) = (column["seen"] for column in schema["columns"] if column["name"] == split.column)
    return _dates(seen["minimum"], seen["maximum"])


def _tested(split: Split, period: tuple[pd.Timestamp, ...]) -> str:
    if isinstance(split, RandomSplit):
        return f"a random {100 * split.test_share:g} %"
    return _dates(*(moment.isoformat() for moment in period))


def _dates(first: str, last: str) -> str:
    return f"{first.partition('T')[0]} to {last.partition('T')[0]}"


def _extremes(slices: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The slice of the highest and that of the lowest ROC AUC, of each ``by``; slices of one class have none."""
    for by, rows in slices.groupby("by", sort=False):
        auc = rows[(rows["metric"] == "roc_auc") & rows["value"].notna()].sort_values(["value", "slice"])
        ends = [("highest", auc.tail(1)), ("lowest", auc.head(1))] if len(auc) > 1 else [("only", auc)]
        for place, end in ends:
            for name, count, rate in end[["slice", "rows", "rate"]].itertuples(index=False):
                scores = rendering.intervals(rows[rows["slice"] == name])
                yield {"by": by, "place": place, "slice": name, "rows": count, "rate": rate, "scores": scores}
