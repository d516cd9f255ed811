"""The training rows are the same whether they are in memory or read partition by partition; a sample is drawn by number."""

import numpy as np
import pandas as pd
import pytest

from conftest import COLUMNS
from pipeline.config.settings import Dataset, RandomSplit, Target
from pipeline.data import schema_json, table_io
from pipeline.modeling import sampling, training_rows

DATA = Dataset("things", Target("good"), COLUMNS, RandomSplit("random", test_share=0.25, seed=1))


@pytest.fixture(params=[(300,), (100, 0, 150, 50), (1, 299)], ids=str)
def folder(request, rows, tmp_path):
    """The rows as a folder of partitions."""
    ends = np.cumsum(request.param)
    for number, (size, end) in enumerate(zip(request.param, ends, strict=True)):
        table_io.write(rows.iloc[end - size : end], tmp_path / f"{number:04d}.parquet")
    return tmp_path


def read(folder, max_rows=None, seed=13, in_parts=True):
    return training_rows.read(folder, max_rows, seed, in_parts)


@pytest.mark.parametrize("in_parts", [True, False])
def test_a_table_is_the_same_in_parts_and_as_a_whole(folder, rows, in_parts):
    table = read(folder, in_parts=in_parts)
    places = np.array([299, 0, 150, 7, 101])

    assert (len(table), table.table_rows) == (300, 300)
    pd.testing.assert_frame_equal(table.select(["good", "size"]), rows[["good", "size"]])
    pd.testing.assert_frame_equal(table.take(places).reset_index(drop=True), rows.iloc[places].reset_index(drop=True))
    assert schema_json.describe(DATA, table) == schema_json.describe(DATA, rows)
    assert sum(len(packed) for _, packed in table.packed(COLUMNS)) == 300


@pytest.mark.parametrize("in_parts", [True, False])
def test_a_sample_is_the_same_however_the_table_is_cut(folder, rows, in_parts):
    sample = read(folder, max_rows=120, in_parts=in_parts)

    assert (len(sample), sample.table_rows, len(sample.sizes)) == (120, 300, 1)
    pd.testing.assert_frame_equal(sample.load(0, None), rows.iloc[sampling.draw_rows(300, 120, 13)].reset_index(drop=True))


@pytest.mark.parametrize("max_rows", [300, 1_000])
def test_a_table_with_no_more_rows_is_taken_whole(folder, max_rows):
    table = read(folder, max_rows)

    assert (len(table), table.table_rows) == (300, 300)
