"""Rows whose probabilities are distinct, tied, or all the same."""

import numpy as np
import pytest


@pytest.fixture(params=["distinct", "tied", "one value"])
def cases(request):
    """Truth and probability of 500 rows."""
    random = np.random.default_rng(11)
    probability = random.uniform(0.01, 0.99, 500)
    probability = {"distinct": probability, "tied": probability.round(1) * 0.9 + 0.05, "one value": np.full(500, 0.4)}
    chosen = probability[request.param]
    return (random.random(500) < chosen).astype(int), chosen
