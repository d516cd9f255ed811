"""A table is kept in files, one for each month of a time or for so many rows, however it arrives."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.data import partitions, table_io
from pipeline.data.partition_writer import PartitionWriter
from pipeline.support.errors import TableInvalid


def nothing():
    """What is called after each partition."""


def written(folder, parts, partition_by=None):
    """The names of the partitions of a table that comes in these parts, with their rows."""
    writer = PartitionWriter(folder, partition_by)
    for part in parts:
        writer.add(part, folder / "source.parquet")
    writer.finish(nothing)
    return {name: rows["x"].tolist() for name, rows in partitions.iterate(folder, ["x"])}


def dated(*moments, zone=None, first=0):
    times = pd.Series(pd.to_datetime(list(moments), format="mixed")).astype("datetime64[us]").dt.tz_localize(zone)
    return pa.table({"x": range(first, first + len(times)), "at": pa.Array.from_pandas(times)})


def test_rows_are_cut_by_the_month_of_their_time_and_keep_their_order(tmp_path):
    table = dated("2013-02-01", "2013-01-31 23:59", "2013-02-28", "2013-01-01")

    assert written(tmp_path / "t", [table], "at") == {"2013-01": [1, 3], "2013-02": [0, 2]}
    assert [path.name for path in (tmp_path / "t").iterdir() if path.name.startswith(".")] == []


def test_the_months_of_a_time_with_a_zone_are_those_of_utc(tmp_path):
    table = dated("2013-01-31 18:59", "2013-01-31 19:00", zone="America/New_York")

    assert written(tmp_path / "t", [table], "at") == {"2013-01": [0], "2013-02": [1]}


def test_rows_without_a_time_are_the_last_partition_and_a_month_without_rows_is_none(tmp_path):
    table = dated(None, "2013-03-01", "2012-12-01", None)

    assert written(tmp_path / "t", [table], "at") == {"2012-12": [2], "2013-03": [1], "undated": [0, 3]}


def test_a_month_that_comes_in_several_parts_is_one_file_in_the_order_of_the_parts(tmp_path):
    parts = [dated("2013-02-01", "2013-01-01"), dated("2013-01-31", first=2), dated("2013-01-01", first=3)]

    assert written(tmp_path / "t", parts, "at") == {"2013-01": [1, 2, 3], "2013-02": [0]}


def test_the_bytes_of_a_partition_do_not_depend_on_the_parts(tmp_path):
    table = dated(*pd.date_range("2013-01-01", periods=300, freq="6h"))
    written(tmp_path / "whole", [table], "at")
    written(tmp_path / "parts", [table.slice(0, 7), table.slice(7, 200), table.slice(207)], "at")

    whole, parts = ({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("whole", "parts"))
    assert whole == parts


@pytest.mark.parametrize("sizes", [[7], [3, 3, 1], [1, 6], [4, 3]])
def test_rows_without_a_column_of_time_are_cut_by_their_number(tmp_path, monkeypatch, sizes):
    monkeypatch.setattr(partitions, "ROWS", 3)
    ends = np.cumsum(sizes)
    parts = [pa.table({"x": range(end - size, end)}) for size, end in zip(sizes, ends.tolist(), strict=True)]

    assert written(tmp_path / "t", parts) == {"000000": [0, 1, 2], "000001": [3, 4, 5], "000002": [6]}


def test_a_column_that_is_empty_in_one_part_has_the_type_of_the_others(tmp_path):
    parts = [pa.table({"x": pa.nulls(1, pa.float64())}), pa.table({"x": [1]}), pa.table({"x": [2.5]})]

    assert written(tmp_path / "t", parts) == {"000000": [pytest.approx(np.nan, nan_ok=True), 1, 2.5]}


def test_a_column_of_two_types_is_refused_with_the_file(tmp_path):
    with pytest.raises(TableInvalid, match=r"source\.parquet should have the types of the files before it; .* x .*one type"):
        written(tmp_path / "t", [pa.table({"x": [1]}), pa.table({"x": ["a"]})])


def test_a_folder_of_partitions_is_read_as_one_table(tmp_path):
    table = dated("2013-02-01", "2013-01-01", None)
    written(tmp_path / "t", [table], "at")

    assert table_io.read(tmp_path / "t")["x"].tolist() == [1, 0, 2]
    assert list(table_io.read(tmp_path / "t", ["x"])) == ["x"]
    assert partitions.read(tmp_path / "t", "2013-02")["x"].tolist() == [0]


def test_a_folder_without_partitions_is_refused_with_the_way_back(tmp_path):
    with pytest.raises(TableInvalid, match=r"nowhere should hold the Parquet files .*; it holds none\. Type `dvc checkout"):
        partitions.names(tmp_path / "nowhere")


def test_the_period_of_a_partition_is_its_month():
    assert partitions.period("2013-12") == (pd.Timestamp("2013-12-01"), pd.Timestamp("2014-01-01"))
    assert partitions.period("undated") is None
    assert partitions.period("000012") is None


@pytest.mark.parametrize(
    ("start", "end", "is_near"),
    [
        ("2012-11-30", "2012-12-31 23:59", False),
        ("2012-11-30", "2013-01-01 00:01", True),
        ("2013-02-01", "2013-03-01", False),
    ],
)
def test_a_month_overlaps_what_has_a_moment_of_it(start, end, is_near):
    assert partitions.overlaps("2013-01", (pd.Timestamp(start), pd.Timestamp(end))) == is_near
