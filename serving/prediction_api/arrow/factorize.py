"""Values as places among the different ones."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt


def factorize(values: Iterable[Any]) -> tuple[npt.NDArray[np.intp], list[Any]]:
    """The places [n] of values among the different ones, and these, in the order in which they come."""
    places: dict[Any, int] = {}
    codes = np.array([places.setdefault(value, len(places)) for value in values], np.intp)
    return codes, list(places)
