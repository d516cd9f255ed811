"""Scores the predictions of a window whose outcome is known, in the database: a window may hold millions of rows."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, Double, Integer, String, and_, cast, func, literal, select, true
from sqlalchemy.orm import Session

from data_api.database.uuid7 import first_at
from data_api.models import Outcome, Prediction

Scores = dict[str, Any]
Part = Any  # a row of _parts: the sums of one bin of one group
WHOLE = "whole"


def scores(
    session: Session, since: datetime, until: datetime, by: str, bins: int, model_version: str | None = None
) -> dict[str | None, Scores]:
    """The scores of each group of predictions made from ``since`` to before ``until``, by the group's name.

    ``by`` is none (one group, WHOLE), model_version, day or caller. Cases of the same probability count as one step, as in
    scikit-learn: AUC is the share of pairs in the right order, ties counting half (Mann and Whitney 1947); average precision
    is the sum over positives of the precision at their probability, divided by their number. Brier score: the mean of
    (probability - outcome)². Calibration: bins of equal counts from the lowest probability to the highest.
    """
    window = _window(since, until, by, model_version)
    counted = session.execute(
        select(window.c.name, func.count().label("predictions"), func.count(window.c.truth).label("outcomes")).group_by(
            window.c.name
        )
    )
    totals = {row.name: (row.predictions, row.outcomes) for row in counted}
    parts = defaultdict[str | None, list[Part]](list)
    for part in session.execute(_parts(window, bins)):
        parts[part.name].append(part)
    return {
        _shown(name): _scores(*totals[name], parts[name])
        for name in sorted(totals, key=lambda name: (name is None, str(name)))
    }


def nothing() -> Scores:
    """The scores of no predictions."""
    return _scores(0, 0, [])


def _window(since: datetime, until: datetime, by: str, model_version: str | None) -> CTE:
    """Each prediction of the window with its group and, where it is known, its outcome as 0 or 1.

    Both tables are bound by the window, so that PostgreSQL looks into no other month.
    """
    low, high = first_at(since), first_at(until)
    groups: dict[str, Any] = {
        "none": literal(WHOLE, String),
        "model_version": Prediction.model_version,
        "caller": Prediction.caller,
        "day": func.date(Prediction.time),
    }
    same = and_(
        Outcome.prediction_id == Prediction.prediction_id, Outcome.prediction_id >= low, Outcome.prediction_id < high
    )
    return (
        select(
            groups[by].label("name"),
            Prediction.prediction_id,
            Prediction.probability,
            cast(Prediction.label, Integer).label("label"),
            cast(Outcome.outcome, Integer).label("truth"),
        )
        .join(Outcome, same, isouter=True)
        .where(Prediction.prediction_id >= low, Prediction.prediction_id < high)
        .where(true() if model_version is None else Prediction.model_version == model_version)
        .cte("predicted")
    )


def _parts(window: CTE, bins: int) -> Any:
    """The sums of each bin of each group, from the lowest probabilities to the highest."""
    c = window.c
    falling = c.probability.desc()
    placed = (
        select(
            c.name,
            c.probability,
            c.label,
            c.truth,
            (func.row_number().over(partition_by=c.name, order_by=(falling, c.prediction_id)) - 1).label("place"),
            func.count().over(partition_by=c.name).label("rows"),
            func.sum(c.truth)
            .over(partition_by=c.name, order_by=falling)
            .label("hits"),  # of this probability or a higher one
            func.count().over(partition_by=c.name, order_by=falling).label("called"),
            func.sum(c.truth).over(partition_by=(c.name, c.probability)).label("tied"),
        )
        .where(c.truth.is_not(None))
        .cte("placed")
    )
    d = placed.c
    bin_ = (((d.place + 1) * bins - 1) // d.rows).label("bin")
    real = Double[float]()
    return (
        select(
            d.name,
            bin_,
            func.count().label("rows"),
            func.sum(d.label).label("labels"),
            func.sum(d.truth).label("hits"),
            func.sum(d.probability).label("probability"),
            func.sum((d.probability - d.truth) * (d.probability - d.truth)).label("squared"),
            func.sum(cast(d.truth * d.hits, real) / d.called).label("precision"),
            func.sum((1 - d.truth) * (d.hits - cast(d.tied, real) / 2)).label("before"),
        )
        .group_by(d.name, bin_)
        .order_by(d.name, bin_.desc())
    )


def _scores(predictions: int, outcomes: int, parts: Iterable[Part]) -> Scores:
    parts = list(parts)

    def total(field: str) -> Any:
        return sum(getattr(part, field) for part in parts)

    def share(part: float, whole: float) -> float | None:
        return float(part / whole) if whole else None

    positives = int(total("hits"))
    pairs = positives * (outcomes - positives)
    gaps = sum(abs(part.probability - part.hits) for part in parts)
    return {
        "predictions": predictions,
        "outcomes": outcomes,
        "coverage": share(outcomes, predictions),
        "label_rate": share(total("labels"), outcomes),
        "outcome_rate": share(positives, outcomes),
        "roc_auc": share(total("before"), pairs),
        "average_precision": share(total("precision"), positives if pairs else 0),
        "brier_score": share(total("squared"), outcomes),
        "calibration_error": share(gaps, outcomes),
        "calibration": [
            {"rows": part.rows, "predicted": part.probability / part.rows, "observed": part.hits / part.rows}
            for part in parts
        ],
    }


def _shown(name: Any) -> str | None:
    return None if name is None else str(name)
