"""Records by column are held to the schema as records in JSON are: the same values, the same faults, in the same words."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from column_types.table_format import TableFormat
from prediction_api.model import artifact
from prediction_api.model.column_reader import ColumnReader
from prediction_api.model.onnx_model import OnnxModel
from prediction_api.model.record_reader import InvalidRecords, RecordReader
from serving.arrow.streams import SCHEMA, stream
from serving.conftest import COLUMNS, RECORD

MOMENT = datetime(2013, 5, 19, 14, 15)


@pytest.fixture
def model(make_model):
    """The tiny model, whose batches hold at most 300 records."""
    return OnnxModel(artifact.read(make_model()), 300)


def table(records, schema=SCHEMA):
    rows = [
        {**record, "departs": datetime.fromisoformat(record["departs"])} if record["departs"] else record
        for record in records
    ]
    return pa.Table.from_pylist(rows, schema)


def errors_of(read, body):
    with pytest.raises(InvalidRecords) as raised:
        read(body)
    return raised.value.field_errors


def as_json(records):
    return json.dumps({"records": records}).encode()


@pytest.mark.parametrize(
    "change",
    [
        {"distance": 9.99},
        {"distance": 6001.0},
        {"distance": None},
        {"delay": float("3.5e38")},
        {"carrier": "x" * 501},
        {"carrier": "a\0b"},
        {"season": "spring"},
        {"departs": None},
        {"distance": None, "season": "", "departs": None, "carrier": "\0"},
    ],
    ids=str,
)
def test_a_value_that_json_refuses_is_refused_in_the_same_words(model, change):
    records = [RECORD, {**RECORD, **change}, RECORD]

    errors = errors_of(model.columns.batch, stream(table(records)))

    assert errors == errors_of(model.records.batch, as_json(records))
    assert all(error.field.startswith("records[1].") for error in errors)


def test_faults_come_in_the_order_of_records_and_columns_and_no_more_than_a_hundred(model):
    records = [{**RECORD, "distance": 1.0, "season": "spring"} for _ in range(120)]

    errors = errors_of(model.columns.batch, stream(table(records)))

    assert errors == errors_of(model.records.batch, as_json(records))
    assert len(errors) == 100


def test_values_that_json_takes_become_the_same_inputs(model):
    records = [
        RECORD,
        {**RECORD, "carrier": "", "season": None, "delay": None},
        {**RECORD, "carrier": None, "delay": 0.1, "departs": "2013-05-19T14:15:00.750001"},
        {**RECORD, "distance": 6000.0, "delay": -1e-40, "departs": "1900-01-01T00:00:59.999999"},
        {**RECORD, "carrier": "x" * 500, "delay": 3.4e38},
    ]

    inputs = model.column_inputs(model.columns.batch(stream(table(records))))

    for name, expected in model.inputs(model.records.batch(as_json(records)).records).items():
        assert (inputs[name].dtype, inputs[name].shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(inputs[name], expected)


def test_a_column_that_is_not_required_may_be_left_out_and_those_there_may_come_in_any_order(model):
    whole = table([RECORD, RECORD])

    batch = model.columns.batch(stream(whole.drop(["season"]).select(["delay", "carrier", "departs", "distance"])))

    left_out = [{name: value for name, value in RECORD.items() if name != "season"}] * 2
    expected = model.inputs(model.records.batch(as_json(left_out)).records)
    for name, values in model.column_inputs(batch).items():
        np.testing.assert_array_equal(values, expected[name])
    assert "season" not in batch.categories


@pytest.mark.parametrize("kind", [pa.int16(), pa.uint64(), pa.float32(), pa.float64()], ids=str)
def test_a_number_may_be_of_any_type_of_numbers(model, kind):
    whole = table([RECORD])
    body = stream(whole.set_column(3, "distance", pa.array([800], kind)))

    assert model.columns.batch(body).numbers["distance"].tolist() == [800.0]


def test_a_number_that_is_none_is_missing_as_in_a_file(model):
    numbers = table([RECORD, RECORD]).set_column(4, "delay", pa.array([float("nan"), 1.0]))
    assert np.isnan(model.columns.batch(stream(numbers)).numbers["delay"]).tolist() == [True, False]

    (error,) = errors_of(model.columns.batch, stream(numbers.set_column(3, "distance", pa.array([1e3, float("nan")]))))
    assert (error.field, error.got) == ("records[1].distance", "null")


@pytest.mark.parametrize("endless", [float("inf"), float("-inf")])
def test_an_endless_number_is_refused(model, endless):
    (error,) = errors_of(model.columns.batch, stream(table([RECORD]).set_column(4, "delay", pa.array([endless]))))

    assert (error.field, error.got) == ("records[0].delay", repr(endless))


def test_a_year_that_python_does_not_have_is_refused(model):
    for seconds in (-62_135_596_801, 253_402_300_800, 2**62, -(2**62)):
        departs = pa.array([seconds], pa.int64()).cast(pa.timestamp("s"))
        (error,) = errors_of(model.columns.batch, stream(table([RECORD]).set_column(0, "departs", departs)))

        assert (error.field, error.got) == ("records[0].departs", "'a year before 1 or after 9999'")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_moment_may_be_of_any_unit(model, unit):
    departs = pa.array([MOMENT], pa.timestamp(unit))

    batch = model.columns.batch(stream(table([RECORD]).set_column(0, "departs", departs)))

    assert batch.datetimes["departs"].seconds.tolist() == [MOMENT.replace(tzinfo=UTC).timestamp()]
    assert batch.datetimes["departs"].texts.tolist() == ["2013-05-19T14:15:00"]


def test_a_column_with_a_zone_takes_timestamps_with_any_zone_and_no_others(make_model):
    columns = [{**column, "time_zone": "UTC"} if column["name"] == "departs" else column for column in COLUMNS]
    model = OnnxModel(artifact.read(make_model(columns=columns)))
    local = pa.array([MOMENT], pa.timestamp("ms", "America/New_York"))

    batch = model.columns.batch(stream(table([RECORD]).set_column(0, "departs", local)))

    assert batch.datetimes["departs"].texts.tolist() == ["2013-05-19T14:15:00Z"]  # pyarrow takes it for UTC
    (error,) = errors_of(model.columns.batch, stream(table([RECORD])))
    assert (error.field, error.wanted, error.got) == ("departs", "a column of timestamps with a time zone", "timestamp[us]")


def test_categories_that_are_numbers_may_come_as_numbers(make_model):
    columns = [
        {**column, "categories": None, "seen": {"categories": ["1", "2"]}} if column["name"] == "season" else column
        for column in COLUMNS
    ]
    model = OnnxModel(artifact.read(make_model(columns=columns)))

    for values in (pa.array([1, None, 7]), pa.array([1.0, None, 7.0]), pa.array(["1", None, "7"])):
        batch = model.columns.batch(stream(table([RECORD] * 3).set_column(2, "season", values)))
        assert batch.categories["season"].tolist() == ["1", None, "7"]


def test_the_markers_of_missing_values_that_the_table_declares_are_missing(make_model):
    marked = replace(artifact.read(make_model()).schema, table_format=TableFormat(missing=("-999", "none")))
    records = [{**RECORD, "delay": -999.0, "carrier": "none"}, {**RECORD, "delay": 999.0, "carrier": "-999"}]

    batch = ColumnReader(marked).batch(stream(table(records)))

    expected = RecordReader(marked).batch(as_json(records)).records
    assert batch.categories["carrier"].tolist() == [record["carrier"] for record in expected]
    assert [None if np.isnan(value) else value for value in batch.numbers["delay"].tolist()] == [
        record["delay"] for record in expected
    ]


LIKE_CARRIER = "a field of the schema, such as carrier"
NUMBERS = "a column of a type of integers or floats"
TEXTS = "a column of utf8, large_utf8 or a dictionary of them"


@pytest.mark.parametrize(
    ("change", "field", "wanted", "got"),
    [
        (lambda t: t.drop(["delay"]), "delay", "a number of minutes, or null", "nothing"),
        (lambda t: t.append_column("carier", t["carrier"]), "carier", LIKE_CARRIER, "an unknown field, carier"),
        (lambda t: t.append_column("delay", t["delay"]), "delay", "one column of this name", "2 of them"),
        (lambda t: t.set_column(3, "distance", pa.array(["800"])), "distance", NUMBERS, "utf8"),
        (lambda t: t.set_column(3, "distance", pa.array([True])), "distance", NUMBERS, "bool"),
        (
            lambda t: t.set_column(1, "carrier", pa.array([1])),
            "carrier",
            TEXTS,
            "int64",
        ),
        (
            lambda t: t.set_column(1, "carrier", pa.array([["UA"]])),
            "carrier",
            TEXTS,
            "list",
        ),
        (
            lambda t: t.set_column(1, "carrier", pa.array([1]).dictionary_encode()),
            "carrier",
            TEXTS,
            "dictionary of int64",
        ),
        (
            lambda t: t.set_column(0, "departs", pa.array([MOMENT], pa.timestamp("s", "UTC"))),
            "departs",
            "a column of timestamps without a time zone",
            "timestamp[s, tz=UTC]",
        ),
        (lambda t: t.slice(0, 0), "the body", "1 to 300 rows", "0"),
        (lambda t: pa.concat_tables([t] * 301).combine_chunks(), "the body", "1 to 300 rows", "301"),
    ],
)  # fmt: skip
def test_a_table_of_another_shape_is_refused_by_its_column(model, change, field, wanted, got):
    errors = {
        error.field: (error.wanted, error.got) for error in errors_of(model.columns.batch, stream(change(table([RECORD]))))
    }

    assert errors[field] == (wanted, got)


def test_a_stream_without_columns_is_refused_where_no_column_is_required(make_model):
    columns = [{**column, "required": False, "nullable": True} for column in COLUMNS]
    model = OnnxModel(artifact.read(make_model(columns=columns)), 300)

    for rows in (0, 1):
        (error,) = errors_of(model.columns.batch, stream(table([RECORD] * rows).select([])))
        assert (error.field, error.wanted, error.got) == ("the body", "1 to 300 rows", "0")


def test_a_column_of_nothing_is_missing_where_it_may_be(model):
    nothing = table([RECORD] * 2).set_column(1, "carrier", pa.nulls(2)).set_column(4, "delay", pa.nulls(2))

    batch = model.columns.batch(stream(nothing))
    (error,) = errors_of(model.columns.batch, stream(nothing.slice(0, 1).set_column(0, "departs", pa.nulls(1))))

    assert batch.categories["carrier"].tolist() == [None, None]
    assert (error.field, error.got) == ("records[0].departs", "null")
