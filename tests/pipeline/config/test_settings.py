"""Settings are closed: what is unknown, missing, of another type or out of range is refused by its full key."""

import dataclasses
import datetime
import json

import pytest

from pipeline.config.params_file import read_params
from pipeline.config.parsing import dump_settings, parse_settings
from pipeline.config.settings import Column, Dataset, Model, RandomSplit, TimeSplit
from pipeline.recipes import table
from pipeline.support.errors import ParamsInvalid


def changed(values, key, value):
    *path, last = key.split(".")
    place = values
    for part in path:
        place = place[part]
    place[last] = value
    return values


def removed(values, key):
    *path, last = key.split(".")
    place = values
    for part in path:
        place = place[part]
    del place[last]
    return values


def test_a_whole_mapping_becomes_typed_settings(values):
    settings = read_params(values)

    assert settings.model == Model(
        "logistic", "sklearn.linear_model.LogisticRegression", "one_hot", {"C": 1.0, "max_iter": 100}
    )
    assert settings.data.split == RandomSplit("random", test_share=0.25, seed=1, stratify=True)
    assert settings.data.columns == {"size": Column("number", range=(0.0, None))}


def test_the_mapping_is_left_as_it_was(values):
    values["data"]["horizon_hours"] = 2
    read_params(values)

    assert "options" not in values["data"]
    assert values["data"]["horizon_hours"] == 2


def test_settings_are_frozen(values):
    settings = read_params(values)

    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.train.seed = 2


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("train.sed", "seed"),
        ("data.source.pth", "path"),
        ("data.split.test_shar", "test_share"),
        ("data.columns.size.knd", "kind"),
        ("data.tables.table.fil", "file"),
    ],
)
def test_an_unknown_key_is_refused_by_its_full_name_beside_the_nearest_known_one(values, key, near):
    with pytest.raises(ParamsInvalid, match=rf" {key} is not a setting \(did you mean {near}\?\)"):
        read_params(changed(values, key, 1))


def test_an_unknown_block_is_refused(values):
    with pytest.raises(ParamsInvalid, match=r": serving is not a setting\."):
        read_params({**values, "serving": {}})


@pytest.mark.parametrize(
    "key", ["train.seed", "evaluate", "model._target_", "model.encoding", "data.target.name", "data.columns.size.kind"]
)
def test_a_missing_key_is_named_in_full(values, key):
    with pytest.raises(ParamsInvalid, match=rf" {key} is missing"):
        read_params(removed(values, key))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("train.seed", "x", "train.seed is 'x'; input should be a valid integer"),
        ("train.seed", True, "train.seed is True; input should be a valid integer"),
        ("train.seed", 1.5, "train.seed is 1.5"),
        ("train.seed", -1, "train.seed is -1; input should be greater than or equal to 0"),
        ("train.folds", 1, "train.folds is 1; input should be greater than or equal to 2"),
        ("evaluate.confidence", "0.9", "evaluate.confidence is '0.9'; input should be a valid number"),
        ("evaluate.confidence", 95, "evaluate.confidence is 95; input should be less than 1"),
        ("evaluate.resamples", 5, "evaluate.resamples is 5; input should be greater than or equal to 20"),
        ("preprocess.invalid_rows_allowed", -1, "preprocess.invalid_rows_allowed is -1"),
        ("data.slices", "size", "data.slices is 'size'; input should be a valid array"),
        ("data.columns.size.kind", "text", "data.columns.size.kind is 'text'; input should be 'number', 'category' or"),
        ("data.columns.size.range", [1], r"data.columns.size.range\[1\] is missing"),
        ("model.encoding", "text", "model.encoding is 'text'; input should be 'ordinal' or 'one_hot'"),
        ("data", 3, "data is 3; input should be an object"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_was_wanted(values, key, value, words):
    with pytest.raises(ParamsInvalid, match=words):
        read_params(changed(values, key, value))


def with_topics(values, topics):
    columns = {
        f"x{number}": {"kind": "number", **({"topic": topic} if topic else {})} for number, topic in enumerate(topics)
    }
    return changed(values, "data.columns", columns)


def test_columns_may_have_eight_topics_and_no_more(values):
    eight = [f"topic {number}" for number in range(8)]

    assert read_params(with_topics(values, [*eight, eight[0]])).data.columns["x8"].topic == "topic 0"
    with pytest.raises(
        ParamsInvalid, match=r"columns have 9 topics \(another, topic 0, .*\); the reasons .* take at most 8"
    ):
        read_params(with_topics(values, [*eight, "another"]))


def test_all_columns_have_a_topic_or_none_has(values):
    with pytest.raises(ParamsInvalid, match=r"data\.columns should all have a topic, or none; without one: x1, x2"):
        read_params(with_topics(values, ["weather", None, None]))


@pytest.mark.parametrize("value", ["f2", 2.0])
def test_a_wrong_threshold_is_refused_by_its_key_and_no_other_words(values, value):
    with pytest.raises(ParamsInvalid, match=rf" train\.threshold is {value!r}; ") as refused:
        read_params(changed(values, "train.threshold", value))

    assert "train.threshold." not in str(refused.value)


@pytest.mark.parametrize("value", ["f1", "rate", 0.25])
def test_a_threshold_is_a_rule_or_a_share(values, value):
    assert read_params(changed(values, "train.threshold", value)).train.threshold == value


def test_a_whole_number_stands_for_a_decimal_one(values):
    ends = read_params(changed(values, "data.columns.size.range", [1, 2])).data.columns["size"].range

    assert [type(end) for end in ends] == [float, float]


def test_the_same_error_of_several_columns_is_told_once(values):
    columns = {name: {"kind": "categorical"} for name in ("a", "b", "c")}
    values["data"]["columns"] = values["data"]["tables"]["table"]["columns"] = columns

    with pytest.raises(
        ParamsInvalid, match=r"columns\.a\.kind is 'categorical'; .*'datetime' \(likewise data\.columns\.b\.kind,"
    ) as refused:
        read_params(values)
    assert str(refused.value).count("categorical") == 1
    assert "tables" not in str(refused.value)


def test_every_fault_is_named_at_once(values):
    faulty = changed(changed(values, "train.seed", "x"), "evaluate.sed", 1)

    with pytest.raises(ParamsInvalid, match=r"train\.seed is 'x'.*; evaluate\.sed is not a setting"):
        read_params(faulty)


@pytest.mark.parametrize("target", ["os.system", "sklearn.svm.SVC", "builtins.eval"])
def test_a_class_outside_the_list_is_refused_beside_those_in_it(values, target):
    with pytest.raises(ParamsInvalid, match=rf"model\._target_ is '{target}'; input should be 'sklearn\.ensemble\.Gradient"):
        read_params(changed(values, "model._target_", target))


def test_a_split_of_an_unknown_kind_is_refused_beside_the_known_ones(values):
    with pytest.raises(ParamsInvalid, match=r"data\.split\.by is 'luck'; it should be one of time, random"):
        read_params(changed(values, "data.split.by", "luck"))


def test_a_model_is_declared_as_it_was_read(values):
    assert read_params(values).model.as_declared() == values["model"]


@pytest.mark.parametrize("date", ["2013-10-01", datetime.date(2013, 10, 1)])
def test_a_split_by_time_takes_the_date_that_yaml_reads_with_and_without_quotes(values, date):
    how = {"by": "time", "column": "moment", "test_from": date}
    dated = changed(values, "data.columns.moment", {"kind": "datetime"})

    assert read_params(changed(dated, "data.split", how)).data.split == TimeSplit(
        "time", "moment", datetime.date(2013, 10, 1)
    )


def test_a_date_that_is_none_is_refused_by_its_key(values):
    how = {"by": "time", "column": "moment", "test_from": "soon"}

    with pytest.raises(ParamsInvalid, match=r"data\.split\.test_from is 'soon'; input should be a valid date"):
        read_params(changed(values, "data.split", how))


def test_keys_of_data_that_only_a_recipe_knows_become_its_options(values):
    assert read_params(changed(values, "data.horizon_hours", 2)).data.options == {"horizon_hours": 2}


@dataclasses.dataclass(frozen=True)
class Options:
    hours: int


def test_an_option_that_the_recipe_does_not_know_is_refused_under_data():
    with pytest.raises(ParamsInvalid, match=r": data\.horizon_hours is not a setting"):
        parse_settings(table.Options, {"horizon_hours": 2}, prefix="data")


def test_a_wrong_option_is_refused_under_data():
    with pytest.raises(ParamsInvalid, match=r": data\.hours is 'x'; input should be a valid integer"):
        parse_settings(Options, {"hours": "x"}, prefix="data")


def test_a_value_that_nobody_gave_is_refused(values):
    with pytest.raises(ParamsInvalid, match=r"data\.source\.path is still '\?\?\?', which nothing has replaced"):
        read_params(changed(values, "data.source.path", "???"))


def test_categories_and_columns_may_be_called_as_they_are_in_the_table(values):
    values["data"]["columns"] |= {
        "Area.Name": {"kind": "category", "categories": ["???", "${x}"]},
        "${x}": {"kind": "number"},
    }
    values["data"]["slices"] = ["Area.Name", "${x}"]

    assert read_params(values).data.columns["Area.Name"].categories == ("???", "${x}")


def test_a_path_that_only_a_shell_understands_is_refused(values):
    with pytest.raises(ParamsInvalid, match=r"data\.source\.path is ~/a\.csv; .* so write the whole path"):
        read_params(changed(values, "data.source.path", "~/a.csv"))


@pytest.mark.parametrize(
    ("pattern", "code"), [("%Y-%m-%d %H:%M:%S.%f", "%f"), ("%G-W%V-%u", "%G"), ("%-d/%-m/%Y", "%-"), ("%", "%"), ("day", "")]
)
def test_a_format_of_datetimes_that_arrow_misreads_is_refused_before_anything_is_read(values, pattern, code):
    """Arrow makes 1900-01-01 of 2013-W27-1, and of every text that equals a format without a code."""
    with pytest.raises(ParamsInvalid, match=rf"data\.columns\.size\.format .* such as %d\.%m\.%Y.*{code}"):
        read_params(changed(values, "data.columns.size", {"kind": "datetime", "format": pattern}))


@pytest.mark.parametrize("encoding", ["utf-99", "base64", "rot13"])
def test_what_is_no_encoding_of_text_is_refused(values, encoding):
    with pytest.raises(ParamsInvalid, match=rf"data\.tables\.table\.encoding is '{encoding}'; .*an encoding of text that"):
        read_params(changed(values, "data.tables.table.encoding", encoding))
    assert read_params(changed(values, "data.tables.table.encoding", "UTF8")).data.tables["table"].encoding == "utf-8"


@pytest.mark.parametrize("key", ["separator", "decimal"])
@pytest.mark.parametrize("sign", ["é", "\n"])
def test_a_sign_that_is_not_ascii_or_breaks_the_line_is_refused(values, key, sign):
    with pytest.raises(ParamsInvalid, match=rf"data\.tables\.table\.{key} is .*should be one ASCII character"):
        read_params(changed(values, f"data.tables.table.{key}", sign))


def test_the_message_says_where_to_correct_it(values):
    with pytest.raises(ParamsInvalid, match="Correct it in conf/ and type `make params`"):
        read_params(changed(values, "train.sed", 1))


def test_what_travels_with_the_examples_is_read_back_as_it_was(values):
    dataset = read_params(values).data.dataset()

    assert parse_settings(Dataset, json.loads(dump_settings(dataset))) == dataset


def test_tables_travel_with_the_examples_where_events_can_give_them(values):
    data = read_params(changed(values, "data.tables.table.key", ["size"])).data
    dataset = data.dataset(data.tables)

    assert (dataset.recipe, dataset.tables) == ("table", data.tables)
    assert parse_settings(Dataset, json.loads(dump_settings(dataset))) == dataset
    assert (data.dataset().recipe, data.dataset().tables) == ("", {})


def test_the_target_may_not_be_a_feature_too(values):
    values["data"]["columns"]["good"] = {"kind": "category"}

    with pytest.raises(ParamsInvalid, match="good"):
        read_params(values)


def test_columns_may_be_missing_of_a_single_table_alone(values):
    values["data"]["columns"] = {}
    assert read_params(values).data.columns == {}
    for key, value in (
        ("recipe", "flights"),
        ("tables", {"a": {"file": "a.csv", "columns": {}}, **values["data"]["tables"]}),
    ):
        with pytest.raises(ParamsInvalid, match=r"data.columns is empty; .* only those of a single table are inferred"):
            read_params({**values, "data": {**values["data"], key: value}})


def test_a_path_and_a_target_are_enough_of_a_data_set(values):
    data = read_params({**values, "data": {"source": {"path": "data/mine.v2.csv"}, "target": {"name": "left"}}}).data

    assert (data.name, data.recipe, data.slices, data.resample_by) == ("mine", "table", (), None)
    assert data.tables["table"].file == "data/mine.v2.csv"
    assert data.split == RandomSplit("random", 0.25, 7)


@pytest.mark.parametrize("missing", ["source", "target"])
def test_a_data_set_without_path_or_target_is_refused_by_that_name(values, missing):
    data = {"source": {"path": "data/mine.csv"}, "target": {"name": "left"}}
    del data[missing]

    with pytest.raises(ParamsInvalid, match=f"data.{missing} is missing"):
        read_params({**values, "data": data})


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("data.columns.size.range", [10, 1], r"data.columns.size.range is \[10, 1\]; the lower end comes first"),
        ("data.columns.colour", {"kind": "category", "range": [0, 1]}, "data.columns.colour.range goes with `kind: number`"),
        ("data.slices", ["nope"], r"data.slices\[0\] is nope; it should be in data.columns"),
        ("data.slices", ["size.month"], r"data.slices\[0\] is size.month"),
        ("data.slices", ["when.quarter"], r"data.slices\[0\] is when.quarter; .* with a part \(.year, .month, .date"),
        ("data.resample_by", "nope.date", "data.resample_by is nope.date"),
        ("data.split", {"by": "time", "column": "size", "test_from": "2020-01-01"}, "data.split.column is size"),
        ("data.tables.table.key", ["nope"], "data.tables.table.key has nope; each column of a key should be declared"),
        ("data.tables.table.key", ["size", "size"], "data.tables.table.key names size twice"),
        (
            "data.tables.table.partition_by",
            "nope",
            r"partition_by is nope; it should be a datetime column declared in the columns of its table \(it has none",
        ),
        ("data.tables.table.partition_by", "size", "data.tables.table.partition_by is size; it should be a datetime column"),
        ("data.columns.size.example", "long", "data.columns.size.example is 'long'; it should be a number"),
        (
            "data.columns.on",
            {"kind": "datetime", "example": "soon"},
            "data.columns.on.example is 'soon'; it should be",
        ),
        ("data.columns.on", {"kind": "category", "example": 1}, "data.columns.on.example is 1.0; it should be a category"),
        ("data.split.seed", -1, "data.split.seed is -1"),
        ("train.seed", 2**40, "train.seed is 1099511627776"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_before_any_data_is_read(values, key, value, words):
    with pytest.raises(ParamsInvalid, match=words):
        read_params(changed(values, key, value))
