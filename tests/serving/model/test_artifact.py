"""A model directory is read whole or refused with the reason."""

import hashlib
import json

import pytest

from prediction_api.errors import InvalidModel
from prediction_api.model import artifact
from prediction_api.model.artifact import FILES, Source


@pytest.fixture
def changed(make_model):
    """A function that writes a model of which one JSON file is changed, and metadata.json agrees with the change."""

    def make(file, change):
        folder = make_model()
        content = json.loads((folder / file).read_bytes())
        change(content)
        (folder / file).write_text(json.dumps(content))
        if file == "schema.json":
            metadata = json.loads((folder / "metadata.json").read_bytes())
            metadata["sha256"][file] = sha256(folder / file)
            (folder / "metadata.json").write_text(json.dumps(metadata))
        return folder

    return make


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_whole_directory_is_read_with_the_digest_of_each_file(make_model):
    folder = make_model()

    read = artifact.read(folder)

    assert read.graph == (folder / "model.onnx").read_bytes()
    assert read.sha256 == {name: sha256(folder / name) for name in FILES}
    assert [column.name for column in read.schema.columns] == ["departs", "carrier", "season", "distance", "delay"]
    assert (read.metadata.name, read.metadata.threshold) == ("tiny", 0.5)


def test_the_files_are_kept_as_they_were_parsed_with_what_the_service_does_not_know(make_model):
    read = artifact.read(make_model(weather="fine"))

    assert set(read.files) == {"schema.json", "metadata.json"}
    assert read.files["metadata.json"]["weather"] == "fine"
    assert read.files["schema.json"]["rows"] == 100


def test_the_version_is_the_first_12_characters_of_the_sha256_of_metadata_json(make_model):
    folder = make_model()

    assert artifact.read(folder).version == sha256(folder / "metadata.json")[:12]


def test_an_older_directory_is_read_as_it_was_written(changed):
    def rename_keys(schema):
        for column in schema["columns"]:
            column["known"] = column.pop("available_from")

    folder = changed("schema.json", rename_keys)
    (folder / "metadata.json").rename(folder / "about.json")

    read = artifact.read(folder)

    assert read.version == sha256(folder / "about.json")[:12]
    assert set(read.sha256) == {"model.onnx", "schema.json", "about.json"}


def test_a_later_change_of_the_files_does_not_reach_a_model_that_was_read(make_model):
    read = artifact.read(make_model())
    graph, version = read.graph, read.version

    make_model(bias=3.0)

    assert (read.graph, read.version) == (graph, version)
    assert read.sha256["model.onnx"] == hashlib.sha256(graph).hexdigest()


@pytest.mark.parametrize("name", ["model.onnx", "schema.json"])
def test_an_altered_file_is_refused_by_name_with_both_digests(make_model, name):
    folder = make_model()
    promised = sha256(folder / name)
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")

    with pytest.raises(
        InvalidModel, match=rf"sha256 .*; {name} \({sha256(folder / name)[:12]}, not {promised[:12]}\) has not"
    ):
        artifact.read(folder)


@pytest.mark.parametrize("name", ["model.onnx", "schema.json"])
def test_a_truncated_file_is_refused_by_name(make_model, name):
    folder = make_model()
    (folder / name).write_bytes((folder / name).read_bytes()[:-10])

    with pytest.raises(InvalidModel, match=rf"{name} \(.*dvc checkout --force"):
        artifact.read(folder)


def test_a_truncated_metadata_json_is_refused(make_model):
    folder = make_model()
    (folder / "metadata.json").write_bytes((folder / "metadata.json").read_bytes()[:-10])

    with pytest.raises(
        InvalidModel, match=r"metadata\.json is not a file of this kind of model: the file: Invalid JSON: EOF"
    ):
        artifact.read(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name_with_what_to_do(make_model, name):
    folder = make_model()
    (folder / name).unlink()

    with pytest.raises(InvalidModel, match=rf"{name} cannot be read \(No such file or directory\)\. Type `make repro`"):
        artifact.read(folder)


def test_a_file_in_place_of_the_directory_is_refused(make_model):
    with pytest.raises(InvalidModel, match=r"model\.onnx cannot be read \(Not a directory\)"):
        artifact.read(make_model() / "metadata.json")


def test_a_file_without_a_digest_in_metadata_json_is_refused(make_model):
    with pytest.raises(InvalidModel, match=r"schema\.json \(.{12}, not no digest\)"):
        artifact.read(make_model(sha256={"model.onnx": sha256(make_model() / "model.onnx")}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "the file: Invalid JSON"),
        (b"[]", "the file: Input should be an object"),
        (b'{"sha256": {}}', "name: Field required"),
        (b"\xff\xfe{}", "the file: Invalid JSON"),
    ],
)
def test_a_foreign_metadata_json_is_refused_with_what_it_lacks(make_model, text, words):
    folder = make_model()
    (folder / "metadata.json").write_bytes(text)

    with pytest.raises(InvalidModel, match=words):
        artifact.read(folder)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("threshold", "0.5", r"threshold: Input should be a valid number"),
        ("threshold", True, r"threshold: Input should be a valid number"),
        ("threshold", None, r"threshold: Input should be a valid number"),
        ("name", 3, r"name: Input should be a valid string"),
        ("sha256", ["a"], r"sha256: Input should be an object"),
        ("data", {"train.parquet": 7}, r"data\.train\.parquet: Input should be a valid string"),
    ],
)
def test_a_value_of_the_wrong_type_in_metadata_json_is_refused_by_its_key(make_model, key, value, words):
    with pytest.raises(InvalidModel, match=words):
        artifact.read(make_model(**{key: value}))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("kind", "colour", r"columns\.3\.kind: Input should be 'number', 'category' or 'datetime'"),
        ("required", "yes", r"columns\.3\.required: Input should be a valid boolean"),
        ("minimum", "10", r"columns\.3\.minimum: Input should be a valid number"),
        ("name", None, r"columns\.3\.name: Input should be a valid string"),
        ("seen", 3, r"columns\.3\.seen: Input should be an object"),
    ],
)
def test_a_value_of_the_wrong_type_in_a_column_is_refused_by_its_place(changed, key, value, words):
    folder = changed("schema.json", lambda schema: schema["columns"][3].update({key: value}))

    with pytest.raises(InvalidModel, match=rf"schema\.json is not a file of this kind of model: {words}"):
        artifact.read(folder)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(make_model, threshold):
    with pytest.raises(InvalidModel, match=f"metadata.json of 'tiny' with the threshold {threshold:g}"):
        artifact.read(make_model(threshold=threshold))


def test_a_schema_of_another_model_is_refused_with_both_names(make_model):
    with pytest.raises(InvalidModel, match=r"schema\.json is of 'tiny' with 5 columns, metadata\.json of 'huge'"):
        artifact.read(make_model(name="huge"))


def test_a_schema_without_columns_is_refused(make_model):
    with pytest.raises(InvalidModel, match="of 'tiny' with 0 columns"):
        artifact.read(make_model(columns=[]))


def test_two_columns_of_one_name_are_refused(make_model):
    first = artifact.read(make_model()).files["schema.json"]["columns"][3]

    with pytest.raises(InvalidModel, match="distance"):
        artifact.read(make_model(columns=[first, first]))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_held_to_the_digest_that_its_sender_gave(make_model, name):
    folder = make_model()

    with pytest.raises(InvalidModel, match=rf"{name} \({sha256(folder / name)[:12]}, not {'0' * 12}\)"):
        artifact.read(folder, {name: "0" * 64})


def test_the_right_digests_of_the_sender_are_accepted(make_model):
    folder = make_model()

    assert artifact.read(folder, {name: sha256(folder / name) for name in FILES}) == artifact.read(folder)


def test_a_digest_of_the_sender_does_not_excuse_a_file_from_the_digest_in_metadata_json(make_model):
    folder = make_model()
    (folder / "model.onnx").write_bytes(b"another graph")

    with pytest.raises(InvalidModel, match=r"model\.onnx \("):
        artifact.read(folder, {"model.onnx": sha256(folder / "model.onnx")})


def test_a_source_is_read_and_an_older_model_has_none(changed):
    source = {
        "recipe": "flights",
        "options": {"horizon_hours": 2},
        "tables": {"planes": {"key": ["tailnum"], "columns": {}}},
    }

    assert artifact.read(changed("schema.json", lambda schema: schema.update(source=source))).schema.source == Source(
        **source
    )
    for values in ({}, {"source": None}):
        assert artifact.read(changed("schema.json", lambda schema, v=values: schema.update(v))).schema.source is None


def test_a_source_without_tables_is_refused(changed):
    folder = changed("schema.json", lambda schema: schema.update(source={"recipe": "flights", "options": {}}))

    with pytest.raises(InvalidModel, match=r"source\.tables: Field required"):
        artifact.read(folder)
