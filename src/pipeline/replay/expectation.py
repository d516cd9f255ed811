"""What the pipeline says of the test period: of each subject its moment, its columns and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.parsing import parse_settings
from pipeline.config.settings import Dataset, TimeSplit
from pipeline.data.event_log import row_values
from pipeline.recipes import loader

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Subject = tuple[Any, ...]  # the values of the key of a row
Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Expectation:
    """The subjects [n] of the test period by the moment of their prediction, also those that have no outcome."""

    subjects: Sequence[Subject]
    moments: npt.NDArray[np.int64]  # minutes since 1970
    features: pd.DataFrame
    outcomes: npt.NDArray[np.float64]  # 1, 0, or NaN where there is none: cancelled, for example
    dates: npt.NDArray[np.object_]  # of the column by which the examples are split
    rows: pd.DataFrame  # of the table of the subjects

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def begins(self) -> datetime:
        """The first moment."""
        return at(self.moments[0])

    @property
    def ends(self) -> datetime:
        """A minute after the last moment."""
        return at(self.moments[-1] + 1)

    def first_days(self, count: int | None) -> "Expectation":
        """Its first days alone."""
        last = len(self) if count is None else int(np.searchsorted(self.dates, np.unique(self.dates)[:count][-1], "right"))
        values = {name: getattr(self, name)[:last] for name in self.__dataclass_fields__}
        return Expectation(**values)


def expect(data: Dataset, tables: Tables, split: TimeSplit) -> Expectation:
    """The test period of a data set whose recipe computes the columns from events of its raw ``tables``."""
    recipe, live = loader.load_recipe(data.recipe), loader.load_part(data.recipe, "live")
    options = parse_settings(recipe.Options, data.options, prefix="data")
    features = recipe.features(tables, options)
    dates = features[split.column].dt.tz_localize(None)
    end = pd.Timestamp(split.test_to) if split.test_to else pd.Timestamp.max
    features = features[(dates >= pd.Timestamp(split.test_from)) & (dates < end)]
    rows = tables[live.TABLE].loc[features.index]
    order = np.argsort(live.moments(rows, options), kind="stable")
    rows, features = rows.iloc[order], features.iloc[order]
    return Expectation(
        [tuple(key.values()) for key in row_values(rows, data.tables[live.TABLE].key)],
        live.moments(rows, options),
        features[list(data.columns)],
        np.array(live.outcomes(rows, options), dtype=np.float64),
        dates[features.index].dt.date.to_numpy(),
        rows,
    )


def last_event(data: Dataset, tables: Tables, period: Expectation) -> datetime:
    """When the last event about a subject of the period becomes known."""
    events, table = loader.load_part(data.recipe, "events").events, loader.load_part(data.recipe, "live").TABLE
    moments = (event.known_at for event in events({**tables, table: period.rows}, data.tables) if event.table == table)
    last: datetime = max(moments)
    return last


def at(minute: int) -> datetime:
    """The moment of a minute since 1970."""
    return EPOCH + int(minute) * MINUTE
