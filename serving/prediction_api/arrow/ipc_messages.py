"""The messages of an Arrow IPC stream: metadata as a flatbuffer, followed by the buffers that it describes.

The format: https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format. Streams come from strangers, so each
length in them is held to the bytes that are there, and only Python and numpy read them. nanoarrow 0.9 and arro3-io 0.9 read
faster, but on streams with some bytes changed both ended the process.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from flatbuffers import number_types
from flatbuffers.table import Table

CONTINUATION = b"\xff\xff\xff\xff"
PREFIX_BYTES, ALIGNMENT = 8, 8
SCHEMA, DICTIONARY, RECORDS = 1, 2, 3  # of the union MessageHeader
MOST_MESSAGES = 5_000
# What flatbuffers, struct and numpy raise where an offset or a length in a message points outside of it.
BROKEN = (struct.error, TypeError, ValueError, IndexError, OverflowError)


class InvalidArrow(ValueError):
    """A body that is no Arrow IPC stream; says what is wrong with it."""


class UnsupportedArrow(InvalidArrow):
    """An Arrow IPC stream with a feature that is not taken, such as compression."""


@dataclass(frozen=True)
class Message:
    """The kind of a message, its metadata, the header in it, and its buffers."""

    kind: int
    metadata: bytes
    header: Table
    body: memoryview


def messages(body: bytes) -> Iterator[Message]:
    """The messages of a stream up to its end; raises InvalidArrow."""
    view, start = memoryview(body), 0
    for _ in range(MOST_MESSAGES):
        if start == len(body):
            return
        if body[start : start + 4] != CONTINUATION or len(body) - start < PREFIX_BYTES:
            raise InvalidArrow(f"no message begins at byte {start:,}")
        size = int.from_bytes(body[start + 4 : start + PREFIX_BYTES], "little", signed=True)
        start += PREFIX_BYTES
        if size == 0:
            if start < len(body):
                raise InvalidArrow(f"{len(body) - start:,} bytes follow its end")
            return
        if not 0 < size <= len(body) - start or size % ALIGNMENT:
            raise InvalidArrow(f"a message at byte {start:,} says that it has {size:,} bytes; {len(body) - start:,} follow")
        message = _message(body[start : start + size], view[start + size :])
        yield message
        start += size + len(message.body)
    raise InvalidArrow(f"it has more than {MOST_MESSAGES:,} messages")


def _message(metadata: bytes, rest: memoryview) -> Message:
    try:
        root = Table(metadata, int.from_bytes(metadata[:4], "little"))
        kind, header, length = uint8(root, 1), table(root, 2), int64(root, 3)
    except BROKEN as error:
        raise InvalidArrow("the metadata of a message are damaged") from error
    if header is None or not 0 <= length <= len(rest):
        raise InvalidArrow(f"a message says that {length:,} bytes of buffers follow; {len(rest):,} do")
    return Message(kind, metadata, header, rest[:length])


# Fields of a flatbuffer's table, by their place in its declaration; absent ones have the default of Arrow's declarations.


def _place(holder: Table, number: int) -> int:
    offset: int = holder.Offset(4 + 2 * number)
    return holder.Pos + offset if offset else 0


def _number(flags: Any, holder: Table, number: int) -> int:
    place = _place(holder, number)
    return holder.Get(flags, place) if place else 0


uint8 = partial(_number, number_types.Uint8Flags)  # of a union the kind, or a boolean
int16 = partial(_number, number_types.Int16Flags)  # such as an enumeration
int32 = partial(_number, number_types.Int32Flags)
int64 = partial(_number, number_types.Int64Flags)


def text(holder: Table, number: int) -> str | None:
    """A text; None where it is absent."""
    place = _place(holder, number)
    return holder.String(place).decode() if place else None


def table(holder: Table, number: int) -> Table | None:
    """A table within a table; None where it is absent."""
    place = _place(holder, number)
    return Table(holder.Bytes, holder.Indirect(place)) if place else None


def vector(holder: Table, number: int) -> tuple[int, int]:
    """Where the elements of a vector begin, and how many it has."""
    place = _place(holder, number)
    if not place:
        return 0, 0
    offset = place - holder.Pos
    return holder.Vector(offset), holder.VectorLen(offset)


def tables(holder: Table, number: int) -> Iterator[Any]:
    """The tables of a vector."""
    start, count = vector(holder, number)
    for place in range(start, start + 4 * count, 4):
        yield Table(holder.Bytes, holder.Indirect(place))
