"""A model answers records, and says what is unlike its training table."""

import dataclasses
import json
import math
from datetime import UTC, datetime

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from prediction_api.errors import InvalidModel
from prediction_api.model import artifact
from prediction_api.model.onnx_model import OnnxModel
from prediction_api.model.training_table import seconds

NUMBER = {"name": "size", "kind": "number", "required": True, "nullable": True, "example": 2.0}
TEXT = {"name": "colour", "kind": "category", "required": True, "nullable": True, "example": "red"}
MOMENT = {"name": "moment", "kind": "datetime", "required": True, "nullable": True, "example": "1970-01-01T00:00:02"}
KINDS = {
    "number": ("numbers", TensorProto.FLOAT),
    "category": ("categories", TensorProto.STRING),
    "datetime": ("datetimes", TensorProto.DOUBLE),
}


@pytest.fixture
def model(make_model):
    return OnnxModel(artifact.read(make_model()))


@pytest.fixture
def parsed(model, record):
    """A function that gives the record as the service reads it, with changes."""
    return lambda **changes: model.records.one(json.dumps({**record, **changes}).encode())


@pytest.fixture
def make_contract(make_model):
    """A function from a graph and the columns of its schema to the contract of the two."""
    return lambda graph, *columns: dataclasses.replace(artifact.read(make_model(columns=list(columns))), graph=graph)


def graph(nodes, inputs=(("numbers", TensorProto.FLOAT, [None, 1]),), output=("probability", TensorProto.FLOAT, [None])):
    constants = [
        helper.make_tensor("second", TensorProto.INT64, [1], [1]),
        helper.make_tensor("first", TensorProto.INT64, [1], [0]),
    ]
    taken = [helper.make_tensor_value_info(*one) for one in inputs]
    built = helper.make_graph(nodes, "other", taken, [helper.make_tensor_value_info(*output)], constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(built, opset_imports=opsets, ir_version=8).SerializeToString()


def node(kind, taken, given, **attributes):
    return helper.make_node(kind, taken, [given], **attributes)


def sigmoid_of_one(kind):
    """A graph that takes one column of a kind: sigmoid of the value, or of 1 for the text red."""
    name, number = KINDS[kind]
    as_float = {
        "number": node("Identity", [name], "value"),
        "category": node(
            "LabelEncoder",
            [name],
            "value",
            domain="ai.onnx.ml",
            keys_strings=["red"],
            values_floats=[1.0],
            default_float=0.0,
        ),
        "datetime": node("Cast", [name], "value", to=TensorProto.FLOAT),
    }[kind]
    nodes = [as_float, node("Squeeze", ["value", "second"], "flat"), node("Sigmoid", ["flat"], "probability")]
    return graph(nodes, [(name, number, [None, 1])])


def test_a_record_gets_the_probability_of_the_graph(make_model, record):
    model = OnnxModel(artifact.read(make_model()))

    (probability,) = model.probabilities(model.inputs([model.records.one(json.dumps(record).encode())]))

    assert math.isclose(probability, 1 / (1 + math.exp(-0.825)), rel_tol=1e-6)


def test_records_get_their_probabilities_in_their_order(model, parsed):
    found = model.probabilities(model.inputs([parsed(), parsed(carrier="AA"), parsed(distance=10)]))

    assert found.dtype == np.float64
    assert found.tolist() == pytest.approx([1 / (1 + math.exp(-score)) for score in (0.825, 1.825, 0.035)], rel=1e-6)


def test_records_are_packed_by_kind_in_the_order_of_the_schema(model, parsed):
    packed = model.inputs([parsed(), parsed(carrier="AA", season="winter", distance=10, delay=-1)])

    assert {name: values.dtype for name, values in packed.items()} == {
        "numbers": np.float32,
        "categories": object,
        "datetimes": np.float64,
    }
    assert packed["numbers"].tolist() == [[800.0, 2.5], [10.0, -1.0]]
    assert packed["categories"].tolist() == [["UA", "summer"], ["AA", "winter"]]
    assert packed["datetimes"].tolist() == [[1368972900.0], [1368972900.0]]


def test_null_is_packed_as_nan_or_as_the_empty_text(model, parsed):
    packed = model.inputs([parsed(delay=None, carrier=None, season=None)])

    assert packed["numbers"][0, 0] == 800
    assert np.isnan(packed["numbers"][0, 1])
    assert packed["categories"].tolist() == [["", ""]]


def test_a_null_datetime_is_packed_as_nan(make_contract):
    model = OnnxModel(make_contract(sigmoid_of_one("datetime"), MOMENT))

    assert np.isnan(model.inputs([{"moment": None}])["datetimes"]).tolist() == [[True]]


def test_an_optional_field_left_out_is_packed_as_null(model, record):
    del record["season"]

    packed = model.inputs([model.records.one(json.dumps(record).encode())])

    assert packed["categories"].tolist() == [["UA", ""]]


def test_packing_does_not_change_the_record(model, record):
    del record["season"]
    one = model.records.one(json.dumps(record).encode())

    model.inputs([one])

    assert "season" not in one


def test_the_null_of_a_number_counts_as_the_graph_says(model, parsed):
    (probability,) = model.probabilities(model.inputs([parsed(delay=None)]))

    assert probability == pytest.approx(1 / (1 + math.exp(-0.8)), rel=1e-6)


def test_a_record_like_the_training_table_gets_no_warning(model, parsed):
    assert model.warnings(model.inputs([parsed(), parsed(distance=80, delay=-20), parsed(distance=4983, delay=300)])) == {}


def test_an_unseen_category_gets_a_warning_by_name(model, parsed):
    found = model.warnings(model.inputs([parsed(), parsed(carrier="ZZ")]))

    detail = "'ZZ' was not in the training table"
    assert found == {1: [{"field": "carrier", "kind": "unseen_category", "detail": detail}]}


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("distance", 79, "79 is outside the 80 to 4983 of the training table"),
        ("distance", 4984, "4984 is outside the 80 to 4983 of the training table"),
        ("delay", -20.5, "-20.5 is outside the -20 to 300 of the training table"),
    ],
)
def test_a_number_outside_the_training_range_gets_a_warning_by_name(model, parsed, field, value, detail):
    found = model.warnings(model.inputs([parsed(**{field: value})]))

    assert found == {0: [{"field": field, "kind": "outside_training_range", "detail": detail}]}


def test_one_record_may_get_several_warnings(model, parsed):
    found = model.warnings(model.inputs([parsed(carrier="ZZ", distance=10, delay=301)]))

    assert [(one["field"], one["kind"]) for one in found[0]] == [
        ("distance", "outside_training_range"),
        ("delay", "outside_training_range"),
        ("carrier", "unseen_category"),
    ]


def test_null_gets_no_warning(model, parsed):
    assert model.warnings(model.inputs([parsed(carrier=None, season=None, delay=None)])) == {}


def test_without_experience_there_are_no_warnings(make_contract):
    model = OnnxModel(make_contract(sigmoid_of_one("number"), NUMBER))

    assert model.warnings(model.inputs([{"size": -1e30}, {"size": 1e30}])) == {}


@pytest.mark.parametrize(
    ("kind", "column", "values", "scores"),
    [
        ("number", NUMBER, [0.5, -1], [0.5, -1]),
        ("category", TEXT, ["red", None], [1, 0]),
        ("datetime", MOMENT, [datetime(1970, 1, 1, 0, 0, 1), datetime(1969, 12, 31, 23, 59, 58)], [1, -2]),
    ],
)
def test_a_schema_may_hold_columns_of_one_kind_only(make_contract, kind, column, values, scores):
    model = OnnxModel(make_contract(sigmoid_of_one(kind), column))
    packed = model.inputs([{column["name"]: value} for value in values])

    assert set(packed) == {KINDS[kind][0]}
    assert model.probabilities(packed).tolist() == pytest.approx([1 / (1 + math.exp(-one)) for one in scores], rel=1e-6)
    assert model.warnings(packed) == {}


def test_the_example_is_a_record_as_the_service_reads_it(model, parsed):
    assert model.example() == parsed()


def test_an_example_that_the_schema_lacks_is_null(make_contract):
    assert OnnxModel(make_contract(sigmoid_of_one("category"), {**TEXT, "example": None})).example() == {"colour": None}


def test_an_example_that_its_column_cannot_hold_is_refused(make_contract):
    with pytest.raises(
        InvalidModel, match="for the schema's own example; it failed: could not convert string to float: 'far'"
    ):
        OnnxModel(make_contract(sigmoid_of_one("number"), {**NUMBER, "example": "far"}))


def test_the_model_carries_name_version_and_threshold_of_its_directory(make_model):
    read = artifact.read(make_model(threshold=0.25))
    model = OnnxModel(read)

    assert (model.name, model.version, model.threshold) == ("tiny", read.version, 0.25)


@pytest.mark.parametrize("content", [b"", b"garbage", onnx.ModelProto().SerializeToString()])
def test_what_is_no_graph_is_refused(make_contract, content):
    with pytest.raises(InvalidModel, match=r"model\.onnx is no graph that ONNX Runtime [\d.]+ opens"):
        OnnxModel(make_contract(content, NUMBER))


WIDE = ("probability", TensorProto.FLOAT, [None, 3])
SIGMOID = [node("Squeeze", ["numbers", "second"], "flat"), node("Sigmoid", ["flat"], "probability")]


@pytest.mark.parametrize(
    ("foreign", "found"),
    [
        (sigmoid_of_one("category"), "it takes {'categories': 1} and gives probability"),
        (
            graph([node("Sigmoid", ["numbers"], "probability")], [("numbers", TensorProto.FLOAT, [None, 3])], WIDE),
            "it takes {'numbers': 3} and gives probability",
        ),
        (
            graph(SIGMOID, [("numbers", TensorProto.FLOAT, [None, 1]), ("more", TensorProto.FLOAT, [None, 1])]),
            "it takes {'numbers': 1, 'more': 1} and gives probability",
        ),
        (
            graph([node("Sigmoid", ["numbers"], "score")], output=("score", TensorProto.FLOAT, [None, 1])),
            "it takes {'numbers': 1} and gives score",
        ),
    ],
)
def test_a_graph_of_another_schema_is_refused_with_what_it_takes_and_gives(make_contract, foreign, found):
    with pytest.raises(InvalidModel, match=f"should take {{'numbers': 1}} and give probability; {found}"):
        OnnxModel(make_contract(foreign, NUMBER))


def test_a_graph_that_takes_a_single_value_is_refused(make_contract):
    single = graph(
        [node("Sigmoid", ["numbers"], "probability")],
        [("numbers", TensorProto.FLOAT, [])],
        ("probability", TensorProto.FLOAT, []),
    )

    with pytest.raises(InvalidModel, match=r"should take \{'numbers': 1\}"):
        OnnxModel(make_contract(single, NUMBER))


def test_a_graph_that_takes_numbers_of_another_type_is_refused(make_contract):
    doubles = graph(SIGMOID, [("numbers", TensorProto.DOUBLE, [None, 1])], ("probability", TensorProto.DOUBLE, [None]))

    with pytest.raises(InvalidModel, match=r"it failed: .*Unexpected input data type"):
        OnnxModel(make_contract(doubles, NUMBER))


@pytest.mark.parametrize(
    ("nodes", "value"),
    [
        ([node("Squeeze", ["numbers", "second"], "probability")], "2.0"),
        ([node("Neg", ["numbers"], "less"), node("Squeeze", ["less", "second"], "probability")], "-2.0"),
        (
            [
                node("Squeeze", ["numbers", "second"], "flat"),
                node("Sub", ["flat", "flat"], "zero"),
                node("Div", ["zero", "zero"], "probability"),
            ],
            "nan",
        ),
    ],
)
def test_an_answer_that_is_no_probability_is_refused_with_its_value(make_contract, nodes, value):
    with pytest.raises(InvalidModel, match=f"should give a probability; for the schema's own example it gives {value}"):
        OnnxModel(make_contract(graph(nodes), NUMBER))


@pytest.mark.parametrize(
    ("nodes", "shape"),
    [
        ([node("Sigmoid", ["numbers"], "probability")], [None, 1]),
        ([node("Concat", ["numbers", "numbers"], "two", axis=1), node("Sigmoid", ["two"], "probability")], [None, 2]),
        ([node("Sigmoid", ["numbers"], "two"), node("Squeeze", ["two"], "probability")], []),
    ],
    ids=["a column", "two columns", "a scalar"],
)
def test_an_answer_of_another_shape_than_one_number_a_row_is_refused(make_contract, nodes, shape):
    with pytest.raises(InvalidModel, match=r"model\.onnx should give"):
        OnnxModel(make_contract(graph(nodes, output=("probability", TensorProto.FLOAT, shape)), NUMBER))


def test_a_graph_that_gives_one_probability_for_all_rows_is_refused(make_contract):
    nodes = [node("ReduceMean", ["numbers"], "mean", axes=[0]), node("Sigmoid", ["mean"], "probability")]

    with pytest.raises(InvalidModel, match=r"model\.onnx should give"):
        OnnxModel(make_contract(graph(nodes, output=("probability", TensorProto.FLOAT, [1])), NUMBER))


@pytest.mark.parametrize(
    ("value", "since"),
    [
        (datetime(1970, 1, 1), 0.0),
        (datetime(2013, 5, 19, 14, 15), 1368972900.0),
        (datetime(1969, 12, 31, 23, 59, 59), -1.0),
        (datetime(1970, 1, 1, 0, 0, 1, 999_999), 1.0),
        (datetime(1969, 12, 31, 23, 59, 59, 500_000), -1.0),
    ],
)
def test_seconds_are_whole_and_count_from_1970_on_the_values_own_clock(value, since):
    assert seconds(value) == since


def test_no_datetime_is_nan_seconds():
    assert math.isnan(seconds(None))


def test_seconds_of_every_datetime_that_a_record_may_hold_are_exact():
    for value in (datetime.min, datetime.max.replace(microsecond=0)):
        assert seconds(value) == value.replace(tzinfo=UTC).timestamp()
