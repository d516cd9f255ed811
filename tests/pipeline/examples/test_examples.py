"""The examples made partition by partition are those of the whole tables, to the last bit; faults name their partition."""

import json
import pickle
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.config.parsing import parse_settings
from pipeline.config.settings import Column, Data, RandomSplit, RawTable, Source, Target, TimeSplit
from pipeline.data import partitions, schema, split, table_io
from pipeline.data.partition_writer import PartitionWriter
from pipeline.examples import partition, tasks
from pipeline.examples.writer import ExampleWriter
from pipeline.recipes import loader
from pipeline.support.errors import OntimeError, ParamsInvalid, PeriodEmpty, TableInvalid
from source_tables import default_data, read_tables


@pytest.fixture(scope="module")
def flights():
    """The settings of the flights, and their tables."""
    data = default_data()
    return data, read_tables(data)


def every(number, tables):
    """Every so many of the flights, and the whole of the other tables."""
    return {**tables, "flights": tables["flights"].iloc[::number]}


def whole(data, tables):
    """The training and test rows, and what is left out, computed from the whole tables at once."""
    recipe = loader.load_recipe(data.recipe)
    examples, left_out = recipe.examples(tables, data, parse_settings(recipe.Options, data.options, "data"))
    return *split.split(schema.to_single_precision(examples, data.columns), data.split, data.target.name), left_out


def in_partitions(data, tables, folder, order=1):
    """The same, partition by partition, in this order of the tasks; each task travels as bytes."""
    for name, frame in tables.items():
        writer = PartitionWriter(folder / "raw" / name, data.tables[name].partition_by)
        writer.add(pa.Table.from_pandas(frame, preserve_index=False), folder)
        writer.finish(lambda: None)
    (folder / "new").mkdir()
    work, writer, check = (
        tasks.plan(data, folder / "raw"),
        ExampleWriter(folder / "new", data),
        schema.TableCheck("of examples"),
    )
    sent = [pickle.dumps((work, task)) for task in tasks.read(work, folder / "raw")]
    results = [pickle.loads(pickle.dumps(partition.make(*pickle.loads(task)))) for task in sent[::order]][::order]
    for name, result in zip(tasks.names(work, folder / "raw"), results, strict=True):
        check.add(result.findings, name)
        writer.add(name, result)
    counts = writer.finish()
    train, test = (table_io.read(folder / "new" / part) for part in ("train", "test"))
    assert counts == {"train": len(train), "test": len(test), "left_out": counts["left_out"]}
    return train, test, counts["left_out"]


def assert_equal(results, expected):
    for rows, of_whole in zip(results[:2], expected[:2], strict=True):
        as_parquet = table_io.decode(table_io.encode(of_whole), "").to_pandas()
        pd.testing.assert_frame_equal(rows, as_parquet, check_exact=True)
    assert results[2] == expected[2]


@pytest.mark.parametrize(("horizon_hours", "order"), [(2.0, 1), (24.0, -1)])
def test_each_column_of_the_flights_is_that_of_the_whole_tables(flights, tmp_path, horizon_hours, order):
    data, tables = flights
    data, tables = replace(data, options={**data.options, "horizon_hours": horizon_hours}), every(25, tables)

    assert_equal(in_partitions(data, tables, tmp_path, order), whole(data, tables))


@pytest.mark.long("each column of all flights, by partition and at once")
def test_each_column_of_every_flight_is_that_of_the_whole_tables(flights, tmp_path):
    assert_equal(in_partitions(*flights, tmp_path), whole(*flights))


def test_months_without_flights_or_without_weather_are_no_fault(flights, tmp_path):
    data, tables = flights
    tables = every(50, tables)
    month, of_weather = tables["flights"]["time_hour"].dt.month, tables["weather"]["time_hour"].dt.month
    tables = {**tables, "flights": tables["flights"][month != 5], "weather": tables["weather"][of_weather < 4]}

    assert_equal(in_partitions(data, tables, tmp_path), whole(data, tables))


def test_a_recipe_that_looks_back_needs_the_time_of_rows(flights, tmp_path):
    data, tables = flights
    data = replace(data, tables={**data.tables, "flights": replace(data.tables["flights"], partition_by=None)})

    with pytest.raises(
        ParamsInvalid, match=r"data\.tables\.flights\.partition_by should name .*; nothing is declared\. Declare"
    ):
        in_partitions(data, every(3000, tables), tmp_path)


def test_a_recipe_without_a_reach_gets_all_columns_of_all_tables(flights, tmp_path, monkeypatch):
    data, tables = flights
    tables = every(100, tables)
    assert "dep_time" not in data.tables["flights"].columns
    recipe = loader.load_recipe(data.recipe)
    monkeypatch.delattr(recipe, "reach")
    given = {}
    examples = recipe.examples
    monkeypatch.setattr(recipe, "examples", lambda tables, *others: given.update(tables) or examples(tables, *others))

    results = in_partitions(data, tables, tmp_path)

    assert {name: list(rows.columns) for name, rows in given.items()} == {
        name: list(rows.columns) for name, rows in tables.items()
    }
    assert_equal(results, whole(data, tables))


COLUMNS = {"size": Column("number"), "kind": Column("category"), "at": Column("datetime")}
BY_TIME, AT_RANDOM = TimeSplit("time", "at", date(2013, 3, 10)), RandomSplit("random", 0.3, 7)


def shop(by=AT_RANDOM, positive="yes", **table):
    """A table of 400 rows in files of 60, or by month, and its settings; its answers change in its middle."""
    random, rows = np.random.default_rng(1), 400
    frame = pd.DataFrame(
        {
            "size": random.normal(size=rows), "kind": random.choice(["a", "b", None], rows), "more": 1,
            "at": pd.Timestamp("2013-01-01") + pd.to_timedelta(random.integers(0, 120 * 24, rows), "h"),
            "good": np.where(np.arange(rows) < 180, "no", random.choice(["no", "yes"], rows)),
        }
    )  # fmt: skip
    tables = {"shop": RawTable(file="shop.csv", columns=COLUMNS, **table)}
    target = Target("good", positive=positive)
    return Data(
        name="shop", target=target, columns=COLUMNS, split=by, recipe="table", source=Source("x"), tables=tables
    ), frame


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(partitions, "ROWS", 60)


@pytest.mark.parametrize("by", [AT_RANDOM, RandomSplit("random", 0.3, 7, stratify=False), BY_TIME], ids=str)
def test_a_table_in_files_gives_the_rows_of_the_whole_table(small, tmp_path, by):
    data, frame = shop(by)
    frame.loc[::7, "good"] = None

    assert_equal(in_partitions(data, {"shop": frame}, tmp_path), whole(data, {"shop": frame}))
    assert not (tmp_path / "new/.unsplit").exists()


def test_a_table_cut_by_month_keeps_the_order_of_rows_in_each_month(tmp_path):
    data, frame = shop(BY_TIME, partition_by="at")
    by_month = frame.sort_values("at", key=lambda times: times.dt.to_period("M"), kind="stable")

    assert_equal(in_partitions(data, {"shop": frame}, tmp_path), whole(data, {"shop": by_month}))
    assert partitions.names(tmp_path / "new/train") == ["2013-01", "2013-02", "2013-03"]
    assert partitions.names(tmp_path / "new/test") == ["2013-03", "2013-04"]


def test_what_the_answers_are_is_known_in_a_file_that_lacks_one(small, tmp_path):
    data, frame = shop(positive=None)
    frame["good"] = frame["good"].map({"no": 0.0, "yes": 1.0})

    assert_equal(in_partitions(data, {"shop": frame}, tmp_path), whole(data, {"shop": frame}))


def test_one_row_is_a_table_that_cannot_be_split(tmp_path):
    data, frame = shop()

    with pytest.raises(TableInvalid, match="column good holds no: yes is none of them"):
        in_partitions(data, {"shop": frame.head(1)}, tmp_path)
    with pytest.raises(PeriodEmpty, match="The 2 rows cannot be split"):
        in_partitions(data, {"shop": frame.iloc[[0, frame["good"].eq("yes").argmax()]]}, tmp_path / "two")


def test_a_row_without_a_time_is_named_with_its_partition_where_the_split_needs_it(tmp_path):
    data, frame = shop(BY_TIME, partition_by="at")
    frame.loc[[3, 5], "at"] = None
    frame.loc[3, "good"] = None

    with pytest.raises(TableInvalid, match=r"undated\.parquet: at should have a value in each row, .*; 1 rows have none"):
        in_partitions(data, {"shop": frame}, tmp_path)


def test_rows_without_a_time_are_examples_like_others_of_a_random_split(tmp_path):
    data, frame = shop(partition_by="at")
    frame.loc[[3, 5], "at"] = None
    train, test, _ = in_partitions(data, {"shop": frame}, tmp_path)

    assert train["at"].isna().sum() + test["at"].isna().sum() == 2


def test_what_breaks_the_declaration_is_named_with_its_partition(small, tmp_path):
    data, frame = shop()
    frame.loc[100, "size"] = -1000
    data = replace(data, columns={**COLUMNS, "size": Column("number", range=(-10, None))})

    with pytest.raises(
        TableInvalid, match=r"of examples does not .*: in 000001: size should be at least -10; .* row 41: -1000"
    ):
        in_partitions(data, {"shop": frame}, tmp_path)


def test_an_error_of_the_recipe_names_the_file_of_the_partition(small, tmp_path):
    data, frame = shop()
    data = replace(data, columns={**COLUMNS, "size": Column("number")})
    frame["size"] = 2.0**30 + np.arange(len(frame))
    frame.loc[:59, "size"] = 1.0

    with pytest.raises(OntimeError, match=r"raw/shop/000001\.parquet: size has .* distinct values"):
        in_partitions(data, {"shop": frame}, tmp_path)


def test_a_damaged_file_is_named_with_the_way_back(small, tmp_path):
    data, frame = shop()
    in_partitions(data, {"shop": frame}, tmp_path)
    damaged = tmp_path / "raw/shop/000002.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-100])

    with pytest.raises(TableInvalid, match=r"shop/000002\.parquet should be a Parquet file .* Type `dvc checkout --force`"):
        tasks.plan(data, tmp_path / "raw")


def test_a_worker_reads_only_what_is_declared_and_the_target(small, tmp_path, monkeypatch):
    data, frame = shop()
    columns = []
    read = table_io.decode
    monkeypatch.setattr(table_io, "decode", lambda *asked: columns.append(asked[2]) or read(*asked))
    in_partitions(data, {"shop": frame}, tmp_path)

    assert {json.dumps(names) for names in columns} >= {'["good"]', '["size", "kind", "at", "good"]'}
    assert not [names for names in columns if names and "more" in names]
