"""One value means one thing, whether `ingest`, `score` or the API reads it, from CSV, Parquet or JSON."""

import csv
import hashlib
import json
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from onnx import TensorProto, helper
from pyarrow import parquet
from pydantic import TypeAdapter

from column_types import arrow
from column_types.arrow import Reading
from column_types.table_format import CODES, TableFormat
from pipeline.config.settings import Column, Dataset, RandomSplit, RawTable, Target
from pipeline.data import model_inputs, schema, schema_json, table_io
from pipeline.registry import promote
from pipeline.support.errors import TableInvalid
from prediction_api.batch import batch_io
from prediction_api.errors import InvalidModel, TableUnreadable
from prediction_api.model import artifact
from prediction_api.model.onnx_model import OnnxModel
from prediction_api.model.record_reader import InvalidRecords

TENSORS = {"number": TensorProto.FLOAT, "category": TensorProto.STRING, "datetime": TensorProto.DOUBLE}
OFFSETS = [["2013-05-19T14:15+02", "2013-05-20T01Z"], ["2013-05-19 14:15:00-0500", "2013-05-20T01-05"]]
DEFAULT = TableFormat()
SUMMER = timezone(timedelta(hours=2))
MOMENTS = [datetime(2013, 5, 19, 14, 15), datetime(2013, 5, 20, 1, 0)]
BERLIN = [moment.replace(tzinfo=SUMMER) for moment in MOMENTS]
ISO = [moment.isoformat() for moment in MOMENTS]
ISO_BERLIN = [moment.isoformat() for moment in BERLIN]
# Kind, type in Parquet, its values, the texts in CSV, the values in JSON.
ACCEPTED = [
    ("number", pa.int64(), [1, 2], ["1", "2"], [1, 2]),
    ("number", pa.uint8(), [1, 2], [" 1", "2.0"], [1, 2.0]),
    ("number", pa.float64(), [0.5, 1e-9], ["0.5", "1e-9"], [0.5, 1e-9]),
    ("number", pa.float16(), [0.5, 2.0], ["0.5", "2"], [0.5, 2]),
    ("number", pa.decimal128(9, 2), [Decimal("1.50"), Decimal("2.00")], ["1.50", "2.00"], [1.5, 2]),
    ("category", pa.string(), ["007", "NULL?"], ["007", "NULL?"], ["007", "NULL?"]),
    ("category", pa.dictionary(pa.int8(), pa.large_string()), ["a", "b"], ["a", "b"], ["a", "b"]),
    ("category", pa.int32(), [1, -2], ["1", "-2"], [1, -2]),
    ("category", pa.float64(), [1.0, 2.0], ["1.0", "2.0"], [1.0, 2]),
    ("category", pa.bool_(), [True, False], ["True", "False"], [True, False]),
    ("category", pa.bool_(), [True, False], ["true", "false"], ["TRUE", False]),
    ("category", pa.binary(), [b"caf\xc3\xa9", b"b"], ["café", "b"], ["café", "b"]),
    ("datetime", pa.timestamp("ns"), MOMENTS, ISO, ISO),
    ("datetime", pa.timestamp("s"), MOMENTS, ["2013-05-19 14:15", "2013-05-20 01:00"], ISO),
    (
        "datetime",
        pa.date32(),
        [date(2013, 5, 19), date(2013, 5, 20)],
        ["2013-05-19", "2013-05-20"],
        ["2013-05-19", "2013-05-20"],
    ),
    ("datetime", pa.string(), ISO, ISO, ISO),
    ("datetime", pa.timestamp("us", "Europe/Berlin"), BERLIN, ISO_BERLIN, ISO_BERLIN),
    ("datetime", pa.timestamp("ms", "UTC"), BERLIN, ["2013-05-19T12:15:00Z", "2013-05-19T23:00:00Z"], ISO_BERLIN),
    ("category", pa.string_view(), ["a", "b"], ["a", "b"], ["a", "b"]),
    ("category", pa.binary_view(), [b"a", b"b"], ["a", "b"], ["a", "b"]),
]
# Kind, type in Parquet, its values, the texts in CSV, the values in JSON; None: a CSV file cannot hold them.
REFUSED = [
    ("number", pa.bool_(), [True, False], ["true", "false"], [True, False]),
    ("number", pa.string(), ["1", "2"], ["one", "two"], ["1", "2"]),
    ("number", pa.timestamp("s"), MOMENTS, ISO, ISO),
    ("category", pa.list_(pa.string()), [["a"], ["b"]], None, [["a"], ["b"]]),
    ("category", pa.float64(), [0.5, 1.5], None, [0.5, 1.5]),
    ("category", pa.timestamp("s"), MOMENTS, None, [{"at": 1}, {"at": 2}]),
    ("category", pa.binary(), [b"\xff", b"b"], None, [None, 1.5]),
    ("datetime", pa.int64(), [1, 2], ["1700000000", "1700000001"], [1_700_000_000, "1700000000"]),
    ("datetime", pa.string(), ["soon", "later"], ["soon", "later"], ["soon", "later"]),
    ("datetime", pa.time32("s"), [None, 1], ["14:15", "14:16"], ["14:15", "14:16"]),
]


def write(folder, kind, arrow_type, values, texts):
    """A table with the values and one more row without, as CSV and as Parquet."""
    paths = {}
    if texts is not None:
        paths["csv"] = folder / "in.csv"
        with paths["csv"].open("w", newline="") as file:
            csv.writer(file).writerows([["x", "more"], *([text, 1] for text in [*texts, ""])])
    paths["parquet"] = folder / "in.parquet"
    column = (
        pa.array([*values, None], arrow_type.value_type).cast(arrow_type) if pa.types.is_dictionary(arrow_type) else None
    )
    column = pa.array([*values, None], arrow_type) if column is None else column
    parquet.write_table(pa.table({"x": column, "more": [1] * len(column)}), paths["parquet"])
    return paths


def train(path, column, form=DEFAULT):
    """What ingest, preprocess and train make of a file: the arrays that are trained on, and schema.json."""
    declared = RawTable(file=str(path), columns={"x": column}, **asdict(form))
    table = table_io.read_source(path, declared).to_pandas()
    schema.check(table, {"x": column}, "t")
    data = Dataset("things", Target("good"), {"x": column}, RandomSplit("random", 0.25, 1), table_format=form)
    arrays = model_inputs.to_arrays(model_inputs.pack(table, {"x": column}), {"x": column})
    return arrays, schema_json.describe(data, table.assign(good=[1] + [0] * (len(table) - 1)))


def opened(folder, kind, described):
    """The model directory as the service opens it, with a graph that answers 0.5."""
    folder.mkdir(parents=True, exist_ok=True)
    name = model_inputs.INPUTS[kind]
    nodes = [
        helper.make_node("Shape", [name], ["rows"], end=1),
        helper.make_node(
            "ConstantOfShape", ["rows"], ["probability"], value=helper.make_tensor("half", TensorProto.DOUBLE, [1], [0.5])
        ),
    ]
    inputs = [helper.make_tensor_value_info(name, TENSORS[kind], [None, 1])]
    graph = helper.make_graph(
        nodes, "half", inputs, [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, [None])]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content = {"model.onnx": model.SerializeToString(), "schema.json": json.dumps(described).encode()}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    metadata = {
        "name": "things",
        "threshold": 0.5,
        "sha256": digests,
        "data": {},
        "parameters": {},
        "versions": {},
        "question": {},
    }
    for name, data in {**content, "metadata.json": json.dumps(metadata).encode()}.items():
        (folder / name).write_bytes(data)
    return OnnxModel(artifact.read(folder))


def scored(model, path):
    """The column as `score` reads it from a file."""
    _, _, chunks = batch_io.read(path, model.artifact.schema)
    return np.concatenate([chunk.columns["x"] for chunk in chunks])


def asked(model, values):
    """The column as the API reads it from JSON."""
    (array,) = model.inputs([model.records.one(json.dumps({"x": value}).encode()) for value in values]).values()
    return array[:, 0]


@pytest.mark.parametrize("trained_on", ["csv", "parquet"])
@pytest.mark.parametrize(("kind", "arrow_type", "values", "texts", "plain"), ACCEPTED, ids=str)
def test_a_value_reaches_the_graph_as_in_training(tmp_path, trained_on, kind, arrow_type, values, texts, plain):
    paths = write(tmp_path, kind, arrow_type, values, texts)
    arrays, described = train(paths[trained_on], Column(kind))
    model = opened(tmp_path / "model", kind, described)

    expected = arrays[model_inputs.INPUTS[kind]][:, 0]
    for path in paths.values():
        np.testing.assert_array_equal(scored(model, path), expected)
    np.testing.assert_array_equal(asked(model, [*plain, None]), expected)
    assert TypeAdapter(model.records.batch_type).json_schema()
    assert len({*expected.tolist()[:2]}) == 2


@pytest.mark.parametrize(("kind", "arrow_type", "values", "texts", "plain"), REFUSED, ids=str)
def test_a_value_of_another_type_is_refused_everywhere_by_name(tmp_path, kind, arrow_type, values, texts, plain):
    paths = write(tmp_path, kind, arrow_type, values, texts)
    (tmp_path / "good").mkdir()
    accepted = {"number": ACCEPTED[0], "category": ACCEPTED[5], "datetime": ACCEPTED[12]}[kind]
    good = write(tmp_path / "good", *accepted[:4])
    model = opened(tmp_path / "model", kind, train(good["parquet"], Column(kind))[1])

    for path in paths.values():
        with pytest.raises(TableInvalid, match="x should be"):
            train(path, Column(kind))
        with pytest.raises(TableUnreadable, match="x should be"):
            scored(model, path)
    for value in plain:
        if value is not None:
            with pytest.raises(InvalidRecords, match="x"):
                asked(model, [value])


@pytest.mark.parametrize(("trained", "other"), [(12, 16), (16, 12)])
def test_a_datetime_with_an_offset_and_one_without_do_not_stand_for_each_other(tmp_path, trained, other):
    (tmp_path / "other").mkdir()
    paths, others = (write(folder, *ACCEPTED[row][:4]) for folder, row in ((tmp_path, trained), (tmp_path / "other", other)))
    model = opened(tmp_path / "model", "datetime", train(paths["csv"], Column("datetime"))[1])

    for path in others.values():
        with pytest.raises(TableUnreadable, match=r"x should be a date and time .* The model was trained on datetimes with"):
            scored(model, path)
    with pytest.raises(InvalidRecords):
        asked(model, ACCEPTED[other][4][:1])


@pytest.mark.parametrize("row", [7, 8, 9])
def test_a_number_or_a_truth_value_is_no_category_where_training_had_words(tmp_path, row):
    (tmp_path / "other").mkdir()
    model = opened(tmp_path / "model", "category", train(write(tmp_path, *ACCEPTED[6][:4])["csv"], Column("category"))[1])

    with pytest.raises(TableUnreadable, match=r"it is of the type .*\. The model was trained on text\."):
        scored(model, write(tmp_path / "other", *ACCEPTED[row][:4])["parquet"])
    with pytest.raises(InvalidRecords):
        asked(model, ACCEPTED[row][4][:1])


@pytest.mark.parametrize("value", ["0001-01-01T00:00+10:00", "9999-12-31T23:59-10:00"])
def test_a_datetime_that_utc_does_not_have_is_refused(tmp_path, value):
    model = opened(tmp_path / "model", "datetime", train(write(tmp_path, *ACCEPTED[16][:4])["csv"], Column("datetime"))[1])

    with pytest.raises(InvalidRecords):
        asked(model, [value])


@pytest.mark.parametrize(
    ("arrow_type", "last", "outside"),
    [
        (pa.timestamp("us"), 253_402_300_799_999_999, 253_402_300_800_000_000),
        (pa.timestamp("s", "UTC"), 253_402_300_799, 253_402_300_800),
        (pa.timestamp("ms"), -62_135_596_800_000, -62_135_596_800_001),
        (pa.date32(), 2_932_896, 2_932_897),
        (pa.string(), "0001-01-01", "0000-12-31"),
    ],
)
def test_a_datetime_outside_the_years_1_to_9999_is_refused(tmp_path, arrow_type, last, outside):
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    for path, value in ((good, last), (bad, outside)):
        parquet.write_table(pa.table({"x": pa.array([None, last, value], arrow_type)}), path)
    model = opened(tmp_path / "model", "datetime", train(good, Column("datetime"))[1])

    assert len(scored(model, good)) == 3
    with pytest.raises(TableInvalid, match=r"row 3: x should be a date and time .*of the years 1 to 9999.*; it is '.*-.*-"):
        train(bad, Column("datetime"))
    with pytest.raises(TableUnreadable, match=r"row 3: x should be a date and time .*of the years 1 to 9999"):
        scored(model, bad)


def test_offsets_are_read_in_utc_and_the_schema_says_so(tmp_path):
    arrays, described = train(write(tmp_path, *ACCEPTED[16][:4])["csv"], Column("datetime"))

    assert arrays["datetimes"][0, 0] == datetime(2013, 5, 19, 12, 15, tzinfo=UTC).timestamp()
    assert (described["columns"][0]["time_zone"], described["columns"][0]["example"]) == ("UTC", "2013-05-19T23:00:00+00:00")


@pytest.mark.parametrize("missing", [("",), ("", "?", "-999")])
def test_the_markers_of_a_table_hold_for_every_file_of_its_kind(tmp_path, missing):
    form, column = TableFormat(missing=missing), Column("category")
    values = ["NA", "?", "-999", "EU"]
    paths = write(tmp_path, "category", pa.string(), values, values)
    arrays, described = train(paths["csv"], column, form)
    model = opened(tmp_path / "model", "category", described)

    assert described["table_format"] == {"missing": list(missing)} or described["table_format"] == {"missing": missing}
    assert arrays["categories"][:, 0].tolist() == [value if value not in missing else "" for value in [*values, ""]]
    for path in paths.values():
        np.testing.assert_array_equal(scored(model, path), arrays["categories"][:, 0])


def test_a_marker_that_is_a_number_is_compared_as_one(tmp_path):
    form = TableFormat(missing=("", "-999", "?"))
    paths = write(tmp_path, "number", pa.float64(), [-999.0, 0.5, None], ["-999.0", "0.5", "?"])
    for path in paths.values():
        arrays, described = train(path, Column("number"), form)
        np.testing.assert_array_equal(arrays["numbers"][:, 0], [np.nan, 0.5, np.nan, np.nan])
        model = opened(tmp_path / path.suffix[1:], "number", described)
        for other in paths.values():
            np.testing.assert_array_equal(scored(model, other), arrays["numbers"][:, 0])


def test_a_category_that_is_a_marker_and_a_number_is_compared_as_one(tmp_path):
    form = TableFormat(missing=("", "-1", "?"))
    paths = write(tmp_path, "category", pa.float64(), [-1.0, 2.0, None], ["-1.0", "2.0", "?"])
    for path in paths.values():
        arrays, described = train(path, Column("category"), form)
        model = opened(tmp_path / path.suffix[1:], "category", described)
        for other in paths.values():
            assert [value != "" for value in scored(model, other)] == [False, True, False, False]
        assert [value != "" for value in asked(model, [-1, "-1.0", "?", None, 2])] == [False, False, False, False, True]
    assert arrays["categories"][:, 0].tolist() == ["", "2", "", ""]


@pytest.mark.parametrize(
    ("kind", "values", "markers"),
    [("number", [0.5, 1.5], [-999, -999.0]), ("category", ["a", "b"], ["?", -999]), ("datetime", ISO, ["?"])],
)
def test_a_declared_marker_is_null_in_a_request_too(tmp_path, kind, values, markers):
    form = TableFormat(missing=("", "-999", "?"))
    path = tmp_path / "in.csv"
    path.write_text("\n".join(["x,more", *(f"{value},1" for value in values), ""]))
    model = opened(tmp_path / "model", kind, train(path, Column(kind), form)[1])

    array = asked(model, [None, *markers])
    assert len({str(value) for value in array}) == 1
    assert asked(model, values[:1])[0] != array[0]


@pytest.mark.parametrize("texts", [["2013-05-19", "2013-05-20T01"], ["2013-05-19 14", " 2013-05-20"], *OFFSETS])
def test_a_datetime_as_a_table_writes_it_is_one_in_a_request(tmp_path, texts):
    path = tmp_path / "in.csv"
    path.write_text("\n".join(["x,more", *(f"{text},1" for text in texts), ""]))
    arrays, described = train(path, Column("datetime"))
    model = opened(tmp_path / "model", "datetime", described)

    np.testing.assert_array_equal(asked(model, texts), arrays["datetimes"][:, 0])


def test_a_point_is_refused_where_the_decimal_is_a_comma(tmp_path):
    form, (good, bad) = TableFormat(decimal=",", separator=";"), (tmp_path / "good.csv", tmp_path / "bad.csv")
    good.write_text("x;more\n1,5;1\n2;1\n")
    bad.write_text("x;more\n1,5;1\n1.000;1\n")
    model = opened(tmp_path / "model", "number", train(good, Column("number"), form)[1])

    with pytest.raises(TableInvalid, match=r"row 2: x should be a number; it is '1\.000'.*no number has a point"):
        train(bad, Column("number"), form)
    with pytest.raises(TableUnreadable, match=r"row 2: x should be a number; it is '1\.000'"):
        scored(model, bad)


def test_a_day_that_its_month_does_not_have_is_refused_everywhere(tmp_path):
    column = Column("datetime", format="%d.%m.%Y")
    paths = [tmp_path / "good.csv", tmp_path / "bad.csv"]
    for path, day in zip(paths, ("1.2.2024", "31.02.2024"), strict=True):
        path.write_text(f"x,more\n29.02.2024,1\n{day},1\n")
    arrays, described = train(paths[0], column)
    model = opened(tmp_path / "model", "datetime", described)

    np.testing.assert_array_equal(scored(model, paths[0]), arrays["datetimes"][:, 0])
    with pytest.raises(TableInvalid, match=r"row 2: x should be a datetime of the format .*; it is '31\.02\.2024'"):
        train(paths[1], column)
    with pytest.raises(TableUnreadable, match=r"row 2: x should be a datetime of the format .*; it is '31\.02\.2024'"):
        scored(model, paths[1])
    with pytest.raises(InvalidRecords):
        asked(model, ["2024-02-31"])


@pytest.mark.parametrize("code", sorted(CODES - {"%s"}))
def test_arrow_reads_each_code_that_a_format_may_have_as_python_does(code):
    moment = datetime(2013, 7, 4, 4, 5, 6, tzinfo=UTC)
    pattern = f"%Y-%m-%d %H:%M:%S %z {code}" if code != "%z" else "%Y-%m-%d %H:%M:%S %z"
    values = pa.array([moment.strftime(pattern)])
    assert arrow.convert(values, "datetime", Reading(DEFAULT, pattern)).to_pylist() == [moment]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%D", "1/2/24"),
        ("%e.%m.%Y %T", "1.2.2024 1:02:03"),
        ("%s", "1700000000"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-01-02T03:04:05+0200"),
    ],
)
def test_a_datetime_that_is_not_written_back_as_it_was_is_read_all_the_same(pattern, text):
    values = pa.array([text, None])
    assert arrow.convert(values, "datetime", Reading(DEFAULT, pattern)).equals(
        pa.compute.strptime(values, format=pattern, unit="s")
    )


def test_a_file_for_score_is_read_by_the_format_that_was_declared(tmp_path):
    text = "# a lab\nx;when\n1,5;31.12.2013\n-;01.01.2014\n"
    (tmp_path / "in.csv").write_text(text, encoding="utf-16")
    form = {"separator": ";", "decimal": ",", "skip_rows": 1, "encoding": "utf-16", "missing": ("-",)}
    columns = {"x": Column("number"), "when": Column("datetime", format="%d.%m.%Y")}
    table = table_io.read_source(tmp_path / "in.csv", RawTable(file="in.csv", columns=columns, **form)).to_pandas()
    data = Dataset("things", Target("good"), columns, RandomSplit("random", 0.25, 1), table_format=TableFormat(**form))
    (tmp_path / "schema.json").write_text(json.dumps(schema_json.describe(data, table.assign(good=[0, 1]))))

    described = artifact._parse(artifact.Schema, (tmp_path / "schema.json").read_bytes(), tmp_path / "schema.json")
    (chunk,) = batch_io.read(tmp_path / "in.csv", described)[2]

    packed = model_inputs.pack(table, columns)
    for name in columns:
        np.testing.assert_array_equal(chunk.columns[name], packed[name].to_numpy())


def test_a_model_that_the_service_cannot_open_is_not_promoted(tmp_path, monkeypatch):
    described = train(write(tmp_path, *ACCEPTED[12][:4])["csv"], Column("datetime"))[1]
    opened(tmp_path / "data/model", "datetime", described)
    monkeypatch.chdir(tmp_path)
    promote.check_with_service()

    described["columns"][0]["example"] = "soon"
    with pytest.raises(InvalidModel):
        opened(tmp_path / "data/model", "datetime", described)
    with pytest.raises(promote.CandidateRejected, match=r"cannot open data/model, so it is not registered: model"):
        promote.check_with_service()
