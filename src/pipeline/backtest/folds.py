"""The folds of a backtest: periods of a table, each with the names of the files with the rows before its end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline.config.settings import Dataset, TimeSplit
from pipeline.data import table_io
from pipeline.data.split import Counts, count
from pipeline.evaluation import metrics
from pipeline.support.errors import OntimeError

PERIODS = {"day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}  # as pandas calls them


class BacktestImpossible(OntimeError):
    """The table has no time to go forward in, too few periods, or is not the one that the settings ask for."""


@dataclass(frozen=True)
class Fold:
    """A period, the split at it, and the paths of the files with the rows before its end."""

    period: str
    split: TimeSplit
    files: tuple[str, ...]


class Sample(NamedTuple):
    """A period, the number of its rows, and the share of them with the target."""

    period: str
    rows: int
    base_rate: float


@dataclass(frozen=True)
class Plan:
    """The periods that are predicted, in order, with their counts, and of each file the first period of its rows."""

    periods: dict[pd.Period, Counts]
    first_periods: dict[Path, pd.Period]
    split: TimeSplit

    def __len__(self) -> int:
        return len(self.periods)

    def read(self) -> dict[str, bytes]:
        """The content of each file by its path, which no worker opens."""
        return {str(file): file.read_bytes() for file in self.first_periods}

    def samples(self) -> list[Sample]:
        """What each period is predicted and scored on."""
        return [
            Sample(str(period), counts.rows, round(counts.positives / counts.rows, metrics.DECIMALS))
            for period, counts in self.periods.items()
        ]

    def folds(self) -> Iterator[Fold]:
        """A fold for each period."""
        for period in self.periods:
            start, end = period.start_time.date(), (period + 1).start_time.date()
            files = tuple(str(file) for file, first in self.first_periods.items() if first <= period)
            yield Fold(str(period), replace(self.split, test_from=start, test_to=end), files)


def plan(data: Dataset, folders: Sequence[Path], period: str, initial: int) -> Plan:
    """The periods with rows in these folders of partitions, but for the first ``initial`` ones, on which models only train.

    Raises BacktestImpossible where the split is not by time, or no period is left; TableInvalid where a file is damaged.
    """
    if not isinstance(data.split, TimeSplit):
        raise BacktestImpossible(
            f"A backtest goes forward in time, and needs a split by time; {data.name} is split at random. If its rows have "
            "a time, declare data.split with `by: time`, column and test_from in conf/data/ and type `make params repro`. "
            "If they have none, data/report/validation.json has the scores of cross-validation."
        )
    first_periods, counts = {}, dict[pd.Period, Counts]()
    for file in (file for folder in folders for file in table_io.files(folder)):
        rows = table_io.read(file, [data.split.column, data.target.name])
        periods = rows[data.split.column].dt.tz_localize(None).dt.to_period(PERIODS[period])
        for value, part in rows.groupby(periods):
            counts[value] = counts.get(value, Counts()) + count(part, data.target.name)
        if len(rows):
            first_periods[file] = periods.min()
    present = sorted(counts)
    if len(present) <= initial:
        raise BacktestImpossible(
            f"A backtest of {data.name} with INITIAL={initial} needs rows in more {period}s than that; there are rows in "
            f"{len(present)} (in {' and '.join(map(str, folders))}), the last of which is {present[-1]}. Lower INITIAL, or "
            "choose a shorter PERIOD."
        )
    return Plan({value: counts[value] for value in present[initial:]}, first_periods, data.split)
