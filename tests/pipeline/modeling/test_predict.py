"""A model directory scores any table that has the columns it reads, of their kinds, and names those that it has not."""

import pytest

from conftest import COLUMNS
from pipeline.config.settings import Dataset, RandomSplit, Target
from pipeline.data import model_inputs, schema_json
from pipeline.modeling import artifact, onnx_export, predict
from pipeline.support.errors import SchemaMismatch


@pytest.fixture
def folder(tmp_path, fitted, rows):
    data = Dataset("things", Target("good"), COLUMNS, RandomSplit("random", 0.5, 1))
    graph = onnx_export.to_graph(fitted("logistic").model, COLUMNS)
    artifact.write(tmp_path / "model", graph, schema_json.describe(data, rows), {})
    return tmp_path / "model"


def test_the_scores_are_those_of_the_graph_whatever_else_the_table_holds(folder, rows):
    arrays = model_inputs.to_arrays(model_inputs.pack(rows, COLUMNS), COLUMNS)
    expected = artifact.probability(artifact.session(folder / "model.onnx"), arrays)

    assert (
        predict.probability(folder, rows.assign(more=1)[["more", *reversed(rows.columns)]], "test").tolist()
        == expected.tolist()
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop(columns=["size", "colour"]), "test should have the columns .* it lacks size, colour"),
        (lambda rows: rows.assign(size="large"), r"test should have the columns of the kinds .* others in size \(number\)"),
        (
            lambda rows: rows.assign(moment=1.0),
            r"test should have the columns of the kinds .* others in moment \(datetime\)",
        ),
    ],
    ids=["lacks", "number", "datetime"],
)
def test_other_columns_are_named(folder, rows, change, said):
    with pytest.raises(SchemaMismatch, match=said):
        predict.probability(folder, change(rows), "test")
