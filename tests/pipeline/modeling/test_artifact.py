"""data/model is three files that belong together: written as a whole, and refused when one is missing or altered."""

import json

import numpy as np
import pytest

from conftest import COLUMNS
from pipeline.data import model_inputs
from pipeline.files.digests import sha256
from pipeline.modeling import artifact, onnx_export
from pipeline.support.errors import ModelMissing


@pytest.fixture
def folder(tmp_path, fitted):
    path = tmp_path / "model"
    artifact.write(path, onnx_export.to_graph(fitted("logistic").model, COLUMNS), {"unit": "°F"}, {"threshold": 0.4})
    return path


def test_the_folder_holds_three_files_and_no_pickle(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["metadata.json", "model.onnx", "schema.json"]


def test_the_metadata_hold_the_digests_of_the_other_two(folder):
    metadata = artifact.read_metadata(folder)

    assert metadata == {"threshold": 0.4, "sha256": {name: sha256(folder / name) for name in ("model.onnx", "schema.json")}}


def test_the_same_model_gives_the_same_bytes(folder, tmp_path, fitted):
    again = tmp_path / "again"
    artifact.write(again, onnx_export.to_graph(fitted("logistic").model, COLUMNS), {"unit": "°F"}, {"threshold": 0.4})

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {p.name: p.read_bytes() for p in again.iterdir()}


def test_json_is_readable_text_in_utf_8(folder):
    assert (folder / "schema.json").read_bytes() == '{\n  "unit": "°F"\n}\n'.encode()


def test_the_graph_is_opened_from_its_file_and_scores(folder, rows, fitted):
    packed = model_inputs.pack(rows, COLUMNS)
    session = artifact.session(folder / "model.onnx")
    result = artifact.probability(session, model_inputs.to_arrays(packed, COLUMNS))

    assert result.dtype == np.float64
    assert result.tolist() == pytest.approx(fitted("logistic").model.probability(packed).tolist(), abs=1e-5)


@pytest.mark.parametrize("name", ["metadata.json", "model.onnx", "schema.json"])
def test_a_missing_file_is_named_with_the_command_that_brings_it_back(folder, name):
    (folder / name).unlink()

    with pytest.raises(
        ModelMissing, match=rf"should hold model\.onnx, schema\.json and metadata\.json; .*{name}.* `dvc checkout"
    ):
        artifact.read_metadata(folder)


def test_an_older_directory_calls_its_metadata_about_json(folder):
    metadata = artifact.read_metadata(folder)
    (folder / "metadata.json").rename(folder / "about.json")

    assert artifact.read_metadata(folder) == metadata
    assert artifact.file_names(folder) == ("model.onnx", "schema.json", "about.json")


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ModelMissing, match="should hold model"):
        artifact.read_metadata(tmp_path / "model")


@pytest.mark.parametrize("name", ["model.onnx", "schema.json"])
def test_an_altered_file_is_named(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")

    with pytest.raises(ModelMissing, match=rf"was altered since it was written: {name}\. Type `dvc checkout --force"):
        artifact.read_metadata(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b'{"sha256": {}}', b"\xff\xfe"])
def test_metadata_that_say_nothing_of_the_other_files_are_refused(folder, content):
    (folder / "metadata.json").write_bytes(content)

    with pytest.raises(ModelMissing, match="should hold model"):
        artifact.read_metadata(folder)


def test_a_number_that_json_cannot_hold_leaves_the_old_folder(folder, fitted):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    with pytest.raises(ValueError, match="JSON compliant"):
        artifact.write(folder, onnx_export.to_graph(fitted("hgb").model, COLUMNS), {"x": float("nan")}, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert json.loads(before["metadata.json"])["threshold"] == 0.4
