"""Writes a table that comes in parts as partitions; memory holds one part, or one partition, at a time."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from pipeline.data import partitions, table_io
from pipeline.support.errors import TableInvalid, first_line


class PartitionWriter:
    """Cuts each part into pieces, one for each partition; `finish` puts those of a partition together, in order."""

    def __init__(self, folder: Path, partition_by: str | None) -> None:
        self._folder, self._partition_by = folder, partition_by
        self._pieces = folder / ".pieces"
        self._pieces.mkdir(parents=True)
        self._rows = self._parts = 0
        self._schema = pa.schema([])  # of all parts so far; the type of a column that is empty in all of them is null
        self._last_schema = pa.schema([])  # of the last part

    def add(self, table: pa.Table, source: Path) -> None:
        """Adds the next part. Raises TableInvalid where a column has a type that does not go with the parts before it."""
        self._widen_schema(table, source)
        for name, piece in partitions.cut(table, self._partition_by, self._rows):
            folder = self._pieces / name
            folder.mkdir(exist_ok=True)
            table_io.write(piece, folder / f"{self._parts:08d}{table_io.ENDING}")
        self._rows += len(table)
        self._parts += 1

    def count(self) -> int:
        """How many partitions there are so far."""
        return len(list(self._pieces.iterdir()))

    def finish(self, advance: Callable[[], None]) -> None:
        """Writes the partitions; ``advance`` is called after each."""
        for folder in sorted(self._pieces.iterdir()):
            pieces, file = table_io.files(folder), partitions.file(self._folder, folder.name)
            if self._parts == 1:
                pieces[0].rename(file)
            else:
                table_io.write(pa.concat_tables(map(self._read, pieces)), file)
            advance()
        shutil.rmtree(self._pieces)

    def _read(self, piece: Path) -> pa.Table:
        table = table_io.decode(piece.read_bytes(), str(piece))
        columns = [
            _with_type(values, self._type(name)) for name, values in zip(table.column_names, table.columns, strict=True)
        ]
        return pa.table(columns, table.column_names)

    def _type(self, name: str) -> pa.DataType:
        arrow_type = self._schema.field(name).type
        return self._last_schema.field(name).type if pa.types.is_null(arrow_type) else arrow_type

    def _widen_schema(self, table: pa.Table, source: Path) -> None:
        """Takes the types of a part into those of the table; an empty column goes with any."""
        is_empty = [values.null_count == len(values) for values in table.columns]
        self._last_schema = table.schema
        part = pa.schema(
            field.with_type(pa.null()) if empty else field for field, empty in zip(table.schema, is_empty, strict=True)
        )
        try:
            self._schema = pa.unify_schemas([self._schema, part], promote_options="permissive")
        except pa.ArrowException as error:
            raise TableInvalid(
                f"{source} should have the types of the files before it; {first_line(error)}. Write that column as one type."
            ) from error


def _with_type(values: pa.ChunkedArray, arrow_type: pa.DataType) -> pa.ChunkedArray:
    if values.null_count == len(values):
        return pa.chunked_array([pa.nulls(len(values), arrow_type)])
    return values.cast(arrow_type)
