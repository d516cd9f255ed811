"""The reasons that the prediction service gives, and the contributions in the report, are one number, and exact."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from contract.live_services import needs_model
from contract.test_model_directory import plain
from pipeline.config.params_file import load_dataset
from pipeline.config.paths import DATASET, MODEL, TEST_TABLE
from pipeline.config.settings import Dataset, RandomSplit, Target
from pipeline.data import model_inputs, schema_json, table_io
from pipeline.data.topics import assign_topics
from pipeline.evaluation import topic_contributions
from pipeline.modeling import artifact, onnx_export
from prediction_api.model import artifact as served
from prediction_api.model.onnx_model import OnnxModel

EXACT = 1e-9
LOOKS = {"size": "measures", "weight": "measures", "colour": "looks", "moment": "moment"}


@pytest.fixture(params=["hgb", "logistic"])
def folder(request, fitted, rows, columns, tmp_path):
    """The directory of a small model whose columns have topics, one of them two columns."""
    columns = {name: replace(column, topic=LOOKS[name]) for name, column in columns.items()}
    data = Dataset("things", Target("good"), columns, RandomSplit("random", 0.25, 1))
    metadata = {"name": "things", "threshold": 0.4, "data": {}, "parameters": {}, "versions": {}, "question": {}}
    graph = onnx_export.to_graph(fitted(request.param).model, columns)
    artifact.write(tmp_path / "model", graph, schema_json.describe(data, rows), metadata)
    return tmp_path / "model"


def reported(folder, table, columns):
    """What the pipeline says that each topic contributes to each row."""
    described = json.loads((folder / artifact.SCHEMA).read_text())["columns"]
    predict = partial(artifact.probability, artifact.session(folder / artifact.GRAPH))
    arrays = model_inputs.to_arrays(model_inputs.pack(table, columns), columns)
    return topic_contributions.contributions(predict, arrays, described)


def explained(folder, table, columns):
    """The model that serves, the records as it reads them, and what it says that each topic contributes to each."""
    model = OnnxModel(served.read(folder))
    bodies = [{name: plain(value) for name, value in row.items()} for row in table[list(columns)].to_dict("records")]
    records = [model.records.one(json.dumps(body).encode()) for body in bodies]
    return model, records, contributions(model.explainer.explain(records))


def contributions(reasons):
    return pd.DataFrame([{topic["topic"]: topic["contribution"] for topic in of["topics"]} for of in reasons])


def assert_one_number(folder, table, columns):
    model, records, given = explained(folder, table, columns)
    expected = reported(folder, table, columns)
    probability = model.probabilities(model.inputs(records))
    (typical,) = {reasons["typical_probability"] for reasons in model.explainer.explain(records)}

    pd.testing.assert_frame_equal(given[expected.columns], expected, atol=EXACT, rtol=0)
    np.testing.assert_allclose(given.sum(axis=1), probability - typical, rtol=0, atol=EXACT)
    return model, records


def test_a_graph_with_two_threads_gives_the_same_reasons(folder, rows, columns):
    model, records, alone = explained(folder, rows, columns)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    model._session = onnxruntime.InferenceSession(str(folder / artifact.GRAPH), options)

    pd.testing.assert_frame_equal(contributions(model.explainer.explain(records)), alone, check_exact=True)


def test_the_service_and_the_report_give_the_same_contributions(folder, rows, columns):
    assert_one_number(folder, rows, columns)


@needs_model
def test_they_are_the_same_for_flights_also_in_two_threads():
    columns, table = load_dataset(DATASET).columns, table_io.read(TEST_TABLE)
    sample = table.sample(200, random_state=1).reset_index(drop=True)

    model, records = assert_one_number(MODEL, sample, columns)

    assert set(reported(MODEL, sample.head(1), columns)) == {column.topic for column in columns.values()}
    alone = [model.explainer.explain([record])[0] for record in records]
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(model.explainer.explain, [records[:100], records[100:]]))
    assert halves[0] + halves[1] == alone


def test_shap_gives_the_same_values(folder, rows, columns):
    shap = pytest.importorskip("shap", reason="shap has no packages for Macs with Intel")
    model, records, given = explained(folder, rows.head(20), columns)
    typical_values = {column.name: column.typical for column in model.artifact.schema.columns}
    typical = model.records.one(json.dumps(typical_values).encode())
    topics = list(given.columns)

    for record, expected in zip(records, given.to_dict("records"), strict=True):

        def value(masks, record=record):
            """The probability where the columns of the topics in each mask are the record's, and all others typical."""
            chosen = [{topic for topic, is_in in zip(topics, mask, strict=True) if is_in} for mask in masks]
            mixed = [{name: (record if LOOKS[name] in joined else typical)[name] for name in record} for joined in chosen]
            return model.probabilities(model.inputs(mixed))

        explainer = shap.explainers.Exact(value, np.zeros((1, len(topics))))
        assert dict(zip(topics, explainer(np.ones((1, len(topics)))).values[0], strict=True)) == pytest.approx(
            expected, abs=EXACT
        )


def test_a_table_without_topics_has_its_columns_as_topics(fitted, rows, columns, tmp_path):
    own = assign_topics(columns, list)
    data = Dataset("things", Target("good"), own, RandomSplit("random", 0.25, 1))
    metadata = {"name": "things", "threshold": 0.4, "data": {}, "parameters": {}, "versions": {}, "question": {}}
    graph = onnx_export.to_graph(fitted("hgb").model, columns)
    artifact.write(tmp_path / "model", graph, schema_json.describe(data, rows), metadata)

    _, _, given = explained(tmp_path / "model", rows.head(5), columns)

    assert set(given) == set(columns)
