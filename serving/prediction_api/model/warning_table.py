"""The warnings of a batch by column: a thousand of them are often the same few."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Unusual = dict[str, str]
Found = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], list[Unusual]]  # rows, and the place of what each row has


@dataclass(frozen=True)
class WarningTable:
    """``different`` warnings, and the rows [w] that have them, in ascending order, with their places [w] among them."""

    rows: npt.NDArray[np.integer[Any]]
    codes: npt.NDArray[np.integer[Any]]
    different: list[Unusual]

    @classmethod
    def join(cls, parts: Iterable[Found]) -> "WarningTable":
        """The warnings of several columns; those of a row keep their order."""
        rows, codes, different = [np.empty(0, np.intp)], [np.empty(0, np.intp)], list[Unusual]()
        for rows_of_part, codes_of_part, warnings in parts:
            rows.append(rows_of_part)
            codes.append(codes_of_part + len(different))
            different += warnings
        every_row = np.concatenate(rows)
        order = np.argsort(every_row, kind="stable")
        return cls(every_row[order], np.concatenate(codes)[order], different)

    @classmethod
    def of_rows(cls, by_row: Mapping[int, list[Unusual]]) -> "WarningTable":
        """The warnings of answers, by row."""
        different = [warning for warnings in by_row.values() for warning in warnings]
        rows = np.repeat(np.array(list(by_row), np.intp), [len(warnings) for warnings in by_row.values()])
        return cls.join([(rows, np.arange(len(different)), different)])

    def by_row(self) -> dict[int, list[Unusual]]:
        """The warnings of each row; rows without a warning are left out."""
        by_row: dict[int, list[Unusual]] = {}
        for row, code in zip(self.rows.tolist(), self.codes.tolist(), strict=True):
            by_row.setdefault(row, []).append(self.different[code])
        return by_row

    def part(self, start: int, stop: int) -> "WarningTable":
        """The warnings of the rows from ``start`` to before ``stop``, which are counted from 0 again."""
        first, last = np.searchsorted(self.rows, (start, stop)).tolist()
        used, codes = np.unique(self.codes[first:last], return_inverse=True)
        return WarningTable(self.rows[first:last] - start, codes, [self.different[code] for code in used.tolist()])

    def counts(self) -> dict[str, int]:
        """How many warnings there are of each kind."""
        counts: Counter[str] = Counter()
        for warning, count in zip(self.different, np.bincount(self.codes).tolist(), strict=False):
            counts[warning["kind"]] += count
        return counts
