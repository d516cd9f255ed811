"""Values as places among the different ones."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

KEY_BYTES = 7
MOST_TEXT_BYTES = 2048  # more of a text is cut: no category is as long


def factorize(values: Iterable[Any]) -> tuple[npt.NDArray[np.intp], list[Any]]:
    """The places [n] of values among the different ones, and these, in the order in which they come."""
    places: dict[Any, int] = {}
    codes = np.array([places.setdefault(value, len(places)) for value in values], np.intp)
    return codes, list(places)


def factorize_texts(
    starts: npt.NDArray[Any], ends: npt.NDArray[Any], data: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.intp], list[bytes]]:
    """The places [n] of texts among the different ones, and the bytes of these, of long ones one more than is read.

    ``starts`` and ``ends`` [n] say where the texts are in ``data``.
    """
    raw, lengths = data.tobytes(), ends - starts
    if not 0 < lengths.max(initial=0) <= KEY_BYTES:
        cut = np.minimum(ends, starts + (MOST_TEXT_BYTES + 1)).tolist()
        return factorize([raw[start:end] for start, end in zip(starts.tolist(), cut, strict=True)])
    # Short texts and their lengths are numbers of 64 bits, which numpy compares faster than Python makes them texts.
    keys = np.zeros((len(lengths), KEY_BYTES + 1), np.uint8)
    keys[:, KEY_BYTES] = lengths
    for place in range(int(lengths.max())):
        keys[:, place] = np.where(lengths > place, data.take(starts + place, mode="clip"), 0)
    _, first, codes = np.unique(keys.view(np.uint64)[:, 0], return_index=True, return_inverse=True)
    return codes, [raw[starts[row] : ends[row]] for row in first.tolist()]
