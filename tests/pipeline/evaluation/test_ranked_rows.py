"""Rows are ranked without a change of what belongs to them, and parts of them number their own groups."""

import numpy as np

from pipeline.evaluation.ranked_rows import RankedRows


def test_rows_come_from_the_highest_probability_and_ties_keep_their_order():
    ranked = RankedRows.from_rows([0, 1, 1, 0], np.float32([0.5, 0.7, 0.5, 0.9]), [0, 1, 2, 3])

    assert ranked.groups.tolist() == [3, 1, 0, 2]
    assert ranked.truth.tolist() == [False, True, False, True]
    assert ranked.probability.dtype == np.float32


def test_a_part_numbers_its_groups_in_their_order():
    ranked = RankedRows.from_rows([0, 1, 1, 0, 1], [0.9, 0.8, 0.7, 0.6, 0.5], np.uint8([7, 2, 9, 2, 5]))
    part = ranked.select(np.array([0, 1, 3]))

    assert part.groups.tolist() == [1, 0, 0]
    assert part.probability.tolist() == [0.9, 0.8, 0.6]
    assert part.truth.tolist() == [False, True, False]
    assert len(part) == 3
