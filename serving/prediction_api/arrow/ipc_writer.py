"""Writes columns as an Arrow IPC stream, by nanoarrow."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import nanoarrow
import numpy as np
import numpy.typing as npt
from nanoarrow.ipc import StreamWriter

Array = Any  # of nanoarrow, which has no types


def write(columns: Mapping[str, Array]) -> bytes:
    """A stream of one batch with these columns, which are equally long."""
    stream = BytesIO()
    with StreamWriter.from_writable(stream) as writer:
        writer.serialize_stream(structs(columns))
    return stream.getvalue()


def texts(values: Sequence[str | None], codes: npt.NDArray[np.integer[Any]] | None = None) -> Array:
    """A column of utf8: the values, or those that ``codes`` [n] name by their places."""
    parts = [value.encode() if value else b"" for value in values]
    missing = np.array([value is None for value in values], bool)
    lengths = np.fromiter(map(len, parts), np.int32, len(parts))
    if codes is not None:
        missing, lengths = missing[codes], lengths[codes]
        parts = [parts[code] for code in codes.tolist()] if len(parts) != 1 else parts * len(codes)
    bitmap = np.packbits(~missing, bitorder="little") if missing.any() else None
    return nanoarrow.c_array_from_buffers(nanoarrow.string(), len(parts), [bitmap, _offsets(lengths), b"".join(parts)])


def numbers(values: npt.ArrayLike) -> Array:
    """A column of float64."""
    content = np.asarray(values, np.float64)
    return nanoarrow.c_array_from_buffers(nanoarrow.float64(), len(content), [None, content])


def booleans(values: npt.ArrayLike) -> Array:
    """A column of bool."""
    content = np.asarray(values, bool)
    return nanoarrow.c_array_from_buffers(nanoarrow.bool_(), len(content), [None, np.packbits(content, bitorder="little")])


def lists(sizes: npt.ArrayLike, items: Array) -> Array:
    """A column of lists, of which each takes as many of the items as its size says."""
    kind = nanoarrow.list_(items.schema)
    offsets = _offsets(sizes)
    return nanoarrow.c_array_from_buffers(kind, len(offsets) - 1, [None, offsets], children=[items])


def structs(columns: Mapping[str, Array]) -> Array:
    """A column of structs, whose fields are these columns."""
    kind = nanoarrow.struct({name: column.schema for name, column in columns.items()})
    length = next(iter(columns.values())).length
    return nanoarrow.c_array_from_buffers(kind, length, [None], children=list(columns.values()))


def _offsets(sizes: npt.ArrayLike) -> Any:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int32)]).astype(np.int32)
