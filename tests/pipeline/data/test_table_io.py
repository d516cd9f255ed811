"""Any CSV or Parquet file becomes a table or is refused by name, and Parquet is written as the same bytes every time."""

import bz2
import gzip
import zipfile
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.config.settings import Column, RawTable
from pipeline.data import schema, table_io
from pipeline.support.errors import TableInvalid

TEXT = "code,x,when\n007,1.5,2013-01-02 03:04:05\n010,,\n"
COLUMNS = {"code": Column("category"), "x": Column("number"), "when": Column("datetime")}


def declared(columns, **form):
    return RawTable(file="a", columns=columns, **form)


def write(path, text):
    """The text in a file, packed the way its name says."""
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inside.csv", text)
    elif path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    elif path.name.endswith(".bz2"):
        path.write_bytes(bz2.compress(text.encode()))
    elif path.name.endswith(".zst"):
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            file.write(text.encode())
    elif path.name.endswith(".tsv"):
        path.write_text(text.replace(",", "\t"))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("ending", ["csv", "csv.zip", "csv.gz", "csv.bz2", "csv.zst", "tsv"])
def test_the_same_text_in_any_packing_is_the_same_table(tmp_path, ending):
    found = table_io.read_source(write(tmp_path / f"a.{ending}", TEXT), declared(COLUMNS)).to_pandas()

    assert schema.check(found, COLUMNS, "t") == 0
    assert found["code"].tolist() == ["007", "010"]
    assert found["x"].tolist() == pytest.approx([1.5, np.nan], nan_ok=True)
    assert found["when"].tolist() == [pd.Timestamp("2013-01-02 03:04:05"), pd.NaT]


@pytest.mark.parametrize("ending", ["parquet", "pq"])
def test_a_parquet_file_is_read_with_its_types(tmp_path, ending):
    table = pd.DataFrame({"code": ["007"], "x": [1.5], "when": pd.to_datetime(["2013-01-02"])})
    table.to_parquet(tmp_path / f"a.{ending}")
    found = table_io.read_source(tmp_path / f"a.{ending}", declared(COLUMNS)).to_pandas()

    assert schema.check(found, COLUMNS, "t") == 0
    assert found["code"].tolist() == ["007"]


def test_columns_that_are_not_declared_are_kept(tmp_path):
    assert table_io.read_source(write(tmp_path / "a.csv", "a,b\n1,2\n"), declared({})).column_names == ["a", "b"]


def test_dates_without_a_time_are_datetimes_too(tmp_path):
    found = table_io.read_source(write(tmp_path / "a.csv", "when\n2013-01-02\n"), declared({"when": Column("datetime")}))

    assert schema.check(found.to_pandas(), {"when": Column("datetime")}, "t") == 0


def test_text_in_a_number_column_is_refused_with_its_row(tmp_path):
    with pytest.raises(TableInvalid, match=r"a\.csv, row 2: x should be a number; it is 'many'\. Correct .*`missing`"):
        table_io.read_source(write(tmp_path / "a.csv", "x\n1\nmany\n"), declared({"x": Column("number")}))


def test_a_column_without_values_and_a_blank_last_line_are_read(tmp_path):
    found = table_io.read_source(write(tmp_path / "a.csv", "x,y\n,1\n,2\n\n"), declared({"x": Column("number")}))

    assert schema.check(found.to_pandas(), {"x": Column("number")}, "t") == 0
    assert found["x"].null_count == len(found) == 2


def test_a_header_alone_is_no_table(tmp_path):
    with pytest.raises(TableInvalid, match=r"a\.csv has 2 columns and no rows\. Replace it"):
        table_io.read_source(write(tmp_path / "a.csv", "x,y\n"), declared({"x": Column("number")}))


def test_the_target_of_a_csv_file_stays_text_and_other_columns_get_a_type(tmp_path):
    found = table_io.read_source(write(tmp_path / "a.csv", "x,label,more\n1,01,02\n"), declared({}), "label")

    assert found.to_pylist() == [{"x": 1, "label": "01", "more": 2}]


def test_a_datetime_of_another_format_is_read_as_declared(tmp_path):
    columns = {"when": Column("datetime", format="%d.%m.%Y")}

    found = table_io.read_source(write(tmp_path / "a.csv", "when\n31.12.2013\n"), declared(columns))

    assert found["when"].to_pylist() == [pd.Timestamp("2013-12-31")]
    with pytest.raises(TableInvalid, match=r"row 1: when should be a datetime of the format %d\.%m\.%Y; it is '2013-12-31'"):
        table_io.read_source(write(tmp_path / "a.csv", "when\n2013-12-31\n"), declared(columns))


@pytest.mark.parametrize(
    ("content", "form", "cure"),
    [
        (b"x;when\n1,5;2013-01-01\n", {"separator": ";", "decimal": ","}, "values divided by ';': write `separator: \";\"`"),
        ("x,when\n1.5,2013-01-01\n".encode("utf-16"), {"encoding": "utf-16"}, "looks like UTF-16: write `encoding: utf-16`"),
        ("x,when\n1.5,2013-01-01\n".encode("utf-32"), {"encoding": "utf-32"}, "looks like UTF-32: write `encoding: utf-32`"),
        (b"x,when,caf\xe9\n1.5,2013-01-01,\n", {"encoding": "latin-1"}, "It is not utf-8: write `encoding: latin-1`"),
        (b"# from a lab\n# 2013\nx,when\n1.5,2013-01-01\n", {"skip_rows": 2}, "begins with a comment: write `skip_rows: 2`"),
        (
            b'x,when\n"1,5",2013-01-01\n',
            {"decimal": ","},
            r"x should be a number; it is '1,5'.*a decimal comma into `decimal`",
        ),
    ],
)
def test_a_csv_file_of_another_format_is_read_as_declared_and_else_refused_with_the_setting(tmp_path, content, form, cure):
    columns = {"x": Column("number"), "when": Column("datetime")}
    (tmp_path / "a.csv").write_bytes(content)

    with pytest.raises(TableInvalid, match=cure):
        table_io.read_source(tmp_path / "a.csv", declared(columns))
    found = table_io.read_source(tmp_path / "a.csv", declared(columns, **form))
    assert (found["x"].to_pylist(), found["when"].to_pylist()) == ([1.5], [pd.Timestamp("2013-01-01")])


def test_a_value_longer_than_a_block_and_commas_at_the_end_of_lines_are_read(tmp_path):
    text = f"x,long,,\n1,{'a' * 3_500_000},,\n"

    found = table_io.read_source(write(tmp_path / "a.csv", text), declared({"x": Column("number")}))

    assert found.column_names == ["x", "long"]
    assert len(found["long"][0].as_py()) == 3_500_000


@pytest.mark.parametrize("name", ["A.CSV", "a.txt", "a.tsv.gz"])
def test_other_endings_of_csv_files_are_read(tmp_path, name):
    text = TEXT.replace(",", "\t") if "tsv" in name else TEXT

    assert table_io.read_source(write(tmp_path / name, text), declared(COLUMNS)).num_rows == 2


def test_a_folder_of_parquet_files_is_one_table(tmp_path):
    for number in (1, 2):
        pd.DataFrame({"x": [number]}).to_parquet(tmp_path / f"{number}.parquet")

    found = table_io.read_source(tmp_path, declared({"x": Column("number")}))

    assert found["x"].to_pylist() == [1, 2]


@pytest.mark.parametrize("lacking", ["1", "2"])
def test_a_file_of_a_folder_without_a_declared_column_is_refused_by_name(tmp_path, lacking):
    columns = {"x": Column("number"), "year": Column("number"), "y": Column("number")}
    for number in ("1", "2"):
        (tmp_path / f"year={number}").mkdir()
        frame = pd.DataFrame({"x": [1], "y": [2], "more": [3]})
        frame.drop(columns=["y", "more"] * (number == lacking)).to_parquet(tmp_path / f"year={number}/a.parquet")

    with pytest.raises(TableInvalid, match=rf"year={lacking}/a\.parquet should have .*; it lacks y\. Add"):
        table_io.read_source(tmp_path, declared(columns))
    del columns["y"]
    assert table_io.read_source(tmp_path, declared(columns))["year"].to_pylist() == [1, 2]


@pytest.mark.parametrize("lacking", ["1", "2"])
def test_where_no_columns_are_declared_all_files_of_a_folder_have_the_same(tmp_path, lacking):
    for number in ("1", "2"):
        frame = pd.DataFrame({"x": [1], "more": [3], "good": [1]})
        frame.drop(columns=["more"] * (number == lacking)).to_parquet(tmp_path / f"{number}.parquet")

    with pytest.raises(
        TableInvalid, match=rf"{lacking}\.parquet should have the columns of the other files in .* lacks more\."
    ):
        table_io.read_source(tmp_path, declared({}), "good")


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (pa.array([1]), pa.array([0.5]), [1, 0.5]),
        (pa.nulls(1), pa.array([1]), [None, 1]),
        (pa.array(["a"]).dictionary_encode(), pa.array(["b"]), ["a", "b"]),
        (pa.array([1], pa.timestamp("s")).cast(pa.timestamp("ms")), pa.array([None], pa.timestamp("us")), None),
    ],
    ids=str,
)
def test_the_types_of_a_column_in_the_files_of_a_folder_may_differ_where_one_holds_all(tmp_path, first, second, both):
    for number, values in enumerate((first, second)):
        (tmp_path / f"of={number}").mkdir()
        pa.parquet.write_table(pa.table({"x": values}), tmp_path / f"of={number}/a.parquet")
    (tmp_path / "_SUCCESS").write_text("")

    found = table_io.read_source(tmp_path, declared({}))

    assert found["of"].to_pylist() == [0, 1]
    assert both is None or found["x"].to_pylist() == both


def test_a_folder_that_is_no_table_is_refused_with_the_reason(tmp_path):
    with pytest.raises(TableInvalid, match="should hold Parquet files; it holds none"):
        table_io.read_source(tmp_path, declared({}))
    pa.parquet.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    pa.parquet.write_table(pa.table({"x": ["one"]}), tmp_path / "b.parquet")
    with pytest.raises(TableInvalid, match="Field x has incompatible types: int64 vs string"):
        table_io.read_source(tmp_path, declared({}))
    (tmp_path / "b.parquet").write_text("no Parquet file at all")
    with pytest.raises(TableInvalid, match=r"should hold Parquet files alone.*b\.parquet.*Take other files out"):
        table_io.read_source(tmp_path, declared({}))


@pytest.mark.parametrize(
    "index", [pd.Index(["a", "b"], name="code"), pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["code", "n"])]
)
def test_the_index_that_pandas_wrote_is_a_column_like_any_other(tmp_path, index):
    pd.DataFrame({"x": [1.5, 2.5]}, index=index).to_parquet(tmp_path / "a.parquet")
    columns = {"code": Column("category"), "x": Column("number")}

    found = table_io.read_source(tmp_path / "a.parquet", declared(columns))
    table_io.write(found, tmp_path / "b.parquet")

    read = table_io.read(tmp_path / "b.parquet")
    assert schema.check(read, columns, "t") == 0
    assert read["code"].tolist() == ["a", "b"]


def test_markers_that_were_declared_mean_missing_in_parquet_too(tmp_path):
    decimals = pa.array([Decimal("-999.00"), Decimal("1.50")])
    pa.parquet.write_table(pa.table({"x": [-999, 1], "code": ["?", "NA"], "d": decimals}), tmp_path / "a.parquet")
    columns = {"x": Column("number"), "code": Column("category"), "d": Column("number")}

    plain, marked = (
        table_io.read_source(tmp_path / "a.parquet", declared(columns, **form)).to_pylist()
        for form in ({}, {"missing": ("?", "-999")})
    )

    assert plain == [{"x": -999, "code": "?", "d": -999.0}, {"x": 1, "code": "NA", "d": 1.5}]
    assert marked == [{"x": None, "code": None, "d": None}, {"x": 1, "code": "NA", "d": 1.5}]


def test_an_empty_text_of_a_parquet_file_is_missing_as_it_is_to_the_model(tmp_path):
    pd.DataFrame({"code": ["", "a"]}).to_parquet(tmp_path / "a.parquet")

    found = table_io.read_source(tmp_path / "a.parquet", declared({"code": Column("category")}))

    assert found["code"].to_pylist() == [None, "a"]


def test_a_table_without_any_declared_column_is_refused_with_those_it_has(tmp_path):
    with pytest.raises(TableInvalid, match=r"has none of the declared columns; it has 1, 2\. .* the first line"):
        table_io.read_source(write(tmp_path / "a.csv", "1,2\n3,4\n"), declared({"x": Column("number")}))


def test_a_table_whose_columns_are_to_be_inferred_is_refused_with_the_setting_it_needs(tmp_path):
    with pytest.raises(
        TableInvalid, match=r"has none of the declared columns; it has x;y\. It looks like values divided by ';'"
    ):
        table_io.read_source(write(tmp_path / "a.csv", "x;y\n1;2\n"), declared({}), "y")


def test_columns_that_are_not_declared_have_the_decimal_point_of_the_table(tmp_path):
    found = table_io.read_source(write(tmp_path / "a.csv", "x;y\n1,5;2\n"), declared({}, separator=";", decimal=","), "y")

    assert found.to_pylist() == [{"x": 1.5, "y": "2"}]


def test_an_archive_holds_one_table_beside_folders_and_what_a_mac_adds(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.mkdir("data")
        archive.writestr("__MACOSX/data/._a.csv", "x")
        archive.writestr("data/.DS_Store", "x")
        archive.writestr("data/a.csv", TEXT)

    assert table_io.read_source(tmp_path / "a.csv.zip", declared(COLUMNS)).num_rows == 2


@pytest.mark.parametrize("content", [b"PK\x03\x04\0\0workbook", "x\n1\n".encode("utf-16-le")])
def test_what_is_no_text_is_not_taken_for_another_encoding(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)

    with pytest.raises(TableInvalid, match="It is no text in UTF-8, but perhaps a workbook or an archive"):
        table_io.read_source(tmp_path / "a.csv", declared({"y": Column("number")}))


def test_a_locked_archive_is_refused_by_name(tmp_path):
    path = write(tmp_path / "a.csv.zip", TEXT)
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)

    with pytest.raises(TableInvalid, match=r"a\.csv\.zip cannot be read as a table: .*encrypted"):
        table_io.read_source(path, declared(COLUMNS))


def test_a_binary_target_is_text(tmp_path):
    pd.DataFrame({"x": [1], "label": [b"yes"]}).to_parquet(tmp_path / "a.parquet")

    assert table_io.read_source(tmp_path / "a.parquet", declared({}), "label")["label"].to_pylist() == ["yes"]


def test_an_archive_of_two_tables_is_refused_with_both(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        for name in ("backup/old.csv", "new.csv"):
            archive.writestr(name, TEXT)

    with pytest.raises(TableInvalid, match=r"should hold one file, the table; it holds 2: backup/old\.csv, new\.csv\. Pack"):
        table_io.read_source(tmp_path / "a.csv.zip", declared(COLUMNS))


def test_a_line_break_inside_quotes_stays_in_its_value(tmp_path):
    found = table_io.read_source(write(tmp_path / "a.csv", 'x,y\n"a\nb",1\n'), declared({}))

    assert found["x"].to_pylist() == ["a\nb"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfx\n1\n")

    assert table_io.read_source(tmp_path / "a.csv", declared({})).column_names == ["x"]


@pytest.mark.parametrize("ending", ["csv", "csv.zip", "tsv"])
def test_duplicate_columns_are_refused_by_name(tmp_path, ending):
    with pytest.raises(TableInvalid, match=r"more than one column named x\. Rename all but one"):
        table_io.read_source(write(tmp_path / f"a.{ending}", "x,y,x\n1,2,3\n"), declared(COLUMNS))


def test_duplicate_columns_of_a_parquet_file_are_refused_by_name(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    pa.parquet.write_table(table, tmp_path / "a.parquet")

    with pytest.raises(TableInvalid, match=r"more than one column named x\. Rename all but one"):
        table_io.read_source(tmp_path / "a.parquet", declared(COLUMNS))


MANY = "x,y\n" + "".join(f"{number * 7919 % 104729},{number}\n" for number in range(5000))


@pytest.mark.parametrize(
    ("ending", "damage"),
    [
        *((ending, damage) for ending in ("csv.zip", "csv.gz", "csv.bz2") for damage in ("half", "middle", "empty")),
        *((ending, damage) for ending in ("csv.zst", "parquet") for damage in ("half", "empty")),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, ending, damage):
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        table_io.write(pd.DataFrame({"x": np.random.default_rng(1).normal(size=5000)}), path)
    else:
        write(path, MANY)
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(
        {"half": whole[:half], "middle": whole[:half] + b"\xff" * 400 + whole[half + 400 :], "empty": b""}[damage]
    )

    with pytest.raises(
        TableInvalid,
        match=rf"a\.{ending} cannot be read as a table: .*Correct that row, or replace the file by a complete one\.",
    ):
        table_io.read_source(path, declared({}))


@pytest.mark.parametrize("text", ["", "x,y\n1\n", "x,y\n1,2\n1,2,3\n"])
def test_a_csv_that_is_no_table_is_refused_by_name(tmp_path, text):
    with pytest.raises(TableInvalid, match=r"a\.csv cannot be read as a table"):
        table_io.read_source(write(tmp_path / "a.csv", text), declared({}))


def test_letters_that_are_no_utf_8_are_refused_by_name(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"code\ncaf\xe9\n")

    with pytest.raises(TableInvalid, match=r"a\.csv cannot be read as a table: .*UTF8"):
        table_io.read_source(tmp_path / "a.csv", declared(COLUMNS))


def test_an_empty_archive_is_refused_by_name(tmp_path):
    zipfile.ZipFile(tmp_path / "a.csv.zip", "w").close()

    with pytest.raises(TableInvalid, match=r"a\.csv\.zip"):
        table_io.read_source(tmp_path / "a.csv.zip", declared({}))


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(TableInvalid, match=r"a\.csv cannot be read as a table"):
        table_io.read_source(tmp_path / "a.csv", declared({}))


@pytest.mark.parametrize("name", ["a.xlsx", "a"])
def test_another_kind_of_file_is_refused_with_the_kinds_that_are_read(tmp_path, name):
    with pytest.raises(TableInvalid, match=rf"{name} should be a CSV or Parquet file, .*; its name ends in .*\.pq"):
        table_io.read_source(write(tmp_path / name, TEXT), declared({}))


def test_what_was_written_is_read_back(tmp_path, rows):
    table_io.write(rows, tmp_path / "a.parquet")

    pd.testing.assert_frame_equal(table_io.read(tmp_path / "a.parquet"), rows, check_dtype=False)


def test_the_same_rows_give_the_same_bytes(tmp_path, rows):
    for name in ("a", "b"):
        table_io.write(rows, tmp_path / name)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_index_is_not_written(tmp_path, rows):
    table_io.write(rows, tmp_path / "a")
    table_io.write(rows.set_axis(range(300, 600)), tmp_path / "b")

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("read", [table_io.read, table_io.count_rows])
@pytest.mark.parametrize("content", [None, b"", b"PAR1 and so on"])
def test_a_missing_or_damaged_file_of_a_stage_is_named_with_the_command_that_brings_it_back(tmp_path, content, read):
    if content is not None:
        (tmp_path / "a.parquet").write_bytes(content)

    with pytest.raises(TableInvalid, match=r"a\.parquet should be a Parquet file that an earlier stage wrote.*`dvc repro`"):
        read(tmp_path / "a.parquet")
