"""Partitions are scored with the same numbers in any cut, and only the rows of the sample leave them."""

import numpy as np
import pytest

from conftest import COLUMNS
from pipeline.compute import LocalEngine
from pipeline.data import model_inputs, table_io
from pipeline.modeling import artifact, onnx_export, scoring
from pipeline.support.errors import TableInvalid


@pytest.fixture(params=["hgb", "logistic"])
def graph(request, fitted):
    return onnx_export.to_graph(fitted(request.param).model, COLUMNS).SerializeToString()


def packed(rows):
    return model_inputs.to_arrays(model_inputs.pack(rows, COLUMNS), COLUMNS)


def scored(graph, rows, size, sample=(), advance=lambda: None):
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    files, counts = ((f"{number}.parquet", table_io.encode(part)) for number, part in enumerate(parts)), map(len, parts)
    return scoring.score_table(graph, COLUMNS, files, list(counts), np.array(sample, np.int32), LocalEngine(), advance)


@pytest.mark.parametrize("size", [1, 7, 29, 10_000])
def test_any_cut_gives_the_probabilities_of_the_graph(graph, rows, size):
    probability, _ = scored(graph, rows[:30], size)
    expected = artifact.probability(artifact.session(graph), packed(rows[:30]))

    np.testing.assert_allclose(probability, expected, rtol=0, atol=1e-7)
    assert probability.dtype == np.float32


def test_any_cut_of_trees_gives_the_same_bits(fitted, rows):
    graph = onnx_export.to_graph(fitted("hgb").model, COLUMNS).SerializeToString()
    whole, parts = (scored(graph, rows, size)[0] for size in (len(rows), 37))

    assert whole.tolist() == parts.tolist()


@pytest.mark.parametrize("sample", [[], [0], [5, 299, 5, 17, 16], [*range(299, -1, -1)]])
def test_the_inputs_of_the_sample_come_in_its_order(graph, rows, sample, monkeypatch):
    monkeypatch.setattr(scoring, "ROWS_AT_ONCE", 13)
    _, inputs = scored(graph, rows[:300], 17, sample)

    for name, array in packed(rows[:300]).items():
        np.testing.assert_array_equal(inputs[name], array[sample])


def test_progress_is_reported_after_each_partition(graph, rows):
    calls = []
    scored(graph, rows[:100], 30, advance=lambda: calls.append(1))

    assert len(calls) == 4


def test_other_columns_of_a_partition_are_not_read(graph, rows):
    unreadable = rows[:20].assign(more=[{"a": 1}] * 20)

    assert scored(graph, unreadable, 20)[0].tolist() == scored(graph, rows[:20], 20)[0].tolist()


def test_a_damaged_partition_is_named(graph, rows):
    files = [("data/processed/test/2013-10.parquet", table_io.encode(rows[:20])[:-9])]

    with pytest.raises(TableInvalid, match=r"data/processed/test/2013-10\.parquet should be .* `dvc checkout --force`"):
        scoring.score_table(graph, COLUMNS, files, [20], np.array([]), LocalEngine(), lambda: None)
