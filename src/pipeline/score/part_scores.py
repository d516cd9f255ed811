"""The predictions of a part of a table: the task that an engine computes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from column_types import arrow
from column_types.arrow import Reading
from column_types.table_format import TableFormat
from pipeline.config.settings import Column, Columns
from pipeline.data import model_inputs, schema
from pipeline.modeling import artifact, scoring
from pipeline.support.errors import SchemaMismatch, TableInvalid, first_line

Predictions = tuple[str, npt.NDArray[np.float64]]  # the path of a file, and the probabilities of some of its rows


@dataclass(frozen=True)
class Model:
    """A model directory, as far as a worker needs it. ``time_zones`` has those of datetimes that have one."""

    graph: bytes
    threshold: float
    columns: Columns
    time_zones: dict[str, str]
    table_format: TableFormat

    @classmethod
    def read(cls, folder: Path) -> "Model":
        """The model in a directory. Raises ModelMissing where it is incomplete or altered."""
        threshold = artifact.read_metadata(folder)["threshold"]
        described = json.loads((folder / artifact.SCHEMA).read_text(encoding="utf-8"))
        columns = {column["name"]: _column(column) for column in described["columns"]}
        zones = {column["name"]: column["time_zone"] for column in described["columns"] if "time_zone" in column}
        form = TableFormat(**{key: _closed(value) for key, value in described.get("table_format", {}).items()})
        return cls((folder / artifact.GRAPH).read_bytes(), threshold, columns, zones, form)


@dataclass(frozen=True)
class Part:
    """Rows of the file at ``path``, which no worker opens, as a Parquet file; ``rows_before`` stand before them there."""

    path: str
    content: bytes
    rows_before: int


def score(model: Model, part: Part) -> Predictions:
    """The path of the file, and the probability [n] of each row, in the order of the rows.

    Raises TableInvalid, which names the file, the row and the column, where a value is not what the model was made for, and
    SchemaMismatch where a column is missing.
    """
    table = _read(model, part)
    parts = [np.empty(0)]
    for start in range(0, len(table), scoring.ROWS_AT_ONCE):
        rows = table.slice(start, scoring.ROWS_AT_ONCE).to_pandas()
        findings = schema.inspect(rows, model.columns, rows_before=part.rows_before + start)
        if faults := [*findings.column_faults, *findings.row_faults]:
            raise TableInvalid(
                f"{part.path} does not have the values the model was made for: {'; '.join(faults)}. Correct them there; "
                f"{artifact.SCHEMA} of the model has the declaration of each column."
            )
        arrays = model_inputs.to_arrays(model_inputs.pack(rows, model.columns), model.columns)
        parts.append(scoring.predict(model.graph, arrays))
    return part.path, np.concatenate(parts)


def _read(model: Model, part: Part) -> pa.Table:
    """The columns of the model, converted to their kinds as the training table was."""
    with parquet_errors(part.path):
        table = parquet.ParquetFile(pa.BufferReader(part.content)).read(list(model.columns))
    missing = [name for name, column in model.columns.items() if name not in table.column_names and column.required]
    if missing:
        raise SchemaMismatch(f"{part.path} should have the columns that the model reads; it lacks {', '.join(missing)}.")
    columns = {}
    for name, column in model.columns.items():
        reading = Reading(model.table_format, column.format, is_typed=True, zones=[model.time_zones.get(name)])
        values = table[name] if name in table.column_names else pa.nulls(len(table))
        try:
            columns[name] = arrow.convert(values, column.kind, reading)
        except arrow.ValueInvalid as error:
            row = "" if error.row is None else f", row {part.rows_before + error.row + 1:,}"
            raise TableInvalid(f"{part.path}{row}: {name} {error}. Correct it there.") from error
    return pa.table(columns)


@contextmanager
def parquet_errors(path: str) -> Iterator[None]:
    """Raises TableInvalid for what pyarrow says of a damaged file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise TableInvalid(f"{path} should be a Parquet file; {first_line(error)}. Replace it by one.") from error


def _column(described: dict[str, Any]) -> Column:
    return Column(
        described["kind"],
        range=(described["minimum"], described["maximum"]),
        categories=_closed(described.get("categories")),
        nullable=described["nullable"],
        required=described["required"],
        format=described.get("format"),
    )


def _closed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
