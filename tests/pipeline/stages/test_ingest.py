"""A folder of source files becomes partitions one file at a time; faults are named with their file and row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import in_process
from pipeline.data import partitions, source_folder, table_io

PARAMS = Path("params.yaml").resolve()
START = pd.Timestamp("2013-01-01")
COLUMNS = {
    "number": {"kind": "number", "range": [0, 1000]}, "code": {"kind": "category"}, "at": {"kind": "datetime"},
    "seen": {"kind": "number"},
}  # fmt: skip


def rows(first, last, **changes):
    """Rows of these numbers, one a day; ``seen`` is empty in the first hundred."""
    numbers = np.arange(first, last)
    frame = pd.DataFrame(
        {"number": numbers, "code": np.char.mod("c%d", numbers), "at": START + pd.to_timedelta(numbers, "D")}
    )
    seen = pd.Series(numbers % 7).where(numbers >= 100).astype("Int64")
    return frame.assign(seen=seen.to_numpy(), good=np.where(numbers % 3, "no", "yes")).assign(**changes)


@pytest.fixture
def ingest(tmp_path):
    """A function that ingests these frames, each a file of the source, and what the stage says where it fails."""

    def run(*frames, allowed=0, **table):
        (tmp_path / "source").mkdir(exist_ok=True)
        for number, frame in enumerate(frames):
            frame.to_parquet(tmp_path / f"source/{number}.parquet", index=False)
        values = yaml.safe_load(PARAMS.read_text())
        values["ingest"]["invalid_rows_allowed"] = allowed
        values["data"] = {
            "source": {"path": "source"}, "target": {"name": "good"}, "columns": COLUMNS,
            "tables": {"table": {"file": "source", "columns": COLUMNS, **table}},
        }  # fmt: skip
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
        done = in_process.run("stages.ingest", folder=tmp_path)
        return " ".join(done.stderr[done.stderr.index("error: ") :].split()) if done.returncode else done.stderr

    return run


def raw(folder):
    return {name: frame["number"].tolist() for name, frame in partitions.iterate(folder / "data/raw/table", ["number"])}


def test_files_that_share_a_month_are_put_together_in_their_order(ingest, tmp_path):
    said = ingest(rows(45, 150), rows(0, 45), partition_by="at")

    assert "error" not in said
    assert raw(tmp_path) == {
        "2013-01": [*range(31)], "2013-02": [*range(45, 59), *range(31, 45)], "2013-03": [*range(59, 90)],
        "2013-04": [*range(90, 120)], "2013-05": [*range(120, 150)],
    }  # fmt: skip
    assert table_io.read(tmp_path / "data/raw/table")["seen"].notna().sum() == 50
    assert {path.name for path in (tmp_path / "data/raw/table").iterdir()} == {
        f"2013-0{month}.parquet" for month in range(1, 6)
    }


def test_without_a_time_the_files_are_cut_by_the_number_of_rows(ingest, tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "ROWS", 40)
    ingest(rows(0, 70), rows(70, 100))

    assert raw(tmp_path) == {"000000": [*range(40)], "000001": [*range(40, 80)], "000002": [*range(80, 100)]}


def test_a_value_at_fault_is_named_with_its_file_and_row_and_the_tables_of_before_stay(ingest, tmp_path):
    ingest(rows(0, 70), rows(70, 100))
    before = raw(tmp_path)
    faulty = rows(70, 100)
    faulty.loc[4, "number"] = 5000

    said = ingest(rows(0, 70), faulty)

    assert "does not match its declaration: in source/1.parquet: number should be at most 1000; 1 rows are not, " in said
    assert "such as row 5: 5000. Correct" in said
    assert raw(tmp_path) == before
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["raw"]


def test_a_large_file_is_read_in_parts_and_its_rows_are_counted_from_its_beginning(ingest, tmp_path, monkeypatch):
    monkeypatch.setattr(source_folder, "ROWS_AT_ONCE", 40)
    (tmp_path / "source").mkdir()
    large, path = rows(0, 140), tmp_path / "source/1.parquet"

    def write(frame):
        frame.to_parquet(path, index=False, row_group_size=20)

    write(large)
    assert "error" not in ingest(key=["code"], partition_by="at")
    assert table_io.read(tmp_path / "data/raw/table")["number"].tolist() == [*range(140)]
    write(large.assign(number=large["number"].where(large["number"] != 130, 5000)))
    assert "such as row 131: 5000" in ingest()
    write(large.assign(code=large["code"].where(large["number"] != 130, "c17")))
    assert "row 18 of source/1.parquet and row 131 of source/1.parquet both have code c17" in ingest(key=["code"])
    write(large.assign(code=large["code"].where(large["number"] != 130, "c125")))
    assert "rows 126 and 131 of source/1.parquet both have code c125" in ingest(key=["code"])


def test_rows_that_may_be_invalid_are_counted_over_all_files(ingest):
    frames = [rows(first, first + 50, number=[2000, *range(first, first + 49)]) for first in (0, 50)]

    assert "2 rows of table break their declaration" in ingest(*frames, allowed=2)
    said = ingest(*frames, allowed=1)
    assert "in source/0.parquet: number should" in said
    assert "in source/1.parquet: number should" in said


def test_codes_that_are_numbers_in_one_file_are_no_numbers_if_another_has_text(ingest):
    numeric = rows(0, 50, code=np.arange(50).astype(str))

    assert "error" not in ingest(numeric, rows(50, 100))
    assert "code should be a category, not numbers" in ingest(numeric, rows(50, 100, code=np.arange(50, 100).astype(str)))


def test_a_key_that_two_files_share_is_refused_with_both_rows(ingest):
    assert "error" not in ingest(rows(0, 70), rows(70, 100), key=["code"])
    said = ingest(rows(0, 70), rows(69, 100), key=["code"])

    assert "row 70 of source/0.parquet and row 1 of source/1.parquet both have code c69" in said


def test_a_time_that_one_file_has_with_a_zone_and_another_without_is_refused(ingest):
    frames = rows(0, 50), rows(50, 100)
    said = ingest(frames[0], frames[1].assign(at=frames[1]["at"].dt.tz_localize("UTC")), partition_by="at")

    assert "source should hold Parquet files alone, with one type for each column" in said
