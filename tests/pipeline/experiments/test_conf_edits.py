"""To keep a point of a search a person writes what was turned, and nothing of what a group brought along."""

from pipeline.config.params_file import CONF, load_mapping
from pipeline.experiments import conf_edits

GROUPS = {"data": "flights", "model": "hgb"}
COMMITTED = {"data.name": "flights", "model.name": "hgb", "model.leaves": 31, "train.seed": 13, "data.slices[0]": "month"}


def kept(*point, **chosen):
    return list(conf_edits.lines(point, GROUPS, COMMITTED, {**COMMITTED, **chosen}))


def test_a_group_is_one_line_however_many_keys_it_brings():
    many = {f"data.tables.t.columns.c{number}.kind": "number" for number in range(300)}

    assert kept("data=table", "model=hgb", **many) == ["data: table in the defaults of conf/config.yaml    (was flights)"]


def test_a_key_has_its_value_and_what_it_was():
    assert kept("model.leaves=15", "+model.depth=3", **{"model.leaves": 15, "model.depth": 3}) == [
        "model.leaves: 15    (was 31)",
        "model.depth: 3    (was nothing)",
    ]


def test_what_is_committed_already_is_left_out():
    assert kept("model=hgb", "train.seed=13") == []


def test_lists_and_keys_that_were_taken_away_are_named():
    assert kept("data.slices=[month,day]", "~data.resample_by") == ["data.slices: [month,day]", "without data.resample_by"]


def test_the_committed_choice_of_each_group_is_read_from_conf():
    found = conf_edits.choices(load_mapping(CONF / "config.yaml"))

    assert set(found) == {path.name for path in CONF.iterdir() if path.is_dir()} - {"card"}
    assert all((CONF / group / f"{choice}.yaml").is_file() for group, choice in found.items())
