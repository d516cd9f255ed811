"""The key of a table: the columns that name a row, because no two rows have the same values there."""

from collections.abc import Sequence

import pandas as pd

from pipeline.support.errors import TableInvalid

MOST_SHOWN = 60  # characters of a value in a message


def check(frame: pd.DataFrame, key: Sequence[str], table: str) -> None:
    """Raises TableInvalid where a row has no value in a column of the ``key``, or the same ones as an earlier row."""
    if not key:
        return
    columns = frame[list(key)]
    missing, repeated = columns.isna(), columns.duplicated()
    if missing.to_numpy().any():
        row = int(missing.any(axis=1).to_numpy().argmax())
        fault = f"row {row + 1:,} has no {', '.join(missing.columns[missing.iloc[row]])}"
    elif repeated.any():
        row = int(repeated.to_numpy().argmax())
        first = int((columns == columns.iloc[row]).all(axis=1).to_numpy().argmax())
        values = ", ".join(f"{name} {str(value)[:MOST_SHOWN]}" for name, value in columns.iloc[row].items())
        fault = f"rows {first + 1:,} and {row + 1:,} both have {values}"
    else:
        return
    raise TableInvalid(
        f"Each row of table {table} should have its own key ({', '.join(key)}); {fault}. Correct the table, or `key` of "
        "this table in conf/data/."
    )
