"""Refuses settings each of which could be right, where they do not go together."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from pipeline.config.parsing import explain
from pipeline.config.settings import DATETIME_PARTS, MOST_TOPICS, TABLE_RECIPE, Columns, Data, Kind, RawTable, TimeSplit
from pipeline.support.errors import ParamsInvalid


def refuse_contradictions(data: Data) -> None:
    """Raises ParamsInvalid where settings, each of which could be right, do not go together."""
    if problems := list(_contradictions(data)):
        raise ParamsInvalid(explain(problems))


def _contradictions(data: Data) -> Iterator[str]:
    if not data.columns and (data.recipe != TABLE_RECIPE or len(data.tables) != 1):
        yield "data.columns is empty; a model needs at least one column, and only those of a single table are inferred"
    if data.source.path.startswith("~"):
        yield f"data.source.path is {data.source.path}; DVC takes ~ for a folder of that name, so write the whole path"
    if data.target.name in data.columns:
        yield f"data.columns.{data.target.name} is the target, which gives the model the answer"
    yield from _wrong_columns(data.columns)
    yield from _wrong_topics(data.columns)
    yield from _wrong_keys(data.tables)
    yield from _wrong_partitions(data.tables)
    if not data.columns:
        return  # the stage ingest infers them, and asks again
    for index, slice_name in enumerate(data.slices):
        yield from _unknown_column(f"data.slices[{index}]", slice_name, data)
    if data.resample_by:
        yield from _unknown_column("data.resample_by", data.resample_by, data)
    if isinstance(data.split, TimeSplit):
        if data.split.column not in data.columns or data.columns[data.split.column].kind != "datetime":
            yield f"data.split.column is {data.split.column}; it should be a datetime column of data.columns"
        if data.split.test_to and data.split.test_to <= data.split.test_from:
            yield "data.split.test_to should be after data.split.test_from"


def _wrong_columns(columns: Columns) -> Iterator[str]:
    for name, column in columns.items():
        if column.example is not None and not _is_example(column.kind, column.example):
            yield f"data.columns.{name}.example is {column.example!r}; it should be a {column.kind}"
        low, high = column.range or (None, None)
        if column.range and column.kind != "number":
            yield f"data.columns.{name}.range goes with `kind: number`, not with {column.kind}"
        if low is not None and high is not None and low > high:
            yield f"data.columns.{name}.range is [{low:g}, {high:g}]; the lower end comes first"


def _wrong_topics(columns: Columns) -> Iterator[str]:
    topics = {column.topic for column in columns.values()} - {None}
    if topics and (lacking := [name for name, column in columns.items() if not column.topic]):
        yield f"data.columns should all have a topic, or none; without one: {', '.join(lacking)}"
    if len(topics) > MOST_TOPICS:
        names = ", ".join(sorted(map(str, topics)))
        yield f"data.columns have {len(topics)} topics ({names}); the reasons of a prediction take at most {MOST_TOPICS}"


def _wrong_keys(tables: Mapping[str, RawTable]) -> Iterator[str]:
    for name, table in tables.items():
        setting = f"data.tables.{name}.key"
        if unknown := [column for column in table.key if table.columns and column not in table.columns]:
            yield f"{setting} has {', '.join(unknown)}; each column of a key should be declared in the columns of its table"
        if doubled := [column for column, count in Counter(table.key).items() if count > 1]:
            yield f"{setting} names {', '.join(doubled)} twice"


def _wrong_partitions(tables: Mapping[str, RawTable]) -> Iterator[str]:
    for name, table in tables.items():
        declared = table.columns.get(table.partition_by or "")
        if table.partition_by and table.columns and not (declared and declared.kind == "datetime"):
            datetimes = [column for column, settings in table.columns.items() if settings.kind == "datetime"]
            there_is = f"these are {', '.join(datetimes)}" if datetimes else "it has none: leave `partition_by` out"
            yield (
                f"data.tables.{name}.partition_by is {table.partition_by}; it should be a datetime column declared in the "
                f"columns of its table ({there_is})"
            )


def _is_example(kind: Kind, value: float | str) -> bool:
    if kind != "datetime":
        return isinstance(value, float) == (kind == "number")
    try:
        return bool(datetime.fromisoformat(str(value)))
    except ValueError:
        return False


def _unknown_column(key: str, slice_name: str, data: Data) -> Iterator[str]:
    column, _, part = slice_name.rpartition(".")
    is_part = column in data.columns and data.columns[column].kind == "datetime" and part in DATETIME_PARTS
    if slice_name not in data.columns and not is_part:
        parts = ", .".join(DATETIME_PARTS)
        yield f"{key} is {slice_name}; it should be in data.columns, or a datetime in there with a part (.{parts})"
