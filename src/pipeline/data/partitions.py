"""Tables in partitions: a folder of Parquet files, each with the rows of a month (UTC), or with so many of the rows.

The names of the files sort in the order of the rows: ``2013-01``, ``2013-02`` and so on, then ``undated`` for the rows
without a time; or ``000000``, ``000001`` and so on.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline.data import table_io

ROWS = 100_000  # of a partition of a table without a time
UNDATED = "undated"
Period = tuple[pd.Timestamp, pd.Timestamp]  # the first moment of a month and that of the next, in UTC without a zone


def file(folder: Path, name: str) -> Path:
    """The file of a partition."""
    return folder / f"{name}{table_io.ENDING}"


def names(folder: Path) -> list[str]:
    """The names of the partitions in order. Raises TableInvalid where there is none."""
    return [path.stem for path in table_io.files(folder)]


def read(folder: Path, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """One partition; with ``columns`` only these are read. Raises TableInvalid where it is missing or damaged."""
    return table_io.read(file(folder, name), columns)


def iterate(folder: Path, columns: Sequence[str] | None = None) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each partition with its name, in order; with ``columns`` only these are read. Raises TableInvalid."""
    for name in names(folder):
        yield name, read(folder, name, columns)


def period(name: str) -> Period | None:
    """The month that the name of a partition says; None where its rows are counted, or undated."""
    if name == UNDATED or "-" not in name:
        return None
    start = pd.Timestamp(f"{name}-01")
    return start, start + pd.offsets.MonthBegin()


def overlaps(name: str, window: Period) -> bool:
    """Whether the partition is a month with a moment from the first to before the second one of ``window``."""
    month = period(name)
    return month is not None and month[0] < window[1] and window[0] < month[1]


def cut(table: pa.Table, partition_by: str | None, rows_before: int = 0) -> Iterator[tuple[str, pa.Table]]:
    """The parts of a table by the name of their partition, in order; in each the rows have their order.

    ``rows_before`` is how many rows of the table stand before these: it counts where rows are counted.
    """
    if partition_by:
        yield from _cut_by_month(table, partition_by)
        return
    row = 0
    while row < len(table):
        number, offset = divmod(rows_before + row, ROWS)
        yield f"{number:06d}", table.slice(row, ROWS - offset)
        row += ROWS - offset


def times(values: pa.ChunkedArray) -> npt.NDArray[np.datetime64]:
    """The values of a datetime column [n] in UTC, NaT where missing."""
    return np.asarray(values.to_numpy(), "datetime64")


def _cut_by_month(table: pa.Table, column: str) -> Iterator[tuple[str, pa.Table]]:
    months = times(table[column]).astype("datetime64[M]")
    for month in np.unique(months):  # NaT comes last
        rows = np.isnat(months) if np.isnat(month) else months == month
        yield UNDATED if np.isnat(month) else str(month), table if rows.all() else table.filter(pa.array(rows))
