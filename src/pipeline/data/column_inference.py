"""Infers the columns of a table that nobody declared."""

from dataclasses import asdict

import pyarrow as pa
import yaml
from pyarrow import compute, types

from column_types import arrow
from column_types.arrow import Reading
from column_types.table_format import TableFormat
from pipeline.config.settings import Column, Columns, Kind
from pipeline.support.errors import TableInvalid

# A text with more distinct values than these is a name or a sentence, and no category that comes again.
MOST_CATEGORIES, LARGEST_SHARE_DISTINCT = 50, 0.5


def infer(table: pa.Table, target: str) -> tuple[Columns, list[str]]:
    """The columns from which a model can learn, and a sentence about each that is left out or looks like an identifier.

    Raises TableInvalid where no column is left.
    """
    columns, remarks = {}, []
    for name in table.column_names:
        if name == target:
            continue
        kind, remark = _infer_kind(name, table[name])
        remarks += [remark] if remark else []
        if kind:
            columns[name] = Column(kind)
    if not columns:
        raise TableInvalid(f"The table should have columns to learn from; it has none. {' '.join(remarks)} Declare some.")
    return columns, remarks


def dump(columns: Columns) -> str:
    """The columns as the block of YAML that declares them."""
    declared = {name: {"kind": asdict(column)["kind"]} for name, column in columns.items()}
    return yaml.safe_dump({"columns": declared}, sort_keys=False, allow_unicode=True)


def _infer_kind(name: str, values: pa.ChunkedArray) -> tuple[Kind | None, str]:
    """The kind of a column, None where it is left out, and what a person should know of it."""
    count = len(values) - values.null_count
    if not count:
        return None, f"{name} is left out: it is empty."
    if numbers := _convert(values, "number"):
        is_identifier = types.is_integer(numbers.type) and compute.count_distinct(numbers).as_py() == len(values)
        return "number", f"{name} has another number in each row: leave it out if it identifies the row." * is_identifier
    if _convert(values, "datetime"):
        return "datetime", ""
    if not (categories := _convert(values, "category")):
        return None, f"{name} is left out: it is of the type {values.type}."
    distinct = compute.count_distinct(categories).as_py()
    if distinct > MOST_CATEGORIES and distinct > LARGEST_SHARE_DISTINCT * count:
        return None, f"{name} is left out: {distinct:,} different texts in {count:,} rows are no categories."
    return "category", ""


def _convert(values: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray | None:
    """The values as those of a kind; None where they are of another one."""
    try:
        return arrow.convert(values, kind, Reading(TableFormat(), is_typed=True))
    except arrow.ValueInvalid:
        return None
