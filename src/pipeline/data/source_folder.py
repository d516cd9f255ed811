"""A source that is a folder of Parquet files: one table, whose files are read one by one."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset
from pyarrow.dataset import get_partition_keys

from pipeline.config.settings import RawTable
from pipeline.support.errors import TableInvalid, first_line

ROWS_AT_ONCE = 1_000_000


def open_folder(path: Path, declared: RawTable, target: str) -> pa.dataset.Dataset:
    """All Parquet files below a folder, whose subfolders may name a partition, such as year=2013, with one type per column.

    Raises TableInvalid where they are no table: there are none, other files are among them, a column has two types, or a
    file lacks a declared column.
    """
    try:
        dataset = pa.dataset.dataset(path, format="parquet", partitioning="hive")
        files = list(dataset.get_fragments())
        parts = [_without_dictionaries(file.physical_schema) for file in files]
        if not files:
            raise TableInvalid(f"{path} should hold Parquet files; it holds none. Put them there, or correct the path.")
        whole = pa.unify_schemas([*parts, _without_dictionaries(dataset.schema)], promote_options="permissive")
    except (pa.ArrowException, OSError) as error:
        raise TableInvalid(
            f"{path} should hold Parquet files alone, with one type for each column; {first_line(error)}. Take other files "
            "out of it, or write that column as one type."
        ) from error
    columns = declared.columns.keys() | {target} if declared.columns else set(whole.names)
    for file, part in zip(files, parts, strict=True):
        if lacking := sorted(columns & set(whole.names) - {*part.names, *get_partition_keys(file.partition_expression)}):
            raise TableInvalid(
                f"{file.path} should have the columns of the other files in {path}; it lacks {', '.join(lacking)}. "
                "Add them, empty where nothing is known, or take the file out of the folder."
            )
    return pa.dataset.dataset(path, whole, format="parquet", partitioning="hive")


def read_file(file: pa.dataset.ParquetFileFragment, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of one of the files, in tables of as many row groups as have ROWS_AT_ONCE rows, and of at least one."""
    groups: list[int] = []
    rows = 0
    for group in file.row_groups:
        if groups and rows + group.num_rows > ROWS_AT_ONCE:
            yield file.subset(row_group_ids=groups).to_table(schema)
            groups, rows = [], 0
        groups.append(group.id)
        rows += group.num_rows
    if groups:
        yield file.subset(row_group_ids=groups).to_table(schema)


def _without_dictionaries(schema: pa.Schema) -> pa.Schema:
    """The schema with the types of the values that are encoded: one file may have a dictionary and the next none."""
    return pa.schema(
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in schema
    )
