"""Inference requests whose tensors lie about themselves are refused in a sentence, at once, and in little memory."""

import json
import struct
import time
import tracemalloc

import numpy as np
import pytest

from prediction_api.model import artifact
from prediction_api.model.onnx_model import OnnxModel
from prediction_api.model.record_reader import InvalidRecords
from prediction_api.open_inference.infer_request import InvalidTensors, read_request
from serving.conftest import COLUMNS, RECORD
from serving.open_inference.inference import HEADER, NAN, binary, joined, tensors, texts

MOST = 300
SECONDS, MEGABYTES = 2.0, 64
EIGHT_MEGABYTES = 8 * 2**20  # what a body may hold by default


@pytest.fixture
def model(make_model):
    """The tiny model, whose batches hold at most 300 records."""
    return OnnxModel(artifact.read(make_model()), MOST)


def read(model, body, length=None):
    """What a body holds, read as the service reads it."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return model.columns.tensors(read_request(body, length, model.columns.most_values))


def refusal(model, body, length=None):
    """Why a body is refused; fails where that takes long or much memory."""
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises((InvalidTensors, InvalidRecords)) as raised:
            read(model, body, length)
        assert time.process_time() - start < SECONDS
        assert tracemalloc.get_traced_memory()[1] < MEGABYTES * 2**20
    finally:
        tracemalloc.stop()
    errors = getattr(raised.value, "field_errors", [])
    return [(error.field, error.got) for error in errors] or str(raised.value)


def changed(name, /, **change):
    """A good request of one record with changes of one tensor."""
    return tensors([RECORD], **{name: change})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "EOF"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `inputs`"),
        (b'{"inputs":[]}', "`$.inputs`"),
        (b'{"inputs":[{}]}', "missing required field `name` - at `$.inputs[0]`"),
        (b"[" * 100_000, "its JSON"),
        (b'{"inputs":' * 9_000, "its JSON"),
        (b"[" * EIGHT_MEGABYTES, "many more than 1,500 values"),
        (b"[" + b"[]," * (EIGHT_MEGABYTES // 3), "many more than 1,500 values"),
        (b"[" + b"0," * (EIGHT_MEGABYTES // 2), "many more than 1,500 values"),
        (b"9" * EIGHT_MEGABYTES, "its JSON"),
        (b'"\xff"', "its JSON cannot be read"),
        (changed("delay", shape=[-1]), "Expected `int` >= 0"),
        (changed("delay", shape=[2**63]), "its JSON has another form"),
        (changed("delay", shape=[10**400]), "its JSON has another form"),
        (changed("delay", shape=[1] * 9), "its JSON has another form"),
        (changed("delay", shape="1"), "Expected `array`, got `str`"),
        (changed("delay", data=[]), "should hold 1 values; it holds 0"),
        (changed("delay", data=[1.0] * 1_000), "should hold 1 values; it holds 1,000"),
        (changed("delay", data=["1"]), "it holds text"),
        (changed("delay", data=[True]), "it holds a boolean"),
        (changed("delay", data=[[1.0]]), "it holds an array"),
        (changed("delay", data=[{}]), "it holds an object"),
        (changed("delay", datatype="INT64", data=[1.5]), "it holds a fraction"),
        (changed("delay", datatype="INT8", data=[128]), "a number that the type cannot hold"),
        (changed("delay", datatype="UINT64", data=[-1]), "a number that the type cannot hold"),
        (changed("delay", data=[10**400]), "a number that the type cannot hold"),
        (changed("carrier", data=[7]), "it holds an integer"),
        (tensors([RECORD]) | {"outputs": [{"name": "label"}] * 101}, "of length <= 100 - at `$.outputs`"),
        (changed("delay", data=None), "should have either data or binary_data_size"),
        (changed("delay", parameters={"binary_data_size": 8}), "should have either data or binary_data_size"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_json_that_is_no_request_is_refused(model, body, words):
    assert words in refusal(model, body)


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"datatype": "FP128"}, [("delay", "FP128")]),
        ({"datatype": "BYTES"}, [("delay", "BYTES")]),
        ({"datatype": "x" * 1000}, [("delay", "x" * 60)]),
        ({"shape": [2]}, [("delay", "[2]")]),
        ({"shape": []}, [("delay", "[]")]),
        ({"shape": [1, 2]}, [("delay", "[1, 2]")]),
        ({"shape": [1, 1, 1]}, [("delay", "[1, 1, 1]")]),
        ({"shape": [2**62, 2**62]}, [("delay", "[4611686018427387904, 4611686018427387904]")]),
        ({"name": "distance"}, [("delay", "nothing"), ("distance", "2 of them"), ("distance", "2 of them")]),
        ({"name": "dely"}, [("delay", "nothing"), ("dely", "an unknown field, dely")]),
    ],
    ids=str,
)
def test_an_input_that_does_not_fit_the_schema_is_refused_by_its_name(model, change, errors):
    assert refusal(model, changed("delay", **change)) == errors


def test_an_input_of_another_shape_is_named_alone_also_if_it_is_the_first(model):
    shapes = {tensor["name"]: {"shape": [1, 2]} for tensor in tensors([RECORD])["inputs"]}

    assert refusal(model, changed("departs", shape=[1, 2])) == [("departs", "[1, 2]")]
    assert refusal(model, tensors([RECORD], **shapes)) == [(name, "[1, 2]") for name in shapes]


@pytest.mark.parametrize("rows", [0, MOST + 1, 10**9, 2**63 - 1])
def test_a_number_of_rows_that_is_too_small_or_too_large_is_refused_before_the_values_are_read(model, rows):
    shapes = {tensor["name"]: {"shape": [rows]} for tensor in tensors([RECORD])["inputs"]}

    assert refusal(model, tensors([RECORD], **shapes)) == [("the body", f"{rows:,}")]


@pytest.mark.parametrize("length", ["", "x", "-1", "1.5", "1e3", "٣", "9" * 5000, "99999"])
def test_a_length_of_the_json_that_is_none_is_refused(model, length):
    assert refusal(model, tensors([RECORD]), length).startswith(HEADER)


@pytest.mark.parametrize("size", [-1, 2**63, 10**30, 1.5, "8", True, [8]], ids=str)
def test_a_size_that_is_none_is_refused(model, size):
    request = tensors([RECORD], delay={"data": None, "parameters": {"binary_data_size": size}})
    body, headers = joined(request, struct.pack("<d", 1.0))

    assert "binary_data_size of the input 'delay'" in refusal(model, body, headers[HEADER])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\0" * 7, "there are 7"),
        (b"\0" * 9, "1 bytes follow that belong to no input"),
        (b"\0" * EIGHT_MEGABYTES, "bytes follow that belong to no input"),
    ],
    ids=["short", "long", "very long"],
)
def test_bytes_that_are_not_as_many_as_declared_are_refused(model, content, words):
    request = tensors([RECORD], delay={"data": None, "parameters": {"binary_data_size": 8}})
    body, headers = joined(request, content)

    assert words in refusal(model, body, headers[HEADER])


def test_a_size_that_does_not_fit_the_shape_is_refused(model):
    request = tensors([RECORD], delay={"data": None, "parameters": {"binary_data_size": 16}})
    body, headers = joined(request, struct.pack("<2d", 1.0, 2.0))

    assert refusal(model, body, headers[HEADER]) == "the input 'delay' of type FP64 should have 8 bytes; it has 16"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "ends within its value 0 of 2"),
        (b"\0\0", "ends within its value 0 of 2"),
        (texts(["UA"]), "ends within its value 1 of 2"),
        (texts(["UA"]) + b"\xff\xff\xff\xff", "ends within its value 1 of 2"),
        (b"\xff\xff\xff\x7f" + b"x" * 100, "ends within its value 0 of 2"),
        (texts(["UA", "AA", "AA"]), "has 6 bytes after its last value"),
        (texts(["UA", "AA"])[:-2] + b"\xc3\x28", "not in UTF-8"),
    ],
    ids=["nothing", "half a length", "a text less", "a length alone", "two gigabytes", "a text more", "no UTF-8"],
)
def test_texts_whose_lengths_lie_are_refused(model, content, words):
    request = tensors([RECORD] * 2, carrier={"data": None, "parameters": {"binary_data_size": len(content)}})
    body, headers = joined(request, content)

    assert words in refusal(model, body, headers[HEADER])


def test_a_text_of_megabytes_is_refused_as_a_long_one(model):
    body, headers = binary(tensors([{**RECORD, "carrier": "x" * (7 * 2**20)}]))

    assert refusal(model, body, headers[HEADER]) == [("records[0].carrier", f"'{'x' * 59}...")]


def test_bodies_with_some_bytes_changed_are_read_or_refused(model):
    body, headers = binary(tensors([RECORD] * 3))
    generator = np.random.default_rng(1)
    outcomes = set()
    for _ in range(1000):
        damaged = bytearray(body)
        for place in generator.integers(0, len(body), 3):
            damaged[place] = generator.integers(0, 256)
        try:
            read(model, bytes(damaged), headers[HEADER])
            outcomes.add("read")
        except (InvalidTensors, InvalidRecords):
            outcomes.add("refused")

    assert outcomes == {"read", "refused"}


def test_a_thousand_inputs_of_no_column_are_named_up_to_a_hundred(model):
    inputs = [{"name": f"x{number}", "datatype": "FP64", "shape": [1], "data": [1.0]} for number in range(1000)]

    assert len(refusal(model, {"inputs": inputs})) == 100


def test_more_inputs_than_a_model_could_have_are_refused_by_their_number(model):
    inputs = [{"name": f"x{number}", "datatype": "FP64", "shape": [1], "data": [1.0]} for number in range(1001)]

    assert refusal(model, {"inputs": inputs}) == "it has 1,001 inputs, more than the 1,000 that are read"


@pytest.mark.parametrize(
    ("datatype", "data"),
    [("FP16", [800]), ("FP32", [800.0]), ("FP64", [800]), ("INT16", [800]), ("UINT64", [800]), ("INT64", [[800]])],
    ids=str,
)
def test_a_number_may_be_of_any_type_of_numbers(model, datatype, data):
    shape = [1, 1] if data == [[800]] else [1]

    assert read(model, changed("distance", datatype=datatype, shape=shape, data=data)).numbers["distance"].tolist() == [800]


def test_what_is_missing_is_nan_or_null_or_an_empty_text(model):
    records = [{**RECORD, "delay": None, "carrier": None}] * 3
    batch = read(model, tensors(records, delay={"data": [NAN, None, 1.0]}, carrier={"data": ["", None, "UA"]}))

    assert np.isnan(batch.numbers["delay"]).tolist() == [True, True, False]
    assert batch.categories["carrier"].tolist() == [None, None, "UA"]


def test_what_may_not_be_missing_is_refused_as_null(model):
    records = [RECORD, {**RECORD, "departs": None, "distance": None}]

    assert refusal(model, tensors(records)) == [("records[1].departs", "null"), ("records[1].distance", "null")]


def test_a_number_that_its_type_rounds_to_infinity_is_outside_of_the_range(model):
    assert refusal(model, changed("delay", datatype="FP32", data=[1e300])) == [("records[0].delay", "inf")]


@pytest.mark.parametrize(
    ("zone", "text", "seconds"),
    [
        (None, "2013-05-19T14:15:00", 1368972900),
        (None, " 2013-05-19 ", 1368921600),
        (None, "2013-05-19 14", 1368972000),
        ("UTC", "2013-05-19T16:15:00+02:00", 1368972900),
        ("UTC", "2013-05-19T14:15:00Z", 1368972900),
    ],
)
def test_a_datetime_is_read_as_in_json(make_model, zone, text, seconds):
    columns = [{**column, "time_zone": zone} if column["name"] == "departs" else column for column in COLUMNS]
    model = OnnxModel(artifact.read(make_model(columns=columns)))

    moments = read(model, tensors([{**RECORD, "departs": text}])).datetimes["departs"]

    assert (moments.seconds.tolist(), moments.is_utc) == ([seconds], zone == "UTC")


@pytest.mark.parametrize("text", ["tomorrow", "1368972900", "2013-05-19T14:15:00Z", "2013-13-01T00:00:00", "x" * 5000])
def test_a_datetime_that_json_refuses_is_refused_in_the_same_words(model, text):
    records = [{**RECORD, "departs": text}]
    with pytest.raises(InvalidRecords) as of_json:
        model.records.batch(json.dumps({"records": records}).encode())

    with pytest.raises(InvalidRecords) as of_tensors:
        read(model, tensors(records))

    assert of_tensors.value.field_errors == of_json.value.field_errors


def test_texts_of_one_length_and_of_several_are_read_alike(model):
    for carriers in (["UA", "AA", "B6"], ["UA", "", "LUFTHANSA"], ["Ž", "UA", "AA"], ["x" * 200] * 3, ["", "", ""]):
        body, headers = binary(tensors([{**RECORD, "carrier": carrier} for carrier in carriers]))

        assert read(model, body, headers[HEADER]).categories["carrier"].tolist() == [text or None for text in carriers]


def test_booleans_of_more_than_a_bit_are_refused(make_model):
    spelled = {**COLUMNS[2], "categories": ["True", "False"], "example": "True", "seen": {"categories": ["True", "False"]}}
    model = OnnxModel(artifact.read(make_model(columns=[*COLUMNS[:2], spelled, *COLUMNS[3:]])))
    tensor = {"datatype": "BOOL", "data": None, "parameters": {"binary_data_size": 1}}
    body, headers = joined(tensors([RECORD], season=tensor), b"\x02")

    assert "should hold the bytes 0 and 1; it holds 2" in refusal(model, body, headers[HEADER])


def test_numbers_and_booleans_are_taken_for_categories_that_are_spelled_so(make_model):
    spelled = {**COLUMNS[2], "categories": ["True", "False"], "example": "True", "seen": {"categories": ["True", "False"]}}
    model = OnnxModel(artifact.read(make_model(columns=[*COLUMNS[:2], spelled, *COLUMNS[3:]])))

    batch = read(model, tensors([RECORD] * 2, season={"datatype": "BOOL", "data": [True, False]}))

    assert batch.categories["season"].tolist() == ["True", "False"]
