"""Splits examples into training and test rows: by time, or at random with a seed."""

import pandas as pd
from pandas.api import types
from sklearn.model_selection import train_test_split

from pipeline.config.settings import RandomSplit, Split, TimeSplit
from pipeline.support.errors import ParamsInvalid, PeriodEmpty, TableInvalid


def split(examples: pd.DataFrame, how: Split, target: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The training rows and the test rows, each in the order of the examples.

    Raises PeriodEmpty where one of them has no rows, or fewer than both classes.
    """
    train, test = by_time(examples, how) if isinstance(how, TimeSplit) else at_random(examples, how, target)
    for name, part in (("training", train), ("test", test)):
        if part[target].nunique() < 2:
            raise PeriodEmpty(
                f"The {name} part needs rows with and without {target}; it has {len(part)} rows, "
                f"{int(part[target].sum())} of them with it. {_mend(examples, how)}"
            )
    return train, test


def by_time(examples: pd.DataFrame, how: TimeSplit) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows before ``test_from``, and rows from then on: nothing that is trained on comes after anything that is scored."""
    if how.column not in examples or not types.is_datetime64_any_dtype(examples[how.column]):
        raise ParamsInvalid(
            f"data.split.column is {how.column}; it should be a datetime column of the examples, which are "
            f"{', '.join(map(str, examples.columns))}. Correct it in conf/data/ and type `make params`."
        )
    when = examples[how.column].dt.tz_localize(None)
    if when.isna().any():
        raise TableInvalid(
            f"{how.column} should say of each row on which side of {how.test_from} it is; {when.isna().sum()} rows have "
            "none. Fill them in or leave these rows out of the table."
        )
    start = pd.Timestamp(how.test_from)
    end = pd.Timestamp(how.test_to) if how.test_to else pd.Timestamp.max
    return examples[when < start], examples[(when >= start) & (when < end)]


def at_random(examples: pd.DataFrame, how: RandomSplit, target: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A seeded share of the rows for testing, stratified by the target if asked for."""
    kinds = examples[target] if how.stratify else None
    try:
        train, test = train_test_split(examples, test_size=how.test_share, random_state=how.seed, stratify=kinds)
    except ValueError as error:
        raise PeriodEmpty(f"The {len(examples)} rows cannot be split: {error} {_mend(examples, how)}") from error
    return train.sort_index(), test.sort_index()


def _mend(examples: pd.DataFrame, how: Split) -> str:
    if isinstance(how, RandomSplit):
        return "Correct data.split.test_share, or bring more rows."
    when = examples[how.column]
    return f"{how.column} runs from {when.min()} to {when.max()}: set data.split.test_from between them."
