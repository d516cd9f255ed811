"""The tasks of a data set: of each partition in data/raw, the files that its examples are made from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.config.parsing import parse_settings
from pipeline.config.settings import Data
from pipeline.data import partitions, table_io
from pipeline.data.partitions import Period
from pipeline.examples.partition import Task, Work
from pipeline.recipes.loader import load_recipe
from pipeline.recipes.part import Reach
from pipeline.support.errors import ParamsInvalid

WHOLE = "000000"  # the one partition of a recipe without a reach


def plan(data: Data, raw: Path) -> Work:
    """What the tasks of a data set share, whose tables are the folders in ``raw``.

    Raises ParamsInvalid where the recipe needs the time of rows, and the table is not cut by it.
    """
    recipe = load_recipe(data.recipe)
    options: Any = parse_settings(recipe.Options, data.options, prefix="data")
    reach: Reach | None = recipe.reach(data.tables, options) if hasattr(recipe, "reach") else None
    if reach and (reach.before or reach.after) and not data.tables[reach.table].partition_by:
        raise ParamsInvalid(
            f"data.tables.{reach.table}.partition_by should name the column with the time of a row, because the recipe "
            f"{data.recipe} looks at the rows before and after; nothing is declared. Declare it in conf/data/ and type "
            "`make params`."
        )
    return Work(data, reach, _labels(raw / reach.table, data.target.name) if reach else None)


def names(work: Work, raw: Path) -> list[str]:
    """The partitions whose examples are made, in order."""
    return partitions.names(raw / work.reach.table) if work.reach else [WHOLE]


def path(work: Work, raw: Path, name: str) -> str:
    """The file that a partition's rows come from, for messages; the folder of tables for a recipe without a reach."""
    return (partitions.file(raw / work.reach.table, name) if work.reach else raw).as_posix()


def read(work: Work, raw: Path) -> Iterator[Task]:
    """A task for each of these partitions, made when it is asked for."""
    all_names = {table: partitions.names(raw / table) for table in work.data.tables}
    for name in names(work, raw):
        window = _window(name, work.reach)
        files = {
            table: {
                part: partitions.file(raw / table, part).read_bytes() for part in _parts(work, table, name, window, of_table)
            }
            for table, of_table in all_names.items()
        }
        yield Task(name, raw.as_posix(), files, window)


def _window(name: str, reach: Reach | None) -> Period | None:
    month = partitions.period(name)
    return (month[0] - reach.before, month[1] + reach.after) if month and reach else None


def _parts(work: Work, table: str, name: str, window: Period | None, all_names: list[str]) -> list[str]:
    """The partitions of a table that the partition ``name`` needs; at least one, for the types of the columns."""
    is_subject = bool(work.reach and work.reach.table == table)
    if not work.reach or not (is_subject or work.data.tables[table].partition_by):
        return all_names
    near = [part for part in all_names if window and partitions.overlaps(part, window)]
    return sorted({*near, name}) if is_subject else near or all_names[:1]


def _labels(folder: Path, target: str) -> pd.Series | None:
    """The distinct values of a column, read by itself; None where the table has no such column."""
    distinct = []
    for name in partitions.names(folder):
        path = partitions.file(folder, name)
        table = table_io.decode(path.read_bytes(), str(path), [target])
        if target not in table.column_names:
            return None
        distinct.append(pa.chunked_array([table[target].unique()]))
    values = pa.chunked_array([chunk for part in distinct for chunk in part.chunks]).unique().drop_null()
    return values.to_pandas()
