"""A table in which two rows have the same key, or one has none, is refused by row and value."""

import numpy as np
import pandas as pd
import pytest

from pipeline.data import table_key
from pipeline.support.errors import TableInvalid


def test_a_key_is_different_in_every_row():
    table = pd.DataFrame({"origin": ["EWR", "JFK", "EWR"], "hour": [1.0, 1.0, 2.0]})

    table_key.check(table, ("origin", "hour"), "weather")
    table_key.check(table, (), "weather")


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([("EWR", 1.0), ("JFK", 1.0), ("JFK", 2.0), ("JFK", 1.0)], "rows 2 and 4 both have origin JFK, hour 1.0"),
        ([("EWR", 1.0), ("EWR", np.nan), ("EWR", 1.0)], "row 2 has no hour"),
        ([("EWR", 1.0), (None, None)], "row 2 has no origin, hour"),
    ],
)
def test_a_key_that_is_missing_or_repeated_is_refused_with_its_rows_and_values(rows, fault):
    with pytest.raises(TableInvalid, match=rf"table weather should have its own key \(origin, hour\); {fault}\. Correct"):
        table_key.check(pd.DataFrame(rows, columns=["origin", "hour"]), ("origin", "hour"), "weather")
