"""`score` predicts every row of a file as the API would, and leaves a whole file or none."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from starlette.testclient import TestClient

from column_types import csv_format
from prediction_api.app import create_app
from prediction_api.batch import batch_io, batch_predict
from prediction_api.errors import InvalidModel, TableUnreadable
from prediction_api.model import artifact

PACKAGES = os.pathsep.join(str(Path(__file__).parents[3] / folder) for folder in ("src", "serving"))
NAMES = ["departs", "carrier", "season", "distance", "delay"]
START = datetime(2013, 1, 1, 5, 15)
SECONDS = pa.timestamp("s")


def rows(count):
    """Different records, some of their values missing."""
    return [
        {
            "departs": (START + timedelta(minutes=7 * number)).isoformat(),
            "carrier": [None, "AA", "UA", "ZZ"][number % 4],
            "season": [None, "winter", "summer"][number % 3],
            "distance": 10.0 + (number * 0.37) % 5990,
            "delay": None if number % 5 == 0 else number % 300 - 20.123456789,
        }
        for number in range(count)
    ]


def write_csv(path, records, names=NAMES):
    """Writes records as people do: nothing where a value is missing."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(records)
    return path


def table(records, **types):
    """Records as an Arrow table; ``types`` changes those of single columns."""
    wanted = {
        "departs": SECONDS,
        "carrier": pa.string(),
        "season": pa.string(),
        "distance": pa.float64(),
        "delay": pa.float64(),
    }
    columns = {}
    for name in NAMES:
        values = [record[name] for record in records]
        if name == "departs":
            values = [value and datetime.fromisoformat(value) for value in values]
        kind = types.get(name, wanted[name])
        columns[name] = pa.nulls(len(values)) if pa.types.is_null(kind) else pa.array(values, wanted[name]).cast(kind)
    return pa.table(columns)


def write_parquet(path, records, **types):
    """Writes records as a Parquet file."""
    parquet.write_table(table(records, **types), path)
    return path


def result(path):
    """The probabilities and labels in a file that `score` wrote."""
    if path.suffix == ".parquet":
        found = parquet.read_table(path)
        return found["probability"].to_numpy(), found["label"].to_pylist()
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    assert not found or list(found[0]) == ["probability", "label"]
    return np.array([float(row["probability"]) for row in found]), [
        {"true": True, "false": False}[row["label"]] for row in found
    ]


@pytest.fixture
def score(make_model, tmp_path):
    """A function from a file to its probabilities and labels, by way of a file with this name."""

    def run(source, target="out.csv"):
        batch_predict.score(source, tmp_path / target, make_model())
        return result(tmp_path / target)

    return run


@pytest.fixture
def api(make_settings):
    """A function from records to the probabilities and labels of the batch route."""

    def ask(records):
        with TestClient(create_app(make_settings(max_records=100_000, max_body_bytes=10**8))) as client:
            answers = client.post("/predict/batch", json={"records": records}).json()["predictions"]
        return np.array([one["probability"] for one in answers]), [one["label"] for one in answers]

    return ask


def left(folder):
    """What is in a folder beside the model and the input."""
    return sorted(path.name for path in folder.iterdir() if path.name != "model" and not path.name.startswith("in"))


@pytest.mark.parametrize("target", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_file_gets_the_bytes_that_the_batch_route_gives_for_its_rows(score, api, tmp_path, write, target):
    records = rows(500)
    source = write(tmp_path / f"in.{write.__name__.removeprefix('write_')}", records)

    probabilities, labels = score(source, target)
    wanted, wanted_labels = api(records)

    assert probabilities.tobytes() == wanted.tobytes()
    assert labels == wanted_labels
    assert len(set(labels)) == 2


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_rows_keep_their_order_over_several_chunks(score, tmp_path, write):
    count = 16_384 * 4 + 77
    records = [
        {"departs": "2013-01-01T00:00:00", "carrier": "UA", "season": None, "distance": 10 + number / 16, "delay": 0.0}
        for number in range(count)
    ]
    source = write(tmp_path / f"in.{write.__name__.removeprefix('write_')}", records)

    probabilities, _ = score(source, "out.parquet")

    assert len(probabilities) == count
    assert np.all(np.diff(probabilities) > 0)


def test_csv_and_parquet_of_several_chunks_say_the_same(score, tmp_path):
    records = rows(40_000)

    from_csv = score(write_csv(tmp_path / "in.csv", records), "a.csv")
    from_parquet = score(write_parquet(tmp_path / "in.parquet", records), "b.parquet")

    assert from_csv[0].tobytes() == from_parquet[0].tobytes()
    assert from_csv[1] == from_parquet[1]


def test_score_gives_the_number_of_rows_and_tells_it(make_model, tmp_path, capfd):
    source = write_csv(tmp_path / "in.csv", rows(20_000))

    assert batch_predict.score(source, tmp_path / "out.csv", make_model()) == 20_000

    assert re.search(r"out\.csv: 20,000 rows scored by tiny [0-9a-f]{12}\n$", capfd.readouterr().err)


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_file_with_only_a_header_gives_a_file_with_only_a_header(score, tmp_path, write):
    source = write(tmp_path / f"in.{write.__name__.removeprefix('write_')}", [])

    assert score(source, "a.csv")[0].tolist() == []
    assert score(source, "b.parquet")[0].tolist() == []
    assert (tmp_path / "a.csv").read_text() == "probability,label\n"
    assert parquet.read_schema(tmp_path / "b.parquet").names == ["probability", "label"]


def test_an_optional_column_may_be_left_out(score, api, tmp_path):
    records = rows(30)
    source = write_csv(tmp_path / "in.csv", records, [name for name in NAMES if name != "season"])
    parquet.write_table(table(records).drop_columns(["season"]), tmp_path / "in.parquet")
    wanted = api([record | {"season": None} for record in records])[0].tobytes()

    assert score(source)[0].tobytes() == wanted
    assert score(tmp_path / "in.parquet")[0].tobytes() == wanted


def test_columns_may_come_in_another_order_with_others_between(score, tmp_path):
    records = [record | {"other": "x, y"} for record in rows(30)]
    wanted = score(write_csv(tmp_path / "in1.csv", records))[0].tobytes()

    assert score(write_csv(tmp_path / "in2.csv", records, ["other", *reversed(NAMES)]))[0].tobytes() == wanted


@pytest.mark.parametrize("text", ["", "NA", "NaN", "null"])
def test_a_missing_value_of_a_csv_file_is_null(score, api, tmp_path, text):
    (tmp_path / "in.csv").write_text(
        f"departs,carrier,season,distance,delay\n2013-05-19T14:15:00,{text},{text},800,{text}\n"
    )

    record = {"departs": "2013-05-19T14:15:00", "carrier": None, "season": None, "distance": 800, "delay": None}
    assert score(tmp_path / "in.csv")[0].tobytes() == api([record])[0].tobytes()


def test_a_csv_file_may_begin_with_a_mark_end_lines_as_windows_does_and_quote(score, tmp_path):
    text = 'departs,carrier,season,distance,delay\r\n"2013-05-19 14:15:00","UA",summer,"800","2.5"\r\n'
    (tmp_path / "in.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())

    assert len(score(tmp_path / "in.csv")[0]) == 1


def test_a_quoted_value_may_hold_line_breaks_and_quotes_across_blocks(score, api, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_io, "BLOCK_BYTES", 1000)
    records = [record | {"carrier": 'two\nlines, "quoted"'} for record in rows(100)]

    assert score(write_csv(tmp_path / "in.csv", records))[0].tobytes() == api(records)[0].tobytes()


def test_a_row_that_is_longer_than_a_block_is_refused(score, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_io, "BLOCK_BYTES", 1000)

    with pytest.raises(TableUnreadable, match=r"in\.csv should be a CSV file in UTF-8; .*block"):
        score(write_csv(tmp_path / "in.csv", [rows(1)[0] | {"carrier": "x" * 3000}]))


def test_an_empty_line_is_no_row_among_several_columns(score, tmp_path):
    write_csv(tmp_path / "in.csv", rows(3))
    (tmp_path / "in.csv").write_text((tmp_path / "in.csv").read_text() + "\n")

    assert len(score(tmp_path / "in.csv")[0]) == 3


def test_two_columns_of_one_name_are_refused(score, tmp_path):
    (tmp_path / "in.csv").write_text("departs,carrier,distance,delay,carrier\n2013-05-19T14:15:00,UA,800,2,AA\n")

    with pytest.raises(TableUnreadable, match="should name each column once; it names carrier more than once"):
        score(tmp_path / "in.csv")


# What Parquet files hold


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_may_be_in_any_unit(score, tmp_path, unit):
    records = rows(30)
    wanted = score(write_csv(tmp_path / "in.csv", records))[0].tobytes()

    assert score(write_parquet(tmp_path / "in.parquet", records, departs=pa.timestamp(unit)))[0].tobytes() == wanted


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_timestamp_reaches_the_graph_as_seconds_in_any_unit(tmp_path, make_model, unit):
    write_parquet(tmp_path / "in.parquet", rows(3), departs=pa.timestamp(unit))

    _, _, found = batch_io.read(tmp_path / "in.parquet", artifact.read(make_model()).schema)

    first = (START - datetime(1970, 1, 1)).total_seconds()
    assert next(found).columns["departs"].tolist() == [first, first + 420, first + 840]


def test_text_may_be_dictionary_encoded(score, tmp_path):
    records = rows(30)
    wanted = score(write_csv(tmp_path / "in.csv", records))[0].tobytes()
    encoded = pa.dictionary(pa.int32(), pa.string())

    for kind in (encoded, pa.large_string(), pa.dictionary(pa.int8(), pa.large_string())):
        assert score(write_parquet(tmp_path / "in.parquet", records, carrier=kind, season=kind))[0].tobytes() == wanted


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint16(), pa.int64(), pa.float32(), pa.float16()])
def test_numbers_may_be_integers_or_of_another_precision(score, tmp_path, kind):
    records = [
        record | {"distance": 100 + number, "delay": None if number == 3 else number}
        for number, record in enumerate(rows(20))
    ]
    wanted = score(write_csv(tmp_path / "in.csv", records))[0].tobytes()

    assert score(write_parquet(tmp_path / "in.parquet", records, distance=kind, delay=kind))[0].tobytes() == wanted


def test_a_column_of_nothing_is_missing_in_every_row(score, api, tmp_path):
    records = [record | {"carrier": None, "delay": None} for record in rows(5)]

    found = score(write_parquet(tmp_path / "in.parquet", records, carrier=pa.null(), delay=pa.null()))

    assert found[0].tobytes() == api(records)[0].tobytes()


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("distance", pa.string(), "distance should be a number; it is of the type string"),
        (
            "departs",
            pa.timestamp("ms", "UTC"),
            "departs should be .*it is of the type timestamp.*The model was trained on datetimes without a time zone",
        ),
        ("departs", pa.int64(), "departs should be a date and time .*; it is of the type int64"),
    ],
)
def test_a_column_of_another_type_is_refused_by_name(score, tmp_path, name, kind, words):
    source = write_parquet(tmp_path / "in.parquet", rows(5), **{name: kind})

    with pytest.raises(TableUnreadable, match=words):
        score(source)
    assert left(tmp_path) == []


# What is refused


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_missing_column_is_refused_by_name(score, tmp_path, write):
    source = write(tmp_path / f"in.{write.__name__.removeprefix('write_')}", rows(3))
    if write is write_csv:
        write_csv(source, rows(3), ["departs", "season", "distance"])
    else:
        parquet.write_table(table(rows(3)).drop_columns(["carrier", "delay"]), source)

    with pytest.raises(TableUnreadable, match="should hold the 5 columns of the model's schema; it lacks carrier, delay"):
        score(source)
    assert left(tmp_path) == []


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_csv_file_without_a_header_is_refused(score, tmp_path, text):
    (tmp_path / "in.csv").write_text(text)

    with pytest.raises(TableUnreadable, match="it lacks departs, carrier, distance, delay"):
        score(tmp_path / "in.csv")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("distance", "far", "distance should be a number; it is 'far'"),
        ("distance", "1,5", "distance should be a number; it is '1,5'"),
        ("delay", "inf", "delay should be a number of minutes, or null; it is inf"),
        ("distance", "", "distance should be a number of miles from 10 to 6000; it is nothing"),
        ("distance", 9.5, "distance should be a number of miles from 10 to 6000; it is 9.5"),
        ("distance", 6001, r"distance should be a number of miles from 10 to 6000; it is 6001\.0"),
        ("season", "spring", "season should be one of summer, winter, or null; it is 'spring'"),
        ("departs", "today", "departs should be a date and time such as 2013-05-19T14:15:00 .*; it is 'today'"),
        ("departs", "2013-05-19T14:15:00Z", "departs should be a date and time.*; it is '2013-05-19T14:15:00Z'"),
        ("departs", "", "departs should be a date and time.*; it is nothing"),
        ("carrier", "x" * 501, "carrier should be a text of 1 to 500 characters, or null"),
        ("delay", "1e39", "delay should be a number of minutes, or null; it is"),
    ],
)
@pytest.mark.parametrize("row", [1, 16_385])
def test_a_bad_value_of_a_csv_file_is_refused_with_its_row(score, tmp_path, name, value, words, row):
    records = [rows(1)[0]] * (row + 2)
    records[row - 1] = records[0] | {name: value}

    with pytest.raises(TableUnreadable, match=rf"in\.csv, row {row}: {words}"):
        score(write_csv(tmp_path / "in.csv", records))
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("distance", None, "distance should be a number of miles from 10 to 6000; it is nothing"),
        ("distance", 9.5, r"distance should be a number of miles from 10 to 6000; it is 9\.5"),
        ("delay", float("inf"), "delay should be a number of minutes, or null; it is inf"),
        ("season", "spring", "season should be one of summer, winter, or null; it is 'spring'"),
        ("departs", None, "departs should be a date and time.*; it is nothing"),
    ],
)
def test_a_bad_value_of_a_parquet_file_is_refused_with_its_row(score, tmp_path, name, value, words):
    records = [rows(1)[0]] * 16_390
    records[16_387] = records[0] | {name: value}

    with pytest.raises(TableUnreadable, match=rf"in\.parquet, row 16388: {words}"):
        score(write_parquet(tmp_path / "in.parquet", records))
    assert left(tmp_path) == []


def test_a_row_of_another_length_is_refused_with_its_number(score, tmp_path):
    (tmp_path / "in.csv").write_text(
        "departs,carrier,season,distance,delay\n2013-05-19T14:15:00,UA,,800,2\n2013-05-19T14:15:00,UA,800\n"
    )

    with pytest.raises(TableUnreadable, match=r"row 2 should hold 5 values like the header, not 3"):
        score(tmp_path / "in.csv")


@pytest.mark.parametrize("name", ["in.xlsx", "in", "in.PARQUET.zip"])
def test_an_unknown_suffix_of_the_input_is_refused_with_those_there_are(score, tmp_path, name):
    (tmp_path / name).write_text("")

    with pytest.raises(TableUnreadable, match=rf"{re.escape(name)} should be a CSV or Parquet file; .*: \.csv, .*\.pq\.$"):
        score(tmp_path / name)


def packed(path, content):
    """A file with this content, packed as its name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("in.csv", content)
    else:
        with pa.output_stream(str(path), compression="detect") as file:
            file.write(content)
    return path


@pytest.mark.parametrize("name", [f"in{ending}" for ending in (*csv_format.CSV_ENDINGS, ".CSV.ZIP")])
def test_a_csv_file_is_read_by_each_ending_that_training_reads(score, tmp_path, name):
    plain = write_csv(tmp_path / "in1.csv", rows(20_000))
    wanted = score(plain)[0].tobytes()
    content = plain.read_bytes()
    if ".tsv" in name:
        content = content.replace(b",", b"\t")
    path = packed(tmp_path / name.lower(), content).rename(tmp_path / name)

    assert score(path)[0].tobytes() == wanted


def test_a_parquet_file_may_have_the_short_ending(score, tmp_path):
    wanted = score(write_parquet(tmp_path / "in.parquet", rows(30)))[0].tobytes()

    assert score(write_parquet(tmp_path / "in.pq", rows(30)))[0].tobytes() == wanted


@pytest.mark.parametrize("ending", csv_format.PACKINGS)
def test_a_damaged_packing_is_refused_by_the_name_of_its_file(score, tmp_path, ending):
    (tmp_path / f"in.csv{ending}").write_bytes(b"departs")

    with pytest.raises(TableUnreadable, match=rf"in\.csv\{ending} should be a CSV file in UTF-8; "):
        score(tmp_path / f"in.csv{ending}")


def test_an_archive_of_several_files_is_refused_with_their_names(score, tmp_path):
    with zipfile.ZipFile(tmp_path / "in.csv.zip", "w") as archive:
        archive.writestr("a.csv", "a")
        archive.writestr("b.csv", "b")

    with pytest.raises(TableUnreadable, match=r"should hold one file, the table; it holds 2: a\.csv, b\.csv\."):
        score(tmp_path / "in.csv.zip")


def test_an_unknown_suffix_of_the_output_is_refused(score, tmp_path):
    with pytest.raises(TableUnreadable, match=r"out\.xlsx should be a \.csv or \.parquet file"):
        score(write_csv(tmp_path / "in.csv", rows(2)), "out.xlsx")
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_an_input_that_is_not_there_is_refused_by_name(score, tmp_path, name):
    with pytest.raises(TableUnreadable, match=rf"{name} .*[Nn]o such file"):
        score(tmp_path / name)


@pytest.mark.parametrize("name", ["in.csv", "in.parquet", "in"])
def test_a_folder_without_parquet_files_is_refused_as_such(score, tmp_path, name):
    (tmp_path / name).mkdir()

    with pytest.raises(TableUnreadable, match=rf"{name} should be .* a folder of Parquet files; it is a folder without"):
        score(tmp_path / name)
    assert left(tmp_path) == []


def test_a_folder_of_parquet_files_is_scored_in_the_order_of_their_names(score, tmp_path):
    (tmp_path / "in").mkdir()
    for name, part in (("b", rows(40)[25:]), ("a", rows(40)[:25])):
        write_parquet(tmp_path / f"in/{name}.parquet", part)

    whole, parts = score(write_parquet(tmp_path / "in.parquet", rows(40))), score(tmp_path / "in")

    assert parts[0].tolist() == whole[0].tolist()
    assert parts[1] == whole[1]


def test_a_value_at_fault_in_a_folder_is_named_with_its_file_and_its_row_there(score, tmp_path):
    (tmp_path / "in").mkdir()
    faulty = [*rows(3), rows(1)[0] | {"distance": 1e6}]
    for name, part in (("a", rows(5)), ("b", faulty)):
        write_parquet(tmp_path / f"in/{name}.parquet", part)

    with pytest.raises(TableUnreadable, match=r"in/b\.parquet, row 4: distance should be"):
        score(tmp_path / "in")


def test_a_csv_file_in_another_encoding_is_refused(score, tmp_path):
    write_csv(tmp_path / "in.csv", rows(3))
    (tmp_path / "in.csv").write_text((tmp_path / "in.csv").read_text() + "2013-05-19T14:15:00,Zürich,,800,2\n", "latin-1")

    with pytest.raises(TableUnreadable, match="should be a CSV file in UTF-8"):
        score(tmp_path / "in.csv")
    assert left(tmp_path) == []


def test_a_csv_file_with_an_open_quote_is_refused(score, tmp_path):
    (tmp_path / "in.csv").write_text('departs,carrier,season,distance,delay\n"2013-05-19T14:15:00,UA,,800,2\n')

    with pytest.raises(TableUnreadable, match="should be a CSV file in UTF-8"):
        score(tmp_path / "in.csv")


def test_a_file_that_is_no_parquet_is_refused(score, tmp_path):
    (tmp_path / "in.parquet").write_text("departs,carrier\n")

    with pytest.raises(TableUnreadable, match="should be a Parquet file; "):
        score(tmp_path / "in.parquet")
    assert left(tmp_path) == []


def test_a_parquet_file_that_is_damaged_in_the_middle_is_refused_as_what_cannot_be_read(score, tmp_path):
    source = write_parquet(tmp_path / "in.parquet", rows(50_000))
    content = bytearray(source.read_bytes())
    content[4 : len(content) - 5_000] = bytes(len(content) - 5_004)
    source.write_bytes(content)

    with pytest.raises(TableUnreadable, match=r"in\.parquet should be a Parquet file; "):
        score(source)
    assert left(tmp_path) == []


def test_without_pyarrow_the_command_names_the_extra_to_install(tmp_path):
    write_csv(tmp_path / "in.csv", rows(3))
    code = "import sys; sys.modules['pyarrow'] = None; from prediction_api.__main__ import main; main(sys.argv[1:])"

    done = subprocess.run(
        [sys.executable, "-c", code, "score", "in.csv", "out.csv"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": PACKAGES}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert re.fullmatch(
        r"error: `score` .* pyarrow, which is not installed here\. Install the extra `score` .*\n", done.stderr
    )
    assert "pip install '.[score]'" in done.stderr
    assert left(tmp_path) == []


def test_a_broken_model_is_refused_before_the_input_is_read(tmp_path, make_model):
    folder = make_model()
    (folder / "model.onnx").write_bytes(b"")

    with pytest.raises(InvalidModel, match=r"model\.onnx"):
        batch_predict.score(tmp_path / "nothing.csv", tmp_path / "out.csv", folder)


# Whole or not at all


def test_a_failure_leaves_the_file_that_was_there_before(score, tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    records = [*rows(70_000), rows(1)[0] | {"distance": "far"}]

    with pytest.raises(TableUnreadable, match="row 70001: "):
        score(write_csv(tmp_path / "in.csv", records))

    assert (tmp_path / "out.csv").read_text() == "mine"
    assert left(tmp_path) == ["out.csv"]


def test_a_file_that_was_there_before_is_replaced(score, tmp_path):
    (tmp_path / "out.csv").write_text("mine\n" * 1000)

    assert len(score(write_csv(tmp_path / "in.csv", rows(3)))[0]) == 3
    assert left(tmp_path) == ["out.csv"]


@pytest.mark.parametrize("target", ["nowhere/out.csv", "nowhere/out.parquet", "in-folder.csv"])
def test_an_output_that_cannot_be_written_is_refused_by_name(score, tmp_path, target):
    (tmp_path / "in-folder.csv").mkdir()

    with pytest.raises(TableUnreadable, match=rf"{target} cannot be written: "):
        score(write_csv(tmp_path / "in.csv", rows(3)), target)
    assert left(tmp_path) == []


@pytest.mark.parametrize("target", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_death_in_the_middle_leaves_no_file_with_the_name_of_the_output(make_model, tmp_path, target, number):
    write_csv(tmp_path / "in.csv", rows(1) * 400_000)  # some seconds
    process = subprocess.Popen(
        [sys.executable, "-m", "prediction_api", "score", "in.csv", target, "--model", make_model()],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": PACKAGES}, stderr=subprocess.PIPE,
    )  # fmt: skip
    until = time.monotonic() + 20
    while not left(tmp_path) and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(number)

    assert process.wait(20) != 0
    assert not (tmp_path / target).exists()
    assert number != signal.SIGINT or left(tmp_path) == []


def test_a_score_is_the_same_bytes_each_time(score, tmp_path):
    source = write_csv(tmp_path / "in.csv", rows(50_000))
    score(source, "a.csv")
    score(source, "b.csv")

    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_probability_in_a_csv_file_reads_back_as_the_same_number(score, tmp_path):
    source = write_csv(tmp_path / "in.csv", rows(1000))

    assert score(source, "a.csv")[0].tobytes() == score(source, "b.parquet")[0].tobytes()


def test_a_label_says_whether_the_probability_reaches_the_threshold(tmp_path, make_model):
    source = write_csv(tmp_path / "in.csv", rows(100))
    batch_predict.score(source, tmp_path / "a.csv", make_model())
    probabilities, _ = result(tmp_path / "a.csv")
    threshold = float(np.sort(probabilities)[40])

    batch_predict.score(source, tmp_path / "b.csv", make_model(threshold=threshold))

    assert result(tmp_path / "b.csv")[1] == (probabilities >= threshold).tolist()
    assert json.loads((tmp_path / "model" / "metadata.json").read_text())["threshold"] == threshold
