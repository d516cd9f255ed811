"""A search is every combination of its overrides, in the order of Hydra's own sweeper."""

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from pipeline.config.params_file import CONF, load_mapping
from pipeline.experiments import grid, sweep_settings
from pipeline.params import compose
from pipeline.support.errors import ParamsInvalid


@pytest.fixture
def values():
    return load_mapping(CONF / "sweep.yaml")


def test_every_combination_is_a_point():
    assert grid.points(["model=hgb", "model.leaves=choice(15,31)", "model.l2=choice(1.0,5.0)"]) == [
        ("model=hgb", "model.leaves=15", "model.l2=1.0"),
        ("model=hgb", "model.leaves=15", "model.l2=5.0"),
        ("model=hgb", "model.leaves=31", "model.l2=1.0"),
        ("model=hgb", "model.leaves=31", "model.l2=5.0"),
    ]


@pytest.mark.parametrize(
    "overrides",
    [["a=1,2", "b=range(1,4)"], ["a=choice(x,'y z')", "+b=1"], ["a=sort(3,1,2)"], ["a=[1,2]"], ["~a", "b=null"]],
    ids=" ".join,
)
def test_points_are_those_of_hydra(overrides):
    parsed = OverridesParser.create().parse_overrides(overrides)

    assert grid.points(overrides) == [tuple(point) for point in BasicSweeper.split_arguments(parsed, None)[0]]


@pytest.mark.parametrize("override", ["model.l2=interval(1,5)", "model=glob(*)"])
def test_values_that_are_not_named_are_refused(override):
    with pytest.raises(ParamsInvalid, match=r"A sweep tries values that are named; model.* names none\. Write model"):
        grid.points([override])


def test_what_is_no_override_is_refused():
    with pytest.raises(ParamsInvalid, match=r"A sweep takes overrides such as .*; .*=15.*\. Correct it\.$"):
        grid.points(["model.leaves==15", "=15"])


def test_a_search_that_a_space_cut_in_two_is_said_to_be():
    with pytest.raises(
        ParamsInvalid, match=r"; a=choice\(0\.1, lacks half of a bracket\. A space divides words: write it with"
    ):
        grid.points(["model=logistic", "a=choice(0.1,", "1)"])


def test_the_committed_search_has_at_least_twelve_points_beside_the_committed_one(values):
    found = sweep_settings.read(values)
    points = grid.points(found.overrides)
    composed = [compose.compose(overrides=point) for point in points]

    assert len([one for one in composed if one != compose.compose()]) >= 12
    assert found.at_once == 2


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("metric", "accuracy", r"metric is 'accuracy'"),
        ("at_once", 0, r"at_once is 0"),
        ("overrides", [], r"overrides is \[\]"),
        ("override", ["a=1"], r"override is not a setting"),
    ],
)
def test_a_faulty_search_is_refused_by_key_and_file(values, key, value, said):
    values[key] = value

    with pytest.raises(ParamsInvalid, match=rf"^conf/sweep\.yaml does not hold .*{said}.*Correct it there\.$"):
        sweep_settings.read(values)
