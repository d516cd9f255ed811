"""The reasons of a prediction are exact Shapley values of its topics, and name its most unusual columns."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import permutations

import numpy as np
import pytest
from onnx import TensorProto, helper

from prediction_api.errors import InvalidModel
from prediction_api.model import artifact
from prediction_api.model.artifact import Column, TrainingRange
from prediction_api.model.onnx_model import OnnxModel
from prediction_api.model.reasons import distance, shapley_values
from serving.conftest import RECORD, TOPICS, TYPICAL, with_topics

UNUSUAL = {"departs": "2013-10-05T18:15:00", "carrier": "AA", "season": "winter", "distance": 2000.0, "delay": 90.0}
TWO = {"departs": "journey", "carrier": "journey", "season": "journey", "distance": "journey", "delay": "delays"}
NUMBER = Column("x", "number", True, True, reference={"edges": [10.0, 15.0, 20.0]})
TEXT, MOMENT = Column("x", "category", True, True), Column("x", "datetime", True, True)


@pytest.fixture
def opened(make_model):
    """A function from the topics of the columns to the model."""
    return lambda topics=TOPICS: OnnxModel(artifact.read(make_model(columns=with_topics(topics))))


def read(model, *records):
    return [model.records.one(json.dumps(record).encode()) for record in records]


def contributions(reasons):
    return {topic["topic"]: topic["contribution"] for topic in reasons["topics"]}


def by_permutations(topics, value):
    """What each topic adds to ``value`` of the topics before it, on average over all orders of the topics."""
    orders = list(permutations(topics))
    added = dict.fromkeys(topics, 0.0)
    for order in orders:
        for place, topic in enumerate(order):
            added[topic] += value(order[: place + 1]) - value(order[:place])
    return {topic: total / len(orders) for topic, total in added.items()}


@pytest.mark.parametrize("topics", [TOPICS, TWO])
def test_contributions_are_the_mean_over_all_orders_in_which_topics_join(opened, topics):
    model = opened(topics)

    def value(joined):
        mixed = {name: (UNUSUAL if topics[name] in joined else TYPICAL)[name] for name in RECORD}
        return float(model.probabilities(model.inputs(read(model, mixed)))[0])

    (reasons,) = model.explainer.explain(read(model, UNUSUAL))

    assert contributions(reasons) == pytest.approx(by_permutations(sorted(set(topics.values())), value), abs=1e-12)
    assert reasons["typical_probability"] == value(())


def test_contributions_add_up_to_the_difference_from_the_typical_case(opened):
    model = opened()
    records = read(model, RECORD, UNUSUAL, {**UNUSUAL, "delay": None, "carrier": None})
    probabilities = model.probabilities(model.inputs(records))

    for reasons, probability in zip(model.explainer.explain(records), probabilities, strict=True):
        total = reasons["typical_probability"] + sum(contributions(reasons).values())
        assert total == pytest.approx(probability, abs=1e-12)


def test_the_largest_contribution_comes_first_of_either_sign(opened):
    model = opened()
    (reasons,) = model.explainer.explain(read(model, {**UNUSUAL, "distance": 10.0}))
    sizes = [abs(contribution) for contribution in contributions(reasons).values()]

    assert sizes == sorted(sizes, reverse=True)
    assert contributions(reasons)["route"] < 0 < contributions(reasons)["delays"]


def test_a_topic_that_moves_nothing_and_the_typical_case_itself_contribute_nothing(opened):
    model = opened()
    unusual, typical = model.explainer.explain(read(model, UNUSUAL, TYPICAL))

    assert contributions(unusual)["season"] == 0
    assert set(contributions(typical).values()) == {0.0}
    assert all(topic["columns"] == [] for topic in typical["topics"])


def test_a_record_has_the_same_reasons_alone_and_in_a_batch_and_in_two_threads(opened):
    model = opened()
    records = read(model, RECORD, UNUSUAL) * 32
    together = model.explainer.explain(records)

    assert [model.explainer.explain([record])[0] for record in records[:2]] == together[:2]
    with ThreadPoolExecutor(2) as pool:
        assert all(reasons == together for reasons in pool.map(model.explainer.explain, [records] * 20))


def test_a_topic_names_its_three_columns_that_are_furthest_from_typical(opened):
    model = opened(TWO)
    (reasons,) = model.explainer.explain(read(model, UNUSUAL))
    columns = {topic["topic"]: topic["columns"] for topic in reasons["topics"]}

    assert [column["name"] for column in columns["journey"]] == ["carrier", "season", "departs"]
    assert columns["delays"] == [
        {"name": "delay", "value": 90.0, "typical": -2.0, "unit": "minutes", "description": "Delay so far"}
    ]


def test_a_model_whose_columns_do_not_all_have_a_topic_gives_no_reasons(make_model):
    assert OnnxModel(artifact.read(make_model())).explainer is None
    one_without = [*with_topics()[:-1], {**with_topics()[-1], "topic": None}]
    assert OnnxModel(artifact.read(make_model(columns=one_without))).explainer is None


def test_a_model_with_a_typical_value_of_another_kind_is_refused(make_model):
    columns = [{**column, "typical": "no number"} for column in with_topics()]

    with pytest.raises(InvalidModel, match=r"schema\.json should have a typical value of each column; .*no number"):
        OnnxModel(artifact.read(make_model(columns=columns)))


def test_a_model_with_nine_topics_is_refused(make_model):
    columns = [
        {
            "name": f"x{n}",
            "kind": "number",
            "required": True,
            "nullable": True,
            "example": 1.0,
            "topic": str(n),
            "typical": 0.0,
        }
        for n in range(9)
    ]
    numbers = [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, 9])]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None])]
    nodes = [
        helper.make_node("ReduceMean", ["numbers"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Sigmoid", ["mean"], ["probability"]),
    ]
    graph = helper.make_graph(nodes, "nine", numbers, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    directory = dataclasses.replace(artifact.read(make_model(columns=columns)), graph=model)

    with pytest.raises(InvalidModel, match=r"schema\.json should have at most 8 topics; it has 9"):
        OnnxModel(directory)


@pytest.mark.parametrize("topics", range(1, 9))
def test_shapley_values_of_a_sum_are_its_parts_and_each_equal_share_of_a_product_is_the_same(topics):
    sets = np.arange(2**topics)[:, None] >> np.arange(topics) & 1
    parts = np.arange(1.0, topics + 1)
    both = shapley_values(np.array([sets @ parts, sets.all(axis=1)], np.float64))

    assert both[0] == pytest.approx(parts)
    assert both[1] == pytest.approx(1 / topics)


@pytest.mark.parametrize(
    ("column", "value", "typical", "expected"),
    [
        (NUMBER, 12.0, 12.0, 0),
        (NUMBER, float(np.float32(0.1)), 0.1, 0),
        (NUMBER, 17.0, 12.0, 0.5),
        (NUMBER, 12.0, None, 1),
        (Column("x", "number", True, True, seen=TrainingRange(minimum=0.0, maximum=4.0)), 2.0, 0.0, 0.5),
        (Column("x", "number", True, True), 2.0, 0.0, 2),
        (TEXT, "UA", "AA", 1),
        (TEXT, "UA", "UA", 0),
        (TEXT, "", None, 0),
        (MOMENT, datetime(2013, 10, 1, 20), datetime(2013, 5, 21, 14), 0.5),
        (MOMENT, datetime(2013, 10, 2, 14), datetime(2013, 5, 21, 14), 1 / 7),
    ],
)
def test_distances_from_typical_can_be_compared_between_columns(column, value, typical, expected):
    assert distance(column, value, typical) == pytest.approx(expected)


def test_a_missing_value_is_named_after_all_others():
    assert 0 < distance(NUMBER, None, 12.0) < distance(NUMBER, 12.001, 12.0)
