"""A column matters by what the AUC loses when it alone is shuffled."""

import numpy as np
import pytest

from conftest import COLUMNS
from pipeline.data import model_inputs
from pipeline.evaluation import permutation_importance


def arrays(rows):
    return model_inputs.to_arrays(model_inputs.pack(rows, COLUMNS), COLUMNS)


def by_size(packed):
    """A model that looks at the first number alone."""
    return np.nan_to_num(packed["numbers"][:, 0].astype(float))


def truth(rows):
    return (by_size(arrays(rows)) > 0.5).astype(float)


def test_the_only_column_that_the_model_reads_loses_all_and_the_others_nothing(rows):
    result = permutation_importance.auc_losses(by_size, arrays(rows), truth(rows), COLUMNS, seed=1).set_index("column")[
        "auc_loss"
    ]

    assert result["size"] == pytest.approx(0.5, abs=0.1)
    assert result.drop("size").tolist() == [0.0, 0.0, 0.0]


def test_columns_come_by_their_loss_and_then_by_name(rows):
    result = permutation_importance.auc_losses(by_size, arrays(rows), truth(rows), COLUMNS, seed=1)

    assert result["column"].tolist() == ["size", "colour", "moment", "weight"]


def test_each_column_of_each_kind_is_shuffled_alone(rows):
    whole, seen = arrays(rows), []

    def watch(packed):
        seen.append([n for n in whole for k in range(whole[n].shape[1]) if list(packed[n][:, k]) != list(whole[n][:, k])])
        return by_size(packed)

    whole = {
        "numbers": np.nan_to_num(whole["numbers"]),
        "categories": whole["categories"],
        "datetimes": np.nan_to_num(whole["datetimes"]),
    }
    permutation_importance.auc_losses(watch, whole, truth(rows), COLUMNS, seed=1)
    assert seen == [[], ["numbers"], ["numbers"], ["categories"], ["datetimes"]]


def test_the_arrays_are_left_as_they_were(rows):
    whole, before = arrays(rows), arrays(rows)
    permutation_importance.auc_losses(by_size, whole, truth(rows), COLUMNS, seed=1)

    for name, array in whole.items():
        np.testing.assert_array_equal(array, before[name])


def test_the_seed_decides_the_losses(rows):
    first, again, other = (
        permutation_importance.auc_losses(by_size, arrays(rows), truth(rows), COLUMNS, seed)["auc_loss"].tolist()
        for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_a_sample_is_random_rows_where_both_classes_are_frequent():
    truth = np.tile([0.0, 1.0], 500)

    assert (
        permutation_importance.sample_rows(truth, 300, 7).tolist()
        == np.random.default_rng(7).permutation(1000)[:300].tolist()
    )


@pytest.mark.parametrize("rare", [0.0, 1.0])
@pytest.mark.parametrize(("count", "size", "kept"), [(3, 1000, 3), (300, 1000, 100), (3, 4, 2), (3, 9000, 3)])
def test_a_sample_keeps_the_rows_of_a_rare_class(rare, count, size, kept):
    truth = np.full(8000, 1 - rare)
    truth[:count] = rare
    rows = permutation_importance.sample_rows(truth, size, 7)

    assert len(set(rows.tolist())) == len(rows) == min(size, 8000)
    assert (truth[rows] == rare).sum() >= kept


def test_progress_is_reported_after_each_column(rows):
    calls = []
    permutation_importance.auc_losses(by_size, arrays(rows), truth(rows), COLUMNS, 1, lambda: calls.append(1))

    assert len(calls) == len(COLUMNS)
