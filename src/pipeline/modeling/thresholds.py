"""Thresholds of trees in single precision, as the graph holds them."""

from typing import Any

import numpy as np
import numpy.typing as npt


def to_single_precision(thresholds: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The largest single-precision numbers that are not above the thresholds.

    A value goes left where it is at most the threshold. A threshold that is rounded up onto a single-precision value would
    send that value the other way; the next number below divides such values as before.
    """
    with np.errstate(over="ignore"):
        single = thresholds.astype(np.float32)
    return np.where(single > thresholds, np.nextafter(single, np.float32(-np.inf)), single)
