"""The official predictions that the services made in a replay, held to what the pipeline says of the same subjects."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.settings import Columns
from pipeline.data import model_inputs
from pipeline.replay.comparison import Floats
from pipeline.replay.expectation import Subject
from pipeline.support.errors import OntimeError

PROBABILITY_TOLERANCE = 1e-6
CHUNK_ROWS = 2000
MOST_SHOWN = 3  # subjects that a message names


class PredictionsDiffer(OntimeError):
    """The services predicted other subjects than the pipeline, or the same ones differently."""


@dataclass(frozen=True)
class Official:
    """The official predictions [n] in the order of the expected subjects."""

    probability: Floats
    outcomes: Floats  # 1, 0, or NaN where there is none
    different_values: int  # of features, by the last bit of single precision


def arrange(
    predictions: Iterable[Mapping[str, Any]],
    subjects: Sequence[Subject],
    features: pd.DataFrame,
    columns: Columns,
    version: str,
) -> Official:
    """The stored predictions in the order of the expected ``subjects``, with how many values of their ``features`` differ.

    Raises PredictionsDiffer unless each subject has exactly one, by the model of this ``version``, and nothing else has any.
    """
    place = {subject: number for number, subject in enumerate(subjects)}
    probability, outcomes = np.full((2, len(subjects)), np.nan)
    count, other, versions = Counter[Subject](), list[Subject](), Counter[str]()
    expected, different_values, stream = model_inputs.pack(features, columns), 0, iter(predictions)
    while chunk := list(islice(stream, CHUNK_ROWS)):
        named = [(place.get(subject := _subject(row), -1), subject, row) for row in chunk]
        other += [subject for number, subject, _ in named if number < 0]
        known = [(number, row) for number, _, row in named if number >= 0]
        for number, row in known:
            count[subjects[number]] += 1
            versions[row["model_version"]] += 1
            probability[number] = row["probability"]
            outcomes[number] = np.nan if row["outcome"] is None else row["outcome"]
        rows = [number for number, _ in known]
        different_values += _different_values(
            [row["features"] for _, row in known], expected.iloc[rows], features.iloc[rows], columns
        )
    _refuse(count, other, versions, subjects, version)
    return Official(probability, outcomes, different_values)


def rows(official: Official, probability: Floats, outcomes: Floats) -> list[list[str]]:
    """What else is compared, as rows of the table of scores."""
    without = [int(np.isnan(side).sum()) for side in (official.outcomes, outcomes)]
    return [
        ["without outcome", *(f"{count:,}" for count in without), str(abs(without[0] - without[1]))],
        ["largest difference of a probability", "", "", f"{largest_difference(official.probability, probability):.1e}"],
        ["values of columns that differ", "", "", f"{official.different_values:,}"],
    ]


def largest_difference(live: Floats, offline: Floats) -> float:
    """The largest difference of two probabilities."""
    return float(np.abs(live - offline).max())


def refuse_difference(official: Official, probability: Floats, outcomes: Floats) -> None:
    """Raises PredictionsDiffer where probabilities, outcomes or features are not those of the pipeline."""
    faults = []
    if (far := np.abs(official.probability - probability) > PROBABILITY_TOLERANCE).any():
        faults.append(f"{far.sum():,} probabilities differ by more than {PROBABILITY_TOLERANCE:g}")
    if not np.array_equal(official.outcomes, outcomes, equal_nan=True):
        same = (official.outcomes == outcomes) | (np.isnan(official.outcomes) & np.isnan(outcomes))
        faults.append(f"{(~same).sum():,} outcomes differ")
    if official.different_values:
        faults.append(f"{official.different_values:,} values of columns differ")
    if faults:
        raise PredictionsDiffer(
            f"Live and offline should predict the same from the same columns: {'; '.join(faults)}. "
            "Look at the board first: `GET /metrics` there counts events that came too late."
        )


def _subject(row: Mapping[str, Any]) -> Subject:
    return tuple(json.loads(row["subject"]).values())


def _different_values(
    live: Sequence[Mapping[str, Any]], packed: pd.DataFrame, features: pd.DataFrame, columns: Columns
) -> int:
    """How many values of stored records are not those of the pipeline, in the precision of the model."""
    if not live:
        return 0
    frame = pd.DataFrame(list(live), columns=list(columns))
    for name, column in columns.items():
        if column.kind == "datetime":
            frame[name] = pd.to_datetime(frame[name]).astype(features[name].dtype)
        elif column.kind == "number":
            frame[name] = frame[name].astype(np.float32)
    ours = model_inputs.pack(frame, columns)
    return sum(_count_different(ours[name].to_numpy(), packed[name].to_numpy()) for name in packed)


def _count_different(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> int:
    both_missing = pd.isna(left) & pd.isna(right)
    return int(((left != right) & ~both_missing).sum())


def _refuse(
    count: Counter[Subject], other: Sequence[Subject], versions: Counter[str], subjects: Sequence[Subject], version: str
) -> None:
    missing = [subject for subject in subjects if not count[subject]]
    repeated = [subject for subject, times in count.items() if times > 1]
    groups = {"have no official prediction": missing, "have more than one": repeated, "are not of this period": list(other)}
    faults = [
        f"{len(group):,} {what}, such as {', '.join(str(subject) for subject in group[:MOST_SHOWN])}"
        for what, group in groups.items()
        if group
    ]
    if faults:
        raise PredictionsDiffer(f"Each subject should have exactly one official prediction: {'; '.join(faults)}.")
    if set(versions) != {version}:
        raise PredictionsDiffer(
            f"All official predictions should be those of model version {version}; {len(subjects) - versions[version]:,} "
            "were made before by another one, and the first one stands. Start the services on an empty database."
        )
