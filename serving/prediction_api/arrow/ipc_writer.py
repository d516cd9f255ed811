"""Writes columns as an Arrow IPC stream, by nanoarrow."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import nanoarrow
import numpy as np
from nanoarrow.ipc import StreamWriter

Array = Any  # of nanoarrow, which has no types


def write(columns: Mapping[str, Array]) -> bytes:
    """A stream of one batch with these columns, which are equally long."""
    stream = BytesIO()
    with StreamWriter.from_writable(stream) as writer:
        writer.serialize_stream(structs(columns))
    return stream.getvalue()


def texts(values: Sequence[str | None]) -> Array:
    """A column of utf8."""
    parts = [value.encode() if value else b"" for value in values]
    missing = np.array([value is None for value in values], bool)
    bitmap = np.packbits(~missing, bitorder="little") if missing.any() else None
    return nanoarrow.c_array_from_buffers(
        nanoarrow.string(), len(parts), [bitmap, _offsets([len(part) for part in parts]), b"".join(parts)]
    )


def numbers(values: Sequence[float]) -> Array:
    """A column of float64."""
    return nanoarrow.c_array_from_buffers(nanoarrow.float64(), len(values), [None, np.array(values, np.float64)])


def truths(values: Sequence[bool]) -> Array:
    """A column of bool."""
    bits = np.packbits(np.array(values, bool), bitorder="little")
    return nanoarrow.c_array_from_buffers(nanoarrow.bool_(), len(values), [None, bits])


def lists(sizes: Sequence[int], items: Array) -> Array:
    """A column of lists, of which each takes as many of the items as its size says."""
    kind = nanoarrow.list_(items.schema)
    return nanoarrow.c_array_from_buffers(kind, len(sizes), [None, _offsets(sizes)], children=[items])


def structs(columns: Mapping[str, Array]) -> Array:
    """A column of structs, whose fields are these columns."""
    kind = nanoarrow.struct({name: column.schema for name, column in columns.items()})
    length = next(iter(columns.values())).length
    return nanoarrow.c_array_from_buffers(kind, length, [None], children=list(columns.values()))


def _offsets(sizes: Sequence[int]) -> Any:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int32)]).astype(np.int32)
