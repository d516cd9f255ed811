"""A batch that comes alone runs in two halves at a time, and gives what one run gives."""

import threading

import numpy as np
import pytest

from prediction_api.model import artifact, parallel_run
from prediction_api.model.onnx_model import OnnxModel


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(parallel_run.os, "cpu_count", lambda: 2)


def graph(calls):
    """Doubles the numbers, and notes how many rows each thread took."""

    def run(inputs):
        calls.append((threading.current_thread().name.startswith("second-half"), len(inputs["numbers"])))
        return inputs["numbers"][:, 0] * 2.0

    return run


def doubled(rows, calls):
    result = parallel_run.run(graph(calls), {"numbers": np.arange(float(rows)).reshape(-1, 1), "texts": np.empty(rows)})
    assert result.tolist() == [2.0 * row for row in range(rows)]


@pytest.mark.parametrize(("rows", "first"), [(256, 128), (257, 128), (999, 448), (1000, 448)])
def test_many_rows_are_cut_near_the_middle_at_a_multiple_of_64(rows, first):
    calls = []
    doubled(rows, calls)

    assert sorted(calls) == [(False, first), (True, rows - first)]


def test_few_rows_run_whole():
    calls = []
    doubled(255, calls)

    assert calls == [(False, 255)]


def test_one_processor_runs_them_whole(monkeypatch):
    monkeypatch.setattr(parallel_run.os, "cpu_count", lambda: 1)
    calls = []
    doubled(1000, calls)

    assert calls == [(False, 1000)]


def test_a_batch_that_comes_while_another_one_has_the_thread_runs_whole():
    inner, is_first = [], threading.Lock()

    def outer(inputs):
        if is_first.acquire(blocking=False):
            doubled(1000, inner)
        return inputs["numbers"][:, 0]

    parallel_run.run(outer, {"numbers": np.zeros((1000, 1))})

    assert [rows for _, rows in inner] == [1000]


def test_an_error_in_either_half_is_raised_and_the_next_batch_has_the_thread_again():
    for faulty in (0.0, 999.0):

        def fails(inputs, faulty=faulty):
            if faulty in inputs["numbers"]:
                raise ValueError("a faulty row")
            return inputs["numbers"][:, 0]

        with pytest.raises(ValueError, match="a faulty row"):
            parallel_run.run(fails, {"numbers": np.arange(1000.0).reshape(-1, 1)})
        calls = []
        doubled(1000, calls)
        assert len(calls) == 2


def test_a_graph_gives_the_same_bits_in_halves_as_in_one_run(make_model):
    model = OnnxModel(artifact.read(make_model()))
    records = [{**model.example(), "distance": 80 + 3.7 * row} for row in range(1000)]
    inputs = model.inputs(records)

    halves = model.probabilities(inputs)
    with parallel_run._is_free:
        assert halves.tolist() == model.probabilities(inputs).tolist()
    assert len(set(halves.tolist())) > 100
