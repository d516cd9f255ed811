"""Draws rows of a table by a hash of their numbers: the same rows, however the table is cut into partitions."""

import numpy as np
import numpy.typing as npt

BLOCK = 1 << 20  # numbers that are hashed at a time
Hashes = npt.NDArray[np.uint64]


def draw_rows(total: int, size: int, seed: int) -> npt.NDArray[np.int64]:
    """The sorted numbers [size] of the rows, of ``total``, whose hashes are the smallest.

    Memory grows with ``size``, not with ``total``.
    """
    rows, hashes = np.empty(0, np.int64), np.empty(0, np.uint64)
    for start in range(0, total, BLOCK):
        block = np.arange(start, min(start + BLOCK, total))
        rows, hashes = np.concatenate([rows, block]), np.concatenate([hashes, hash_rows(block, seed)])
        if len(rows) > size:
            smallest = np.argpartition(hashes, size - 1)[:size]
            rows, hashes = rows[smallest], hashes[smallest]
    return np.sort(rows)


def hash_rows(rows: npt.NDArray[np.int64], seed: int) -> Hashes:
    """The hash [n] of each row number: splitmix64 (Steele, Lea and Flood 2014), which gives no two numbers the same hash."""
    start = _mix(np.array([seed], np.uint64))
    return _mix(start + (rows.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))


def _mix(bits: Hashes) -> Hashes:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
