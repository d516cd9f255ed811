"""The rows that a model learns from: the training table, or a sample of it, partition by partition."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.settings import Columns
from pipeline.data import model_inputs, table_io
from pipeline.modeling import sampling
from pipeline.modeling.parts import Parts


@dataclass(frozen=True)
class TrainingRows:
    """Rows in parts of ``sizes`` rows; ``load`` gives the part of a number, with these columns or all.

    ``table_rows`` counts those of the training table; where these are fewer, they are a sample.
    """

    sizes: tuple[int, ...]
    load: Callable[[int, list[str] | None], pd.DataFrame]
    table_rows: int

    @classmethod
    def held(cls, rows: pd.DataFrame, table_rows: int) -> "TrainingRows":
        """One part, which is in memory already."""
        return cls((len(rows),), lambda _, columns: rows if columns is None else rows[columns], table_rows)

    def __len__(self) -> int:
        return sum(self.sizes)

    def __getitem__(self, column: str) -> pd.Series:
        """One column of all rows."""
        return self.select([column])[column]

    def select(self, columns: list[str]) -> pd.DataFrame:
        """These columns of all rows."""
        parts = [self.load(number, columns) for number in range(len(self.sizes))]
        return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]

    def take(self, places: npt.NDArray[np.intp]) -> pd.DataFrame:
        """The rows at these places, in their order."""
        order = np.argsort(places, kind="stable")
        chosen = _gather((self.load(number, None) for number in range(len(self.sizes))), places[order])
        return chosen.iloc[np.argsort(order)]

    def packed(self, columns: Columns) -> Parts:
        """The columns of the model, packed part by part; a single part stays packed."""
        names = list(columns)
        if len(self.sizes) == 1:
            return Parts.held(model_inputs.pack(self.load(0, names), columns))
        return Parts(self.sizes, lambda number: model_inputs.pack(self.load(number, names), columns))


def read(folder: Path, max_rows: int | None, seed: int, in_parts: bool) -> TrainingRows:
    """The rows of a table in partitions; of more than ``max_rows`` so many, drawn with the seed by a hash of their numbers.

    They are in memory, unless they are all and ``in_parts`` asks for a partition at a time. Raises TableInvalid.
    """
    sizes = {file: rows for file in table_io.files(folder) if (rows := table_io.count_rows(file))}
    files, total = list(sizes), sum(sizes.values())
    if max_rows is not None and total > max_rows:
        return TrainingRows.held(_gather(map(table_io.read, files), sampling.draw_rows(total, max_rows, seed)), total)
    if in_parts:
        return TrainingRows(tuple(sizes.values()), lambda number, columns: table_io.read(files[number], columns), total)
    return TrainingRows.held(table_io.read(folder), total)


def _gather(parts: Iterator[pd.DataFrame], rows: npt.NDArray[np.int64]) -> pd.DataFrame:
    """The rows of these sorted numbers, among those of all parts."""
    chosen, start = [], 0
    for part in parts:
        first, last = np.searchsorted(rows, [start, start + len(part)])
        if first < last:
            chosen.append(part.iloc[rows[first:last] - start])
        start += len(part)
    return pd.concat(chosen, ignore_index=True)
