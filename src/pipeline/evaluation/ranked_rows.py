"""Rows in the order of their probability, in a few bytes each: what the metrics of a large table are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation import metrics


@dataclass(frozen=True)
class RankedRows:
    """Rows from the highest ``probability`` [n] to the lowest, their ``truth`` [n] and the group that each is drawn with.

    ``groups`` [n] are numbers from 0 without a gap.
    """

    probability: npt.NDArray[Any]
    truth: npt.NDArray[np.bool_]
    groups: npt.NDArray[Any]

    @classmethod
    def from_rows(cls, truth: npt.ArrayLike, probability: npt.ArrayLike, groups: npt.ArrayLike) -> "RankedRows":
        """Sorts rows; those of one probability keep their order."""
        order = metrics.rank(np.asarray(probability))
        return cls(np.asarray(probability)[order], np.asarray(truth)[order].astype(bool), np.asarray(groups)[order])

    def select(self, rows: npt.NDArray[np.intp]) -> "RankedRows":
        """Some rows, by their numbers in ascending order, with groups numbered anew in the order of their numbers."""
        groups = self.groups[rows]
        is_present = np.zeros(int(self.groups.max()) + 1, bool)
        is_present[groups] = True
        numbers = (np.cumsum(is_present) - 1).astype(self.groups.dtype)
        return RankedRows(self.probability[rows], self.truth[rows], numbers[groups])

    def __len__(self) -> int:
        return len(self.truth)
