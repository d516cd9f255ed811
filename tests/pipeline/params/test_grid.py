"""A search is every combination of its overrides, in the order of Hydra's own sweeper."""

import pytest

from pipeline.params import compose
from pipeline.support.errors import ParamsInvalid


def points(*overrides):
    return list(compose.grid(overrides))


def test_every_combination_is_a_point():
    assert points("model=hgb", "model.max_leaf_nodes=choice(15,31)", "model.l2_regularization=1.0,5.0") == [
        ("model=hgb", "model.max_leaf_nodes=15", "model.l2_regularization=1.0"),
        ("model=hgb", "model.max_leaf_nodes=15", "model.l2_regularization=5.0"),
        ("model=hgb", "model.max_leaf_nodes=31", "model.l2_regularization=1.0"),
        ("model=hgb", "model.max_leaf_nodes=31", "model.l2_regularization=5.0"),
    ]


def test_a_point_has_its_parameters_by_full_key():
    (values,) = compose.grid(["model=logistic", "model.C=0.5"]).values()

    assert (values["model.name"], values["model.C"]) == ("logistic", 0.5)
    assert "model.max_leaf_nodes" not in values


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.l2_regularization=interval(1,5)", r"INTERVAL_SWEEP"),
        ("model=glob(*)", r"Glob override"),
        ("model.max_leaf_nodes==15", r"extraneous input"),
        ("model.l2_regularization=choice(0.1,", r"no viable alternative"),
    ],
)
def test_what_names_no_values_is_refused(override, said):
    with pytest.raises(
        ParamsInvalid, match=rf"A search takes overrides such as .* without spaces; .*{said}.*\. Correct it\.$"
    ):
        points("model=hgb", override)


@pytest.mark.parametrize("override", ["model.max_iter=choice(5,0)", "model.max_itr=choice(5,6)", "=15"])
def test_one_faulty_point_refuses_the_search(override):
    with pytest.raises(ParamsInvalid):
        points("model=hgb", override)
