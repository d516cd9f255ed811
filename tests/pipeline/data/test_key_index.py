"""A key that two files of a table share is refused with both rows."""

import numpy as np
import pandas as pd
import pytest

from pipeline.data import key_index
from pipeline.data.key_index import KeyIndex
from pipeline.support.errors import TableInvalid

KEY = ("origin", "hour")


def table(*rows):
    return pd.DataFrame(rows, columns=["origin", "hour"])


def check(folder, *parts):
    keys = KeyIndex(folder / "keys", KEY, "weather")
    for number, part in enumerate(parts):
        keys.add(part, f"{number}.parquet")
    keys.finish(lambda numbers: ((number, part) for number, part in enumerate(parts) if number in numbers))


def test_keys_of_several_parts_are_all_different(tmp_path):
    check(tmp_path, table(("EWR", 1), ("JFK", 1)), table(("EWR", 2)), table(("JFK", 2)))

    assert list(tmp_path.iterdir()) == []


def test_a_key_that_two_parts_share_is_refused_with_both_files_and_rows(tmp_path):
    parts = table(("EWR", 1), ("JFK", 1)), table(("EWR", 2)), table(("LGA", 1), ("LGA", 2), ("JFK", 1))
    words = r"table weather should .* key \(origin, hour\); row 2 of 0\.parquet and row 3 of 2\.parquet both have origin JFK"

    with pytest.raises(TableInvalid, match=words):
        check(tmp_path, *parts)


def test_a_key_that_a_part_repeats_is_refused_with_its_file(tmp_path):
    with pytest.raises(TableInvalid, match=r"rows 1 and 2 of 1\.parquet both have origin EWR"):
        check(tmp_path, table(("JFK", 1)), table(("EWR", 1), ("EWR", 1)))


def test_a_row_without_a_key_is_refused_with_its_file(tmp_path):
    with pytest.raises(TableInvalid, match=r"row 2 of 0\.parquet has no hour"):
        check(tmp_path, table(("JFK", 1), ("EWR", np.nan)), table(("EWR", 1)))


def test_the_same_hash_of_different_keys_is_no_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(key_index, "_hashes", lambda keys: np.full(len(keys), 7, np.uint64))

    check(tmp_path, table(("EWR", 1), ("JFK", 1)), table(("EWR", 2)))
    with pytest.raises(TableInvalid, match=r"row 2 of 0\.parquet and row 1 of 1\.parquet"):
        check(tmp_path, table(("EWR", 1), ("JFK", 1)), table(("JFK", 1)))


def test_a_moment_is_the_same_key_in_whatever_unit_a_file_has_it(tmp_path):
    parts = [pd.DataFrame({"origin": ["EWR"], "hour": pd.to_datetime(["2013-01-01"]).as_unit(unit)}) for unit in ("s", "ns")]

    with pytest.raises(TableInvalid, match=r"row 1 of 0\.parquet and row 1 of 1\.parquet"):
        check(tmp_path, *parts)
