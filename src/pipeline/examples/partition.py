"""The examples of one partition, by the recipe of its data set: as a task that holds all it needs, for a worker anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.config.parsing import parse_settings
from pipeline.config.settings import Data, TimeSplit
from pipeline.data import partitions, schema, split, table_io
from pipeline.data.partitions import Period
from pipeline.recipes.loader import load_recipe
from pipeline.recipes.part import Part, Reach
from pipeline.support.errors import OntimeError, TableInvalid

TRAIN, TEST, UNSPLIT = "train", "test", "unsplit"  # the last one waits for a draw over all rows


@dataclass(frozen=True)
class Work:
    """What is the same for all partitions; ``reach`` is None of a recipe that wants all tables whole."""

    data: Data
    reach: Reach | None
    labels: pd.Series | None  # the distinct values of the target's column, where the tables have one


@dataclass(frozen=True)
class Task:
    """One partition: the Parquet files that its examples are made from, as bytes, by table and by name of partition.

    Of a table with a time only the rows within ``window`` are looked at, beside those of the partition itself.
    """

    name: str
    folder: str  # of the tables, for messages
    files: Mapping[str, Mapping[str, bytes]]
    window: Period | None


@dataclass(frozen=True)
class Examples:
    """The examples of one partition: Parquet files by part of the split, and what is to be said of the rows."""

    findings: schema.Findings
    left_out: Mapping[str, int]
    files: Mapping[str, bytes] = field(default_factory=dict)
    counts: Mapping[str, split.Counts] = field(default_factory=dict)
    times: tuple[pd.Timestamp, pd.Timestamp] | None = None
    error: str = ""  # what speaks against a split


def make(work: Work, task: Task) -> Examples:
    """The examples of a partition. Raises the errors of the recipe, with the file of the partition, and TableInvalid."""
    data, (tables, part) = work.data, _read_tables(work, task)
    place = f"{_path(task, work.reach.table, task.name)}: " if work.reach else ""
    try:
        examples, left_out = _call_recipe(data, tables, part)
        frame = schema.to_single_precision(examples, data.columns)
    except OntimeError as error:
        raise type(error)(f"{place}{error}") from error
    findings = schema.inspect(frame, data.columns)
    if findings.column_faults:
        return Examples(findings, left_out)
    try:
        parts = _split(frame, data)
    except TableInvalid as error:
        return Examples(findings, left_out, error=f"{place}{error}")
    counts = {name: split.count(rows, data.target.name) for name, rows in parts.items()}
    files = {name: table_io.encode(rows) for name, rows in parts.items() if len(rows)}
    return Examples(findings, left_out, files, counts, split.period(frame, data.split))


def _call_recipe(data: Data, tables: Mapping[str, pd.DataFrame], part: Part | None) -> tuple[pd.DataFrame, dict[str, int]]:
    recipe = load_recipe(data.recipe)
    options = parse_settings(recipe.Options, data.options, prefix="data")
    result: tuple[pd.DataFrame, dict[str, int]] = recipe.examples(tables, data, options, *([part] if part else []))
    return result


def _split(frame: pd.DataFrame, data: Data) -> dict[str, pd.DataFrame]:
    if isinstance(data.split, TimeSplit):
        train, test = split.split_by_time(frame, data.split)
        return {TRAIN: train, TEST: test}
    return {UNSPLIT: frame}


def _read_tables(work: Work, task: Task) -> tuple[dict[str, pd.DataFrame], Part | None]:
    """The tables as far as the partition needs them, and which rows of the table that `Reach` names are its own."""
    subject, tables, part = work.reach.table if work.reach else None, {}, None
    for table, contents in task.files.items():
        parts = {name: _read_part(work, task, table, name) for name in contents}
        if subject and (column := work.data.tables[table].partition_by):
            parts = {
                name: rows if (table, name) == (subject, task.name) else _within(rows, column, task.window)
                for name, rows in parts.items()
            }
        if table == subject:
            start = sum(len(rows) for name, rows in parts.items() if name < task.name)
            part = Part(slice(start, start + len(parts[task.name])), work.labels)
        tables[table] = pa.concat_tables(parts.values()).to_pandas()
    return tables, part


def _read_part(work: Work, task: Task, table: str, name: str) -> pa.Table:
    """The columns that are declared, and the target.

    All columns for a recipe without a reach, and where there is no column of the target's name, for the recipe to say so.
    """
    is_complete = work.reach and (work.labels is not None or len(task.files) > 1)
    columns = [*work.data.tables[table].columns, work.data.target.name] if is_complete else None
    return table_io.decode(task.files[table][name], _path(task, table, name), columns)


def _within(rows: pa.Table, column: str, window: Period | None) -> pa.Table:
    """The rows whose time is in the window: none without a window."""
    if window is None:
        return rows.slice(0, 0)
    times = partitions.times(rows[column])
    return rows.filter(pa.array((times >= np.datetime64(window[0])) & (times < np.datetime64(window[1]))))


def _path(task: Task, table: str, name: str) -> str:
    return f"{task.folder}/{table}/{name}{table_io.ENDING}"
