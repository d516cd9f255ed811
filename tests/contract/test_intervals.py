"""Intervals from the sums of each day, as a large table gets them, are on the flights those that their rows give."""

import os

import numpy as np
import pytest

from pipeline.compute import LocalEngine
from pipeline.config.params_file import load_dataset, load_params
from pipeline.config.paths import DATASET, MODEL, TEST_TABLE
from pipeline.data import partitions, table_io
from pipeline.evaluation import bootstrap
from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.ranked_rows import RankedRows
from pipeline.evaluation.row_labels import RowLabels, Slicing
from pipeline.modeling import artifact, scoring

RESAMPLES = 200


@pytest.mark.skipif(
    not (MODEL.is_dir() and TEST_TABLE.is_dir()) and "CI" not in os.environ,  # CI makes them before
    reason="type `make repro` first",
)
def test_on_the_flights_an_interval_from_sums_of_days_is_that_of_their_rows():
    data, settings = load_dataset(DATASET), load_params()
    tables = (table for _, table in partitions.iterate(TEST_TABLE))
    labels = RowLabels.from_tables(tables, data.target.name, Slicing((), settings.data.resample_by))
    files = ((str(file), file.read_bytes()) for file in table_io.files(TEST_TABLE))
    graph, nothing = (MODEL / artifact.GRAPH).read_bytes(), np.array([], np.intp)
    probability, _ = scoring.score_table(graph, data.columns, files, labels.partitions, nothing, LocalEngine(), lambda: None)
    ranked = RankedRows.from_rows(labels.truth, probability, labels.groups)
    threshold = artifact.read_metadata(MODEL)["threshold"]

    rows, sums = (
        bootstrap.resample(ranked, threshold, 15, RESAMPLES, settings.evaluate.seed, exact_rows)
        for exact_rows in (len(ranked), 0)
    )
    assert sums[0] == pytest.approx(rows[0], rel=1e-12)
    exact, binned = (bootstrap.intervals(*values, settings.evaluate.confidence) for values in (rows, sums))
    for metric in METRICS:
        width = exact[metric]["high"] - exact[metric]["low"]
        tolerance = 0.002 * width if metric in ("roc_auc", "average_precision") else 1.1e-6
        assert binned[metric]["low"] == pytest.approx(exact[metric]["low"], abs=tolerance), metric
        assert binned[metric]["high"] == pytest.approx(exact[metric]["high"], abs=tolerance), metric
