"""A model answers records, and says what is unlike its training table."""

import json
import math

from prediction_api import contract
from prediction_api.model import Model


def test_a_record_gets_the_probability_of_the_graph(make_model, record):
    model = Model(contract.read(make_model()))

    (probability,) = model.probabilities(model.inputs([model.records.one(json.dumps(record).encode())]))

    assert math.isclose(probability, 1 / (1 + math.exp(-0.825)), rel_tol=1e-6)
