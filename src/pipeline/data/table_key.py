"""The key of a table: the columns that name a row, because no two rows have the same values there."""

from collections.abc import Sequence
from typing import NoReturn

import pandas as pd

from pipeline.support.errors import TableInvalid

MOST_SHOWN = 60  # characters of a value in a message
PART, ROW = " part", " row"  # columns of keys out of several parts of a table: in which one, and in which row of it


def check(frame: pd.DataFrame, key: Sequence[str], table: str, place: str = "", rows_before: int = 0) -> None:
    """Raises TableInvalid where a row has no value in a column of the ``key``, or the same ones as an earlier row.

    ``place`` is the file that these rows are read from, where the table has several, after ``rows_before`` others.
    """
    if not key:
        return
    columns = frame[list(key)]
    missing, repeated = columns.isna(), columns.duplicated()
    within = f" of {place}" if place else ""
    if missing.to_numpy().any():
        row = int(missing.any(axis=1).to_numpy().argmax())
        _refuse(key, table, f"row {rows_before + row + 1:,}{within} has no {', '.join(missing.columns[missing.iloc[row]])}")
    if repeated.any():
        row = int(repeated.to_numpy().argmax())
        first = int((columns == columns.iloc[row]).all(axis=1).to_numpy().argmax())
        rows = f"rows {rows_before + first + 1:,} and {rows_before + row + 1:,}{within}"
        _refuse(key, table, f"{rows} both have {_values(columns.iloc[row])}")


def compare(keys: pd.DataFrame, key: Sequence[str], table: str) -> None:
    """Raises TableInvalid where two rows of ``keys``, which has the columns PART and ROW, share a key."""
    columns = keys[list(key)]
    for row in columns.duplicated().to_numpy().nonzero()[0][:1]:
        first = int((columns == columns.iloc[row]).all(axis=1).to_numpy().argmax())
        one, other = (f"row {keys[ROW].iloc[index] + 1:,} of {keys[PART].iloc[index]}" for index in (first, row))
        _refuse(key, table, f"{one} and {other} both have {_values(columns.iloc[row])}")


def _values(row: pd.Series) -> str:
    return ", ".join(f"{name} {str(value)[:MOST_SHOWN]}" for name, value in row.items())


def _refuse(key: Sequence[str], table: str, fault: str) -> NoReturn:
    raise TableInvalid(
        f"Each row of table {table} should have its own key ({', '.join(key)}); {fault}. Correct the table, or `key` of "
        "this table in conf/data/."
    )
