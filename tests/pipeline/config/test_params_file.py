"""params.yaml is read whole or refused, and conf/ may not bind it to a machine."""

import pytest
import yaml

from pipeline.config.params_file import check_conf, load_card, load_mapping, load_params, read_params
from pipeline.config.settings import Card
from pipeline.support.errors import ParamsInvalid


@pytest.fixture
def conf(tmp_path):
    folder = tmp_path / "conf"
    folder.mkdir()
    return folder


def test_settings_are_read_from_the_file(tmp_path, conf, values):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))

    assert load_params(path, conf) == read_params(values)


def test_a_faulty_file_is_refused_by_key(tmp_path, conf, values):
    path = tmp_path / "params.yaml"
    values["train"]["seed"] = "x"
    path.write_text(yaml.safe_dump(values))

    with pytest.raises(ParamsInvalid, match=r"train\.seed is 'x'"):
        load_params(path, conf)


def test_a_missing_file_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(ParamsInvalid, match=r"params\.yaml should hold the settings; it is not there. Type `make params`"):
        load_mapping(tmp_path / "params.yaml")


def test_a_model_card_needs_no_text(tmp_path):
    assert load_card(tmp_path / "things.yaml") == Card()


def test_the_texts_of_a_model_card_are_read_as_they_stand(tmp_path):
    path = tmp_path / "things.yaml"
    path.write_text("purpose: Says it.\nlimits: [One year.]\n")

    assert load_card(path) == Card(purpose="Says it.", limits=("One year.",))


def test_a_faulty_text_of_a_model_card_is_refused_by_file_and_key(tmp_path):
    path = tmp_path / "things.yaml"
    path.write_text("limit: [One year.]\nuses: none\n")

    with pytest.raises(
        ParamsInvalid, match=r"things\.yaml .*uses is 'none'.*; limit is not a setting \(did you mean limits\?\)"
    ):
        load_card(path)


@pytest.mark.parametrize(("text", "kind"), [("", "nothing"), ("- 1\n- 2\n", "list"), ("seed\n", "str")])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, kind):
    path = tmp_path / "params.yaml"
    path.write_text(text)

    with pytest.raises(ParamsInvalid, match=f"should hold `key: value` lines; it holds {kind}"):
        load_mapping(path)


def test_a_file_that_is_no_yaml_is_refused_in_one_line(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("train: {seed: 1\nmodel: [")

    with pytest.raises(ParamsInvalid, match=r"params\.yaml should be YAML; while parsing") as refused:
        load_mapping(path)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"train: \xff\xfe")

    with pytest.raises(ParamsInvalid, match=r"params\.yaml should be YAML"):
        load_mapping(path)


@pytest.mark.parametrize(
    ("text", "resolver"),
    [
        ("${oc.env:HOME}", "oc.env"),
        ("at ${now:%Y}", "now"),
        ("${hydra:runtime.cwd}", "hydra"),
        ("${oc.decode:${oc.env:SEED}}", "oc.env"),
        ("${ oc.env : HOME}", "oc.env"),
    ],
)
def test_a_value_of_this_machine_is_refused_by_file_and_key(conf, text, resolver):
    (conf / "data").mkdir()
    (conf / "data" / "mine.yaml").write_text(yaml.safe_dump({"source": {"path": text}}))

    with pytest.raises(ParamsInvalid, match=rf"mine\.yaml: source\.path is .*\${{{resolver}:}} would write this machine"):
        check_conf(conf)


def test_a_value_of_this_machine_is_found_in_a_list(conf):
    (conf / "config.yaml").write_text("slices: [a, '${oc.env:HOME}']\n")

    with pytest.raises(ParamsInvalid, match=r"slices\[1\] is"):
        check_conf(conf)


@pytest.mark.parametrize("text", ["${data.source.path}", "${oc.select:model.name,hgb}", "12:30"])
def test_references_and_resolvers_of_the_same_value_everywhere_pass(conf, text):
    (conf / "config.yaml").write_text(yaml.safe_dump({"path": text}))

    check_conf(conf)


def test_a_file_that_calls_itself_otherwise_is_refused(conf):
    (conf / "data").mkdir()
    (conf / "data" / "mine.yaml").write_text("name: table\n")

    with pytest.raises(ParamsInvalid, match=r"mine\.yaml: name is 'table'; it should be mine, as the file is called"):
        check_conf(conf)


def test_loading_looks_at_conf_too(tmp_path, conf, values):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    (conf / "config.yaml").write_text("seed: ${oc.env:SEED}\n")

    with pytest.raises(ParamsInvalid, match="secrets belong elsewhere"):
        load_params(path, conf)
