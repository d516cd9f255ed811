"""Splits examples into training and test rows: by time, or at random with a seed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.settings import RandomSplit, Split, TimeSplit
from pipeline.support.errors import PeriodEmpty, TableInvalid

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Counts:
    """How many rows, and how many of them with the target, a part of the examples has."""

    rows: int = 0
    positives: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.rows + other.rows, self.positives + other.positives)


def count(examples: pd.DataFrame, target: str) -> Counts:
    """The counts of these rows."""
    return Counts(len(examples), int(examples[target].sum()))


def split(examples: pd.DataFrame, settings: Split, target: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The training rows and the test rows of a table in memory, each in the order of the examples.

    Raises PeriodEmpty where one of the two parts has no rows or lacks a class, and TableInvalid where the column of a split
    by time has missing values.
    """
    if isinstance(settings, TimeSplit):
        train, test = split_by_time(examples, settings)
    else:
        is_test = draw_test_rows(examples[target].to_numpy(), settings)
        train, test = examples[~is_test], examples[is_test]
    refuse_single_class(count(train, target), count(test, target), settings, target, period(examples, settings))
    return train, test


def split_by_time(examples: pd.DataFrame, settings: TimeSplit) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows before ``test_from``, and rows from then on: no training row is later than a test row.

    Raises TableInvalid where a row has no time.
    """
    times = examples[settings.column].dt.tz_localize(None)
    if times.isna().any():
        raise TableInvalid(
            f"{settings.column} should have a value in each row, for the split at {settings.test_from}; "
            f"{times.isna().sum()} rows have none. Fill them in, or leave these rows out of the table."
        )
    start = pd.Timestamp(settings.test_from)
    end = pd.Timestamp(settings.test_to) if settings.test_to else pd.Timestamp.max
    return examples[times < start], examples[(times >= start) & (times < end)]


def draw_test_rows(truth: npt.NDArray[np.int8], settings: RandomSplit) -> Flags:
    """Which rows [n] are test rows: a random share, drawn with a seed; stratified by their ``truth`` if the settings say so.

    Raises PeriodEmpty where there are too few rows.
    """
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 (half a second, which a split by time saves)

    classes, is_test = truth if settings.stratify else None, np.zeros(len(truth), dtype=bool)
    try:
        _, test = train_test_split(
            np.arange(len(truth)), test_size=settings.test_share, random_state=settings.seed, stratify=classes
        )
    except ValueError as error:
        raise PeriodEmpty(f"The {len(truth)} rows cannot be split: {error} {_advice(settings, None)}") from error
    is_test[test] = True
    return is_test


def period(examples: pd.DataFrame, settings: Split) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """The first and the last time of a split by time; None of one at random, and of no rows."""
    if not isinstance(settings, TimeSplit) or not len(examples):
        return None
    return examples[settings.column].min(), examples[settings.column].max()


def refuse_single_class(
    train: Counts, test: Counts, settings: Split, target: str, times: tuple[pd.Timestamp, pd.Timestamp] | None
) -> None:
    """Raises PeriodEmpty where one of the two parts has no rows or lacks a class; ``times`` are those of all examples."""
    for name, part in (("training", train), ("test", test)):
        if part.positives in (0, part.rows):
            raise PeriodEmpty(
                f"The {name} part needs rows with and without {target}; it has {part.rows} rows, "
                f"{part.positives} of them with it. {_advice(settings, times)}"
            )


def _advice(settings: Split, times: tuple[pd.Timestamp, pd.Timestamp] | None) -> str:
    if isinstance(settings, RandomSplit):
        return "Correct data.split.test_share, or bring more rows."
    if times is None:
        return "The table has no example at all."
    return f"{settings.column} runs from {times[0]} to {times[1]}: set data.split.test_from between them."
