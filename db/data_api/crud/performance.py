"""Scores of predictions with known outcomes, computed in the database, because a window may hold millions of rows."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import CTE, ColumnElement, Double, Integer, String, and_, cast, func, literal, or_, select, true
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ColumnCollection

from data_api.crud.time_ranges import TimeRange, scored
from data_api.models import ModelVersion, Outcome, Prediction
from data_api.schemas.performance import Widths

Scores = dict[str, Any]
BinSums = Any  # a row of _bin_sums: the sums of one bin of one group
WHOLE = "whole"


@dataclass(frozen=True)
class Bins:
    """The rows of a calibration table: how many, and whether they share equal_counts or equal_widths of probability."""

    count: int
    widths: Widths = "equal_counts"


DEFAULT_BINS = Bins(15)


class Group(NamedTuple):
    """A group of predictions, by models that answer one question about one data set, with its scores."""

    model_name: str
    question: str | None
    name: str | None
    scores: Scores


def compute_scores(
    session: Session, ranges: Sequence[TimeRange], by: str, model_version: str | None = None, bins: Bins = DEFAULT_BINS
) -> tuple[Scores, list[Group]]:
    """The scores of the predictions that are scored in ranges of time: of all together, and of each group.

    ``by`` is none (no groups), model_version, day or caller. Only models that answer the same question about the same data
    set are scored together: if there are several questions, all together have counts alone, and none has a group for each.

    Rows with the same probability count as one step, as in scikit-learn: AUC is the share of pairs in the right order, where
    a tie counts half (Mann and Whitney 1947); average precision is the mean over the positives of the precision at their
    probability. The Brier score is the mean of (probability - outcome)², and its standard error that of this mean (Bradley,
    Schwartz and Hashino 2008). Calibration has bins from the lowest probability to the highest.
    """
    questions = _versions_by_question(session, ranges, model_version)
    wholes, groups = list[Scores](), list[Group]()
    for question, versions in questions.items():
        (whole,) = _scores_by_group(session, _window(ranges, "none", versions), bins).values()
        by_name = {None: whole} if by == "none" else _scores_by_group(session, _window(ranges, by, versions), bins)
        wholes.append(whole)
        groups += [Group(*question, name, scores) for name, scores in by_name.items()]
    if len(wholes) == 1:
        return wholes[0], [] if by == "none" else groups
    return _scores(sum(one["predictions"] for one in wholes), sum(one["outcomes"] for one in wholes), []), groups


def _versions_by_question(
    session: Session, ranges: Sequence[TimeRange], model_version: str | None
) -> dict[tuple[str, str | None], list[str]]:
    """The versions that predicted, by their data set and question, which is None where no service reported it."""
    version = Prediction.model_version
    statement = (
        select(Prediction.model_name, ModelVersion.question, version)
        .join(ModelVersion, ModelVersion.model_version == version, isouter=True)
        .where(scored(ranges), true() if model_version is None else version == model_version)
        .distinct()
    )
    versions = defaultdict[tuple[str, str | None], list[str]](list)
    for name, question, predicted in session.execute(statement):
        versions[name, question].append(predicted)
    return dict(sorted(versions.items(), key=str))


def _scores_by_group(session: Session, window: CTE, bins: Bins) -> dict[str | None, Scores]:
    name = window.c.name
    counts = session.execute(select(name, func.count(), func.count(window.c.truth)).group_by(name))
    totals = {group: (predictions, outcomes) for group, predictions, outcomes in counts}
    sums = defaultdict[str | None, list[BinSums]](list)
    for row in session.execute(_bin_sums(window, bins)):
        sums[row.name].append(row)
    return {
        None if group is None else str(group): _scores(*totals[group], sums[group])
        for group in sorted(totals, key=lambda group: (group is None, str(group)))
    }


def _window(ranges: Sequence[TimeRange], by: str, versions: Sequence[str]) -> CTE:
    """Each prediction of these versions in the ranges with its group, and its outcome as 0 or 1, or null if it is unknown.

    The bounds apply to both tables, so that PostgreSQL skips the partitions of other months.
    """
    groups: dict[str, Any] = {
        "none": literal(WHOLE, String),
        "model_version": Prediction.model_version,
        "caller": Prediction.caller,
        "day": func.date(func.coalesce(Prediction.as_of, Prediction.time)),
    }
    same = and_(
        Outcome.prediction_id == Prediction.prediction_id,
        or_(*(time_range.holds(Outcome.prediction_id) for time_range in ranges)),
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
        .where(scored(ranges), Prediction.model_version.in_(versions))
        .cte("predicted")
    )


def _bin_sums(window: CTE, bins: Bins) -> Any:
    """The sums of each bin of each group, from the lowest probabilities to the highest."""
    c = window.c
    descending = c.probability.desc()
    placed = (
        select(
            c.name,
            c.probability,
            c.label,
            c.truth,
            (func.row_number().over(partition_by=c.name, order_by=(descending, c.prediction_id)) - 1).label("place"),
            func.count().over(partition_by=c.name).label("rows"),
            func.sum(c.truth)
            .over(partition_by=c.name, order_by=descending)
            .label("hits"),  # of this probability or a higher one
            func.count().over(partition_by=c.name, order_by=descending).label("called"),
            func.sum(c.truth).over(partition_by=(c.name, c.probability)).label("tied"),
        )
        .where(c.truth.is_not(None))
        .cte("placed")
    )
    d = placed.c
    bin_ = _bin(d, bins).label("bin")
    real = Double[float]()
    squared = (d.probability - d.truth) * (d.probability - d.truth)
    return (
        select(
            d.name,
            bin_,
            func.count().label("rows"),
            func.sum(d.label).label("labels"),
            func.sum(d.truth).label("hits"),
            func.sum(d.probability).label("probability"),
            func.sum(d.label * d.truth).label("labelled_hits"),
            func.sum(squared).label("squared"),
            func.sum(squared * squared).label("fourth"),
            func.sum(cast(d.truth * d.hits, real) / d.called).label("precision"),
            func.sum((1 - d.truth) * (d.hits - cast(d.tied, real) / 2)).label("before"),
        )
        .group_by(d.name, bin_)
        .order_by(d.name, bin_.desc())
    )


def _bin(placed: ColumnCollection[str, Any], bins: Bins) -> ColumnElement[Any]:
    """The bin of a row, the larger the lower its probability: its number from the highest, or minus that from the lowest."""
    if bins.widths == "equal_counts":
        from_highest: ColumnElement[Any] = ((placed.place + 1) * bins.count - 1) // placed.rows
        return from_highest
    bounds = (placed.probability >= number / bins.count for number in range(1, bins.count))
    return sum((-cast(bound, Integer) for bound in bounds), start=literal(0))


def _scores(predictions: int, outcomes: int, bins: Sequence[BinSums]) -> Scores:
    def total(field: str) -> Any:
        return sum(getattr(row, field) for row in bins)

    def share(part: float, whole: float) -> float | None:
        return float(part / whole) if whole else None

    scored = outcomes if bins else 0  # nothing of what models with different questions predicted
    positives = int(total("hits"))
    pairs = positives * (scored - positives)
    brier = share(total("squared"), scored)
    gaps = sum(abs(row.probability - row.hits) for row in bins)
    return {
        "predictions": predictions,
        "outcomes": outcomes,
        "coverage": share(outcomes, predictions),
        "label_rate": share(total("labels"), scored),
        "outcome_rate": share(positives, scored),
        "roc_auc": share(total("before"), pairs),
        "average_precision": share(total("precision"), positives if pairs else 0),
        "precision": share(total("labelled_hits"), total("labels")),
        "recall": share(total("labelled_hits"), positives),
        "brier_score": brier,
        "brier_standard_error": _standard_error(brier, total("fourth"), scored),
        "calibration_error": share(gaps, scored),
        "calibration": [
            {"rows": row.rows, "predicted": row.probability / row.rows, "observed": row.hits / row.rows} for row in bins
        ],
    }


def _standard_error(mean: float | None, squares: float, count: int) -> float | None:
    """The standard error of the mean of values whose squares have this sum; None where there are fewer than two."""
    if mean is None or count < 2:
        return None
    variance = max(squares - count * mean**2, 0) / (count - 1)
    return math.sqrt(variance / count)
