"""The contributions of topics are exact Shapley values: they agree with every order tried in turn, and add up."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from conftest import COLUMNS
from pipeline.data import model_inputs
from pipeline.evaluation import topic_contributions

TYPICAL = {"size": 1.5, "weight": None, "colour": "red", "moment": "2013-05-19T14:15:00"}
KINDS = {name: column.kind for name, column in COLUMNS.items()}
ALONE = {name: name for name in COLUMNS}
TWO = {"size": "measures", "weight": "measures", "colour": "looks", "moment": "looks"}


def described(topics):
    return [{"name": name, "kind": KINDS[name], "topic": topics[name], "typical": TYPICAL[name]} for name in COLUMNS]


def predict(arrays):
    """A model in which every column matters, and what a column adds depends on the others."""
    numbers = np.nan_to_num(arrays["numbers"].astype(float), nan=-1.0)
    is_red = (arrays["categories"][:, 0] == "red").astype(float)
    hour = arrays["datetimes"][:, 0] % 86_400 / 3600
    return 1 / (1 + np.exp(numbers[:, 0] * is_red - numbers[:, 1] / 10 + np.nan_to_num(hour) * numbers[:, 0] / 24))


def packed(rows):
    return model_inputs.to_arrays(model_inputs.pack(rows, COLUMNS), COLUMNS)


@pytest.fixture
def few(rows):
    return rows[list(COLUMNS)].head(30).reset_index(drop=True).astype({"size": "float32", "weight": "float32"})


def typical_frame(few):
    typical = {name: [pd.Timestamp(value) if KINDS[name] == "datetime" else value] for name, value in TYPICAL.items()}
    return pd.concat([pd.DataFrame(typical).astype(few.dtypes.to_dict())] * len(few), ignore_index=True)


@pytest.mark.parametrize("topics", [ALONE, TWO])
def test_contributions_are_the_mean_over_all_orders_in_which_topics_join(few, topics):
    typical, names = typical_frame(few), sorted(set(topics.values()))
    orders = list(permutations(names))
    expected = pd.DataFrame(0.0, index=few.index, columns=names)
    for order in orders:
        mixed = typical.copy()
        for topic in order:
            before = predict(packed(mixed))
            for column in (name for name in COLUMNS if topics[name] == topic):
                mixed[column] = few[column]
            expected[topic] += (predict(packed(mixed)) - before) / len(orders)

    result = topic_contributions.contributions(predict, packed(few), described(topics))

    pd.testing.assert_frame_equal(result[names], expected, atol=1e-12, rtol=0)


def test_contributions_add_up_to_the_difference_from_the_typical_case(few):
    result = topic_contributions.contributions(predict, packed(few), described(ALONE))

    difference = predict(packed(few)) - predict(packed(typical_frame(few)))
    assert result.sum(axis=1).to_numpy() == pytest.approx(difference, abs=1e-12)


def test_one_topic_contributes_the_whole_difference_in_two_predictions(few):
    calls = []
    topics = dict.fromkeys(COLUMNS, "all")
    result = topic_contributions.contributions(predict, packed(few), described(topics), lambda: calls.append(1))

    assert result.columns.tolist() == ["all"]
    assert len(calls) == topic_contributions.count_sets(described(topics)) == 2


def test_the_mean_counts_either_sign_and_the_largest_comes_first():
    table = pd.DataFrame({"b": [0.1, -0.3], "a": [0.2, 0.2], "c": [-0.5, 0.5]})
    means = topic_contributions.mean_absolute(table)

    assert means["topic"].tolist() == ["c", "a", "b"]
    assert means["mean_absolute_contribution"].tolist() == [0.5, 0.2, 0.2]
