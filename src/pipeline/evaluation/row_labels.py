"""What the metrics need to know of each row of a table beside its probability, read from one partition after another."""

from collections.abc import Container, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.data import slices
from pipeline.data.slices import LabelCoder, Labels


@dataclass(frozen=True)
class Slicing:
    """The columns (or ``column.part``) whose values are slices, and the one whose values the bootstrap draws whole.

    Slices of fewer than ``smallest`` rows are pooled. Without ``resample_by`` the bootstrap draws single rows.
    """

    slices: tuple[str, ...]
    resample_by: str | None
    smallest: int = 1

    def columns(self, available: Container[str]) -> list[str]:
        """The columns that the slices and the groups are made of."""
        names = [*self.slices, *([self.resample_by] if self.resample_by else [])]
        return [slices.column_of(name, available) for name in names]


@dataclass(frozen=True)
class RowLabels:
    """The truth of each row [n], the number [n] of the group that it is drawn with, and its label in each slicing.

    It takes a few bytes a row. ``partitions`` are the rows of each table that was read.
    """

    truth: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.integer]
    slices: dict[str, Labels]
    partitions: list[int]

    @classmethod
    def from_tables(cls, tables: Iterable[pd.DataFrame], target: str, by: Slicing) -> "RowLabels":
        """Reads the labels of tables that hold the target and the columns of ``by``."""
        truth, groups, coders = [], LabelCoder(), {name: LabelCoder() for name in by.slices}
        for table in tables:
            truth.append(table[target].to_numpy(np.float64) == 1)
            for name, coder in coders.items():
                coder.add(slices.label_rows(table, name))
            if by.resample_by:
                groups.add(slices.label_rows(table, by.resample_by))
        rows = sum(map(len, truth))
        return cls(
            truth=np.concatenate(truth),
            groups=groups.result().codes if by.resample_by else np.arange(rows, dtype=np.int32),
            slices={name: coder.result().pool_small(by.smallest) for name, coder in coders.items()},
            partitions=[len(part) for part in truth],
        )

    @property
    def parts(self) -> int:
        """How many parts are scored: the whole table, and each slice."""
        return 1 + sum(len(labels.values) for labels in self.slices.values())
