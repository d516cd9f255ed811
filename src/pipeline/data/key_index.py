"""The keys of a table that comes in parts: no two rows share one, also where they are in two parts."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from pipeline.data import table_key

BUCKETS = 64  # files of hashes, of which one at a time is looked through: of 200 million rows 50 MB
RECORD = np.dtype([("hash", np.uint64), ("part", np.uint32), ("row", np.uint32)])
Records = npt.NDArray[np.void]
Read = Callable[[Sequence[int]], Iterable[tuple[int, pd.DataFrame]]]


class KeyIndex:
    """The 64-bit hashes of the keys of all parts, in files of ``folder``; rows with the same hash are compared."""

    def __init__(self, folder: Path, key: Sequence[str], table: str) -> None:
        self._folder, self._key, self._table = folder, list(key), table
        self._places: list[tuple[str, int]] = []
        folder.mkdir(parents=True)

    def add(self, frame: pd.DataFrame, place: str, rows_before: int = 0) -> None:
        """Adds the next part, of the file ``place``, which has ``rows_before`` others before these.

        Raises TableInvalid where a row of it has no key, or that of an earlier one of it.
        """
        table_key.check(frame, self._key, self._table, place, rows_before)
        if self._key:
            hashes = _hashes(frame[self._key])
            records = np.empty(len(hashes), RECORD)
            records["hash"], records["part"], records["row"] = hashes, len(self._places), np.arange(len(hashes))
            buckets = hashes >> np.uint64(64 - BUCKETS.bit_length() + 1)
            for bucket in np.unique(buckets):
                with (self._folder / f"{bucket:02d}").open("ab") as file:
                    file.write(records[buckets == bucket].tobytes())
        self._places.append((place, rows_before))

    def finish(self, read: Read) -> None:
        """Raises TableInvalid where two parts have a row with the same key; ``read`` gives parts by their numbers again."""
        if len(self._places) > 1:
            for file in sorted(self._folder.iterdir()):
                records = np.fromfile(file, RECORD)
                _, group, count = np.unique(records["hash"], return_inverse=True, return_counts=True)
                if len(suspects := records[count[group] > 1]):
                    self._compare(suspects, read)
        shutil.rmtree(self._folder)

    def _compare(self, suspects: Records, read: Read) -> None:
        parts = np.unique(suspects["part"]).tolist()
        rows = {part: np.sort(suspects["row"][suspects["part"] == part]) for part in parts}
        keys = []
        for part, frame in read(parts):
            place, rows_before = self._places[part]
            numbers = {table_key.PART: place, table_key.ROW: rows_before + rows[part].astype(np.int64)}
            keys.append(frame[self._key].iloc[rows[part]].assign(**numbers))
        table_key.compare(pd.concat(keys, ignore_index=True), self._key, self._table)


def _hashes(keys: pd.DataFrame) -> npt.NDArray[np.uint64]:
    """A hash of each row [n]; moments have the same one in whatever unit they are."""
    moments = [name for name in keys if types.is_datetime64_any_dtype(keys[name])]
    plain = {name: keys[name].dt.tz_localize(None).astype("datetime64[us]") for name in moments}
    return np.asarray(pd.util.hash_pandas_object(keys.assign(**plain), index=False), np.uint64)
