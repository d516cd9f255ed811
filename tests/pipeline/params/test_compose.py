"""conf/ composes to what DVC would write, and params.yaml is held to it."""

from pathlib import Path

import pytest
import yaml

import in_process
from pipeline.config.params_file import load_card, load_mapping, read_params
from pipeline.params import compose
from pipeline.support.errors import ParamsInvalid, ParamsStale


@pytest.fixture
def conf(tmp_path, values):
    """A configuration of two groups, with two members in one of them."""
    folder = tmp_path / "conf"
    data, model = values.pop("data"), values.pop("model")
    trees = {
        "name": "hgb",
        "_target_": "sklearn.ensemble.HistGradientBoostingClassifier",
        "encoding": "ordinal",
        "learning_rate": 0.1,
        "max_iter": 5,
        "early_stopping": False,
    }
    files = {
        "config": {"defaults": [{"data": "things"}, {"model": "logistic"}, "_self_"], **values},
        "data/things": data,
        "model/logistic": model,
        "model/hgb": trees,
    }
    for name, content in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    return folder


def test_params_yaml_is_what_conf_composes_to():
    compose.check(load_mapping(Path("params.yaml")), compose.compose())


GROUPS = {
    name for one in yaml.safe_load(Path("conf/config.yaml").read_text())["defaults"] for name in one if isinstance(one, dict)
}
MEMBERS = [path for path in sorted(Path("conf").glob("*/*.yaml")) if path.parent.name in GROUPS]


def test_a_folder_of_conf_is_a_group_or_holds_the_texts_of_model_cards():
    assert {path.name for path in Path("conf").iterdir() if path.is_dir()} == GROUPS | {"card"}


@pytest.mark.parametrize("path", sorted(Path("conf/card").iterdir()), ids=str)
def test_a_text_of_a_model_card_belongs_to_a_data_set_and_can_be_read(path):
    assert Path("conf/data", path.name).exists()
    assert load_card(path).purpose


@pytest.mark.parametrize(("group", "member"), [(path.parent.name, path.stem) for path in MEMBERS])
def test_every_member_of_every_group_composes(group, member):
    assert read_params(compose.compose(overrides=[f"{group}={member}"]))


def test_groups_become_blocks(conf):
    composed = compose.compose(conf)

    assert (composed["model"]["name"], composed["model"]["C"]) == ("logistic", 1.0)
    assert composed["data"]["name"] == "things"


def test_an_override_chooses_the_member_and_the_value(conf):
    composed = compose.compose(conf, ["model=hgb", "model.max_iter=7", "train.seed=9"])

    assert (composed["model"]["name"], composed["model"]["max_iter"], composed["train"]["seed"]) == ("hgb", 7, 9)


def test_a_reference_is_replaced_by_its_value(conf):
    path = conf / "data" / "things.yaml"
    content = yaml.safe_load(path.read_text())
    content["tables"]["table"]["file"] = "${data.source.path}"
    path.write_text(yaml.safe_dump(content))

    assert compose.compose(conf)["data"]["tables"]["table"]["file"] == "things.csv"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model=svm", "Could not find 'model/svm'"),
        ("train.sed=1", r"Could not override 'train\.sed'"),
        ("+train.sed=1", r"train\.sed is not a setting \(did you mean seed\?\)"),
        ("train.seed=x", r"train\.seed is 'x'"),
        ("+model.max_itr=1", r"model\.max_itr is not a setting \(did you mean max_iter\?\)"),
        (
            "model.max_iter=-1",
            r"model\.max_iter is -1; the 'max_iter' parameter of LogisticRegression must be an int in the range",
        ),
        ("data.source.path=${nothing.here}", r"conf/ with data\.source\.path=.* does not compose: .*nothing"),
    ],
)
def test_a_faulty_override_is_refused_by_its_name(conf, override, words):
    with pytest.raises(ParamsInvalid, match=words):
        compose.compose(conf, [override])


def test_a_folder_without_configuration_is_refused(tmp_path):
    with pytest.raises(ParamsInvalid, match="conf/ does not compose"):
        compose.compose(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "better"),
    [*((name, name) for name in ("2024", "1.5", "true", "null", "1e5")), ("ä", "a"), ("数", "1"), ("a,b", "ab")],
)
def test_a_file_whose_name_is_no_text_to_hydra_is_refused_with_another_name(conf, name, better, monkeypatch):
    (conf / f"data/{name}.yaml").write_text(f'name: "{name}"\n')
    monkeypatch.setattr(compose, "CONF", conf)

    for composed in (lambda: compose.compose(conf), lambda: compose.grid([f"data={name}"])):
        with pytest.raises(ParamsInvalid, match=rf"takes the name {name} for no text\. Call the file table_{better}\.yaml"):
            composed()


def test_the_environment_does_not_get_into_the_settings(conf):
    (conf / "model" / "mine.yaml").write_text("name: ${oc.env:HOME}\n")

    with pytest.raises(ParamsInvalid, match=r"mine\.yaml: name is '\$\{oc\.env:HOME\}'"):
        compose.compose(conf)


def test_what_is_written_is_read_back_in_the_same_order(conf, tmp_path):
    composed = compose.compose(conf)
    path = tmp_path / "params.yaml"
    compose.write(composed, path)
    found = load_mapping(path)

    assert found == composed
    assert [*found] == [*composed]


def test_other_letters_are_written_as_they_are(tmp_path):
    compose.write({"unit": "°F"}, tmp_path / "params.yaml")

    assert (tmp_path / "params.yaml").read_text(encoding="utf-8") == "unit: °F\n"


def test_a_difference_is_named_with_its_group_and_both_values():
    with pytest.raises(ParamsStale, match=r"params\.yaml is not what conf/ composes to; changed: train\.\n") as stale:
        compose.check({"train": {"seed": 1}}, {"train": {"seed": 2}})

    assert "\n  train.seed: params.yaml has 1, conf/ has 2\n" in str(stale.value)
    assert "Type `make params`" in str(stale.value)


def test_a_key_on_one_side_alone_is_a_difference():
    with pytest.raises(ParamsStale, match=r"changed: train, model\.") as stale:
        compose.check({"model": {"name": "x"}, "train": {}}, {"train": {"seed": 2}, "model": {}})

    assert "model.name: params.yaml has x, conf/ has nothing" in str(stale.value)
    assert "train.seed: params.yaml has nothing, conf/ has 2" in str(stale.value)


def test_many_differences_are_counted_after_the_first_six():
    with pytest.raises(ParamsStale, match="\n  and 4 more\n") as stale:
        compose.check({"a": dict.fromkeys("bcdefghijk", 1)}, {"a": dict.fromkeys("bcdefghijk", 2)})

    assert str(stale.value).count("params.yaml has") == 6


def test_the_order_of_keys_is_no_difference():
    compose.check({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_a_source_that_is_not_there_is_named_before_dvc_misses_it(conf):
    for arguments in ([], ["--check"]):
        done = in_process.run("params.compose", *arguments, folder=conf.parent)

        assert done.returncode == 0, done.stderr
        assert "warning: data.source.path is things.csv, which is not there (DVC says [Errno 2])" in done.stderr
