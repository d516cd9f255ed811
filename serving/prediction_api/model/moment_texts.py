"""Reads datetimes of the form 2013-05-19T14:15:00 (with Z where the column has a time zone), all at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from column_types.table_format import TableFormat
from prediction_api.model.artifact import Column
from prediction_api.model.column_batch import Moments

FORM = np.frombuffer(b"0000-00-00T00:00:00", np.uint8)
MOST = np.where(ord("0") == FORM, 9, 0)  # how far a character may lie above that of FORM
YEAR_1 = np.datetime64("0001-01-01")


def read(column: Column, form: TableFormat, codes: npt.NDArray[np.integer], texts: Sequence[str | None]) -> Moments | None:
    """Datetimes by their places [n], ``codes``, among different texts, of which None is missing.

    None where a text has another form, is no datetime, or is one that the table's format calls missing.
    """
    present = np.array([text is not None for text in texts], bool)
    written = [text for text in texts if text is not None]
    if column.nullable and not set(form.missing).isdisjoint(written):
        return None
    moments = np.zeros(len(texts), "datetime64[us]")
    if written:
        try:
            moments[present] = _clocks(written, "Z" if column.time_zone else "")
        except ValueError:
            return None
    return Moments(moments.astype(np.int64)[codes], ~present[codes], bool(column.time_zone))


def _clocks(texts: Sequence[str], end: str) -> npt.NDArray[np.datetime64]:
    """Datetimes [n] of texts that end with ``end``; raises ValueError where one has another form or is no datetime."""
    if set(map(len, texts)) != {len(FORM) + len(end)}:
        raise ValueError("another form")
    characters = np.frombuffer("".join(texts).encode("ascii"), np.uint8).reshape(len(texts), -1)
    clocks = np.ascontiguousarray(characters[:, : len(FORM)])
    if (clocks - FORM > MOST).any() or (characters[:, len(FORM) :] != list(end.encode())).any():
        raise ValueError("another form")
    moments = clocks.view(f"S{len(FORM)}")[:, 0].astype("datetime64[us]")
    if moments.min() < YEAR_1:
        raise ValueError("a year before 1")
    return moments
