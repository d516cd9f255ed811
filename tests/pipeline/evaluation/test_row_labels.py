"""Labels are the same in whatever partitions a table is read."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.row_labels import RowLabels, Slicing

BY = Slicing(("colour", "moment.hour", "size"), "moment.date", smallest=20)


@pytest.fixture
def table():
    random = np.random.default_rng(2)
    rows = pd.DataFrame({"truth": random.integers(0, 2, 300), "colour": random.choice(["red", "blue", "rare"], 300)})
    rows["moment"] = pd.Timestamp("2013-01-01") + pd.to_timedelta(np.arange(300), "h")
    rows["size"] = random.integers(1, 4, 300).astype(float)
    rows.loc[100:130, ["moment", "colour", "size"]] = None
    return rows.sample(frac=1, random_state=1)


@pytest.mark.parametrize("size", [1, 7, 100, 299])
def test_any_cut_gives_the_same_labels(table, size):
    whole = RowLabels.from_tables([table], "truth", BY)
    cut = RowLabels.from_tables((table[start : start + size] for start in range(0, 300, size)), "truth", BY)

    assert cut.truth.tolist() == whole.truth.tolist() == (table["truth"] == 1).tolist()
    assert cut.groups.tolist() == whole.groups.tolist()
    for name, labels in whole.slices.items():
        assert cut.slices[name].values == labels.values
        assert cut.slices[name].codes.tolist() == labels.codes.tolist()
    assert sum(cut.partitions) == 300
    assert max(cut.partitions) == size


def test_labels_are_those_of_the_rows(table):
    labels = RowLabels.from_tables([table], "truth", BY)
    colours = labels.slices["colour"]

    assert [colours.values[code] for code in colours.codes] == table["colour"].fillna("missing").tolist()
    assert "01" in labels.slices["size"].values
    assert labels.groups.max() == table["moment"].dt.date.nunique()
    assert labels.parts == 1 + sum(len(sliced.values) for sliced in labels.slices.values())


def test_a_label_takes_one_byte_where_there_are_few(table):
    labels = RowLabels.from_tables([table], "truth", BY)

    assert {labels.groups.dtype, labels.truth.dtype, *(sliced.codes.dtype for sliced in labels.slices.values())} == {
        np.dtype(np.uint8),
        np.dtype(bool),
    }


def test_without_a_group_each_row_is_drawn_alone(table):
    assert RowLabels.from_tables([table], "truth", Slicing((), None)).groups.tolist() == [*range(300)]


def test_the_columns_of_slices_and_groups_are_named():
    by = Slicing(("colour", "moment.hour", "Area.Name"), "moment.date")

    assert by.columns({"colour", "moment", "Area.Name"}) == ["colour", "moment", "Area.Name", "moment"]
    assert Slicing((), None).columns(()) == []
