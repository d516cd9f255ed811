"""Reads the columns of an Arrow IPC stream whose schema was found good."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
from flatbuffers.table import Table

from prediction_api.arrow.arrow_types import ArrowField, ArrowType
from prediction_api.arrow.factorize import MOST_TEXT_BYTES, factorize_texts
from prediction_api.arrow.ipc_messages import (
    BROKEN,
    DICTIONARY,
    RECORDS,
    InvalidArrow,
    Message,
    UnsupportedArrow,
    int64,
    messages,
    table,
    uint8,
    vector,
)

Array = npt.NDArray[Any]


class TooManyRows(ValueError):
    """A stream with more rows than are read; ``rows`` are those that it declares so far."""

    def __init__(self, rows: int) -> None:
        super().__init__(f"{rows:,} rows")
        self.rows = rows


@dataclass(frozen=True)
class ArrowColumn:
    """The values [n] of a column, and which of them [n] are missing; of texts the values are places in ``texts``."""

    type: ArrowType
    values: Array
    missing: npt.NDArray[np.bool_]
    texts: list[str | None] = field(default_factory=list)

    def value(self, row: int) -> Any:
        """The value of a row as Python has it, None where it is missing."""
        if self.missing[row]:
            return None
        return self.texts[self.values[row]] if self.texts else self.values[row : row + 1].tolist()[0]


@dataclass
class _Buffers:
    """The buffers of a batch, which columns take one after another."""

    length: int
    nodes: list[list[int]]
    places: list[list[int]]
    body: memoryview
    none_missing: npt.NDArray[np.bool_] | None = None  # one array, which all columns without a bitmap share
    taken: int = field(default=0, init=False)

    def missing(self) -> npt.NDArray[np.bool_]:
        """Which values of a batch the next buffer, a bitmap, calls missing; without a bitmap none."""
        bits = self.next("u1")
        if len(bits):
            return _missing(bits, self.length)
        if self.none_missing is None:
            self.none_missing = np.zeros(self.length, bool)
        return self.none_missing

    def next(self, dtype: str) -> Array:
        """The next buffer as an array."""
        offset, length = self.places[self.taken]
        self.taken += 1
        if not 0 <= offset <= offset + length <= len(self.body):
            raise InvalidArrow("a buffer lies outside of its message")
        return np.frombuffer(self.body, dtype, length // np.dtype(dtype).itemsize, offset) if length else np.empty(0, dtype)


def read_columns(body: bytes, fields: Sequence[ArrowField], most_rows: int) -> list[ArrowColumn]:
    """The columns of a stream, all of its batches joined; raises InvalidArrow or TooManyRows.

    The types of all ``fields`` have a layout that is not "other".
    """
    try:
        batches = list(_batches(body, fields, most_rows))
    except BROKEN as error:
        if isinstance(error, InvalidArrow | TooManyRows):
            raise
        raise InvalidArrow("a message of it is damaged") from error
    if len(batches) == 1:
        return batches[0]
    return [_joined(field.type, [batch[place] for batch in batches]) for place, field in enumerate(fields)]


def _joined(kind: ArrowType, parts: Sequence[ArrowColumn]) -> ArrowColumn:
    if not parts:
        return ArrowColumn(kind, np.empty(0, np.intp), np.empty(0, bool))
    starts = accumulate((len(part.texts) for part in parts), initial=0)
    return ArrowColumn(
        kind,
        np.concatenate([part.values + start if start else part.values for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.missing for part in parts]),
        [text for part in parts for text in part.texts],
    )


def _batches(body: bytes, fields: Sequence[ArrowField], most_rows: int) -> Iterator[list[ArrowColumn]]:
    dictionaries: dict[int, tuple[Array, Array, Array]] = {}
    by_number = {field.dictionary: field.type for field in fields if field.dictionary is not None}
    rows = batches = 0
    for number, message in enumerate(messages(body)):
        if number == 0:
            continue
        if message.kind == DICTIONARY:
            _read_dictionary(message, by_number, dictionaries)
        elif message.kind == RECORDS:
            rows, batches = rows + int64(message.header, 0), batches + 1
            if rows > most_rows or int64(message.header, 0) < 0:
                raise TooManyRows(rows)
            if batches > most_rows:
                raise InvalidArrow(f"it has more than {most_rows:,} batches")
            buffers = _buffers(message.header, message.body)
            yield [_column(buffers, place, field, dictionaries) for place, field in enumerate(fields)]
        else:
            raise InvalidArrow("it has a message that holds neither records nor a dictionary")


def _read_dictionary(
    message: Message, types: dict[int, ArrowType], dictionaries: dict[int, tuple[Array, Array, Array]]
) -> None:
    number, data = int64(message.header, 0), table(message.header, 1)
    if data is None or number not in types:
        raise InvalidArrow("it has a dictionary of no column")
    if uint8(message.header, 2):
        raise UnsupportedArrow("it adds to a dictionary (a delta); send the whole dictionary instead")
    buffers = _buffers(data, message.body)
    dictionaries[number] = _text_buffers(buffers, buffers.nodes[0][0], types[number])


def _buffers(batch: Table, body: memoryview) -> _Buffers:
    if table(batch, 3) is not None:
        raise UnsupportedArrow("its buffers are compressed; send them as they are")
    nodes, places = (
        np.frombuffer(batch.Bytes, "<i8", 2 * count, start).reshape(-1, 2).tolist()
        for start, count in (vector(batch, number) for number in (1, 2))
    )
    return _Buffers(int64(batch, 0), nodes, places, body)


def _column(
    buffers: _Buffers, place: int, field: ArrowField, dictionaries: dict[int, tuple[Array, Array, Array]]
) -> ArrowColumn:
    rows, kind = buffers.length, field.type
    if buffers.nodes[place][0] != rows:
        raise InvalidArrow(f"the column {field.name!r} has not as many values as its batch")
    if kind.layout == "missing":
        return ArrowColumn(kind, np.full(rows, None, object), np.ones(rows, bool))
    if field.dictionary is not None:
        missing = buffers.missing()
        indices = _values(buffers.next(field.index_dtype), rows)
        return _looked_up(kind, indices, missing, dictionaries.get(field.dictionary))
    if kind.layout in ("text", "large_text"):
        missing, offsets, data = _text_buffers(buffers, rows, kind)
        codes, different = factorize_texts(offsets[:-1], offsets[1:], data)
        texts = [_text(raw) for raw in different]
        if missing.any():
            codes[missing] = len(texts)
        return ArrowColumn(kind, codes, missing, [*texts, None])
    missing = buffers.missing()
    if kind.layout == "bool":
        return ArrowColumn(kind, _bits(buffers.next("u1"), rows).astype(bool), missing)
    return ArrowColumn(kind, _values(buffers.next(kind.dtype), rows), missing)


def _values(values: Array, rows: int) -> Array:
    if not 0 <= rows <= len(values):
        raise InvalidArrow("a buffer is shorter than its column")
    return values[:rows]


def _missing(bits: Array, rows: int) -> npt.NDArray[np.bool_]:
    return _bits(bits, rows) == 0 if len(bits) else np.zeros(rows, bool)


def _bits(bits: Array, rows: int) -> Array:
    return np.unpackbits(_values(bits, -(-rows // 8)), count=rows, bitorder="little")


def _text_buffers(buffers: _Buffers, rows: int, kind: ArrowType) -> tuple[Array, Array, Array]:
    """Which texts are missing, where they begin and end in the bytes, and the bytes."""
    bits, offsets, data = buffers.next("u1"), buffers.next(kind.dtype), buffers.next("u1")
    offsets = _values(offsets, rows + 1) if rows else np.zeros(1, kind.dtype)
    if offsets[0] < 0 or (offsets[1:] < offsets[:-1]).any() or offsets[-1] > len(data):
        raise InvalidArrow("the offsets of a column of texts are not in order")
    return _missing(bits, rows), offsets, data


def _text(raw: bytes) -> str:
    if len(raw) > MOST_TEXT_BYTES:
        return raw[:MOST_TEXT_BYTES].decode(errors="ignore")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidArrow("a text is not in UTF-8") from error


def _looked_up(
    kind: ArrowType, indices: Array, missing: npt.NDArray[np.bool_], dictionary: tuple[Array, Array, Array] | None
) -> ArrowColumn:
    """The values of a column that holds only indices; of the dictionary no more is decoded than they name."""
    used = np.unique(indices[~missing])
    if dictionary is None:
        if len(used):
            raise InvalidArrow("a dictionary is missing")
        return ArrowColumn(kind, np.zeros(len(indices), np.intp), missing, [None])
    gaps, offsets, data = dictionary
    if len(used) and not 0 <= used[0] <= used[-1] < len(gaps):
        raise InvalidArrow("an index lies outside of its dictionary")
    texts = [_dictionary_text(number, gaps, offsets, data) for number in used.tolist()]
    codes = np.where(missing, len(used), np.searchsorted(used, indices))
    is_gap = np.array([text is None for text in (*texts, None)])
    return ArrowColumn(kind, codes, is_gap[codes], [*texts, None])


def _dictionary_text(number: int, gaps: Array, offsets: Array, data: Array) -> str | None:
    start, end = int(offsets[number]), int(offsets[number + 1])
    return None if gaps[number] else _text(data[start : min(end, start + MOST_TEXT_BYTES + 1)].tobytes())
