"""Splits examples into training and test rows: by time, or at random with a seed."""

import pandas as pd
from sklearn.model_selection import train_test_split

from pipeline.config.settings import RandomSplit, Split, TimeSplit
from pipeline.support.errors import PeriodEmpty, TableInvalid


def split(examples: pd.DataFrame, settings: Split, target: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The training rows and the test rows, each in the order of the examples.

    Raises PeriodEmpty where one of the two parts has no rows or lacks a class, and TableInvalid where the column of a split
    by time has missing values.
    """
    if isinstance(settings, TimeSplit):
        train, test = _split_by_time(examples, settings)
    else:
        train, test = _split_at_random(examples, settings, target)
    for name, part in (("training", train), ("test", test)):
        if part[target].nunique() < 2:
            raise PeriodEmpty(
                f"The {name} part needs rows with and without {target}; it has {len(part)} rows, "
                f"{int(part[target].sum())} of them with it. {_advice(examples, settings)}"
            )
    return train, test


def _split_by_time(examples: pd.DataFrame, settings: TimeSplit) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows before ``test_from``, and rows from then on: no training row is later than a test row."""
    times = examples[settings.column].dt.tz_localize(None)
    if times.isna().any():
        raise TableInvalid(
            f"{settings.column} should have a value in each row, for the split at {settings.test_from}; "
            f"{times.isna().sum()} rows have none. Fill them in, or leave these rows out of the table."
        )
    start = pd.Timestamp(settings.test_from)
    end = pd.Timestamp(settings.test_to) if settings.test_to else pd.Timestamp.max
    return examples[times < start], examples[(times >= start) & (times < end)]


def _split_at_random(examples: pd.DataFrame, settings: RandomSplit, target: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training rows and a random share of test rows, drawn with a seed; stratified by the target if the settings say so."""
    classes = examples[target] if settings.stratify else None
    try:
        train, test = train_test_split(examples, test_size=settings.test_share, random_state=settings.seed, stratify=classes)
    except ValueError as error:
        raise PeriodEmpty(f"The {len(examples)} rows cannot be split: {error} {_advice(examples, settings)}") from error
    return train.sort_index(), test.sort_index()


def _advice(examples: pd.DataFrame, settings: Split) -> str:
    if isinstance(settings, RandomSplit):
        return "Correct data.split.test_share, or bring more rows."
    times = examples[settings.column]
    return f"{settings.column} runs from {times.min()} to {times.max()}: set data.split.test_from between them."
