"""A sample of rows depends on their number and the seed alone."""

import numpy as np
import pytest

from pipeline.modeling import sampling


def test_the_drawn_rows_are_those_of_the_smallest_hashes():
    hashes = sampling.hash_rows(np.arange(5_000), 13)

    assert sampling.draw_rows(5_000, 700, 13).tolist() == sorted(np.argsort(hashes)[:700].tolist())


def test_the_same_seed_draws_the_same_rows_on_every_machine_and_another_others():
    assert sampling.draw_rows(1_000, 5, 13).tolist() == [272, 308, 522, 525, 855]
    assert not set(sampling.draw_rows(1_000, 5, 14)) & {272, 308, 522, 525, 855}


def test_the_first_hash_of_seed_0_is_the_published_one_of_splitmix64():
    assert sampling.hash_rows(np.arange(1), 0).tolist() == [0xE220A8397B1DCDAF]


def test_rows_are_hashed_block_by_block(monkeypatch):
    whole = sampling.draw_rows(5_000, 700, 13).tolist()
    monkeypatch.setattr(sampling, "BLOCK", 64)

    assert sampling.draw_rows(5_000, 700, 13).tolist() == whole


def test_a_larger_sample_holds_the_smaller_one():
    assert set(sampling.draw_rows(5_000, 100, 1)) < set(sampling.draw_rows(5_000, 200, 1))


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_each_tenth_of_the_rows_has_about_a_tenth_of_the_sample(seed):
    tenths = np.bincount(sampling.draw_rows(100_000, 10_000, seed) // 10_000)

    assert len(tenths) == 10
    assert np.abs(tenths - 1_000).max() < 150


def test_no_two_rows_have_the_same_hash():
    assert len(np.unique(sampling.hash_rows(np.arange(200_000), 5))) == 200_000
