"""Packed rows in parts, of which no more than one needs to be in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Parts:
    """Rows in parts of ``sizes`` rows; ``load`` gives the part of a number, a frame from ``model_inputs.pack``."""

    sizes: tuple[int, ...]
    load: Callable[[int], pd.DataFrame]

    @classmethod
    def held(cls, packed: pd.DataFrame) -> "Parts":
        """One part, which is in memory already."""
        return cls((len(packed),), partial(_same, packed))

    def spans(self) -> list[slice]:
        """The places of the rows of each part among all rows."""
        ends = np.cumsum([0, *self.sizes]).tolist()
        return [slice(start, end) for start, end in pairwise(ends)]

    def __iter__(self) -> Iterator[tuple[slice, pd.DataFrame]]:
        """Each part, after the places of its rows among all rows."""
        return ((span, self.load(number)) for number, span in enumerate(self.spans()))


def _same(packed: pd.DataFrame, _: int) -> pd.DataFrame:
    return packed
