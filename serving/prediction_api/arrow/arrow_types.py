"""The schema of an Arrow IPC stream: the names and types of its columns."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from flatbuffers.table import Table

from prediction_api.arrow.ipc_messages import (
    BROKEN,
    SCHEMA,
    InvalidArrow,
    Message,
    UnsupportedArrow,
    int16,
    int32,
    int64,
    messages,
    table,
    tables,
    text,
    uint8,
    vector,
)

Layout = Literal["missing", "number", "bool", "text", "large_text", "timestamp", "other"]
NULL, INT, FLOAT, UTF8, BOOL, TIMESTAMP, LARGE_UTF8 = 1, 2, 3, 5, 6, 10, 20
OTHERS = {
    4: "binary", 7: "decimal", 8: "date", 9: "time", 11: "interval", 12: "list", 13: "struct", 14: "union",
    15: "fixed_size_binary", 16: "fixed_size_list", 17: "map", 18: "duration", 19: "large_binary", 21: "large_list",
    22: "run_end_encoded", 23: "binary_view", 24: "utf8_view", 25: "list_view", 26: "large_list_view",
}  # fmt: skip
FLOATS, UNITS = ("float16", "float32", "float64"), ("s", "ms", "us", "ns")
WIDTHS = (8, 16, 32, 64)
CACHED_BYTES = 2**16  # of the metadata of a schema; callers send the same one again and again


@dataclass(frozen=True)
class ArrowType:
    """The type of a column: the layout of its values, their numpy type, its name, and of timestamps unit and zone."""

    layout: Layout
    name: str
    dtype: str = ""
    unit: str = ""
    zone: str | None = None


@dataclass(frozen=True)
class ArrowField:
    """A column: its name and type; ``dictionary`` is the number of the dictionary that holds its values, if one does."""

    name: str
    type: ArrowType
    dictionary: int | None = None
    index_dtype: str = ""


def read_schema(body: bytes, most_columns: int) -> tuple[ArrowField, ...]:
    """The columns that a stream declares; raises InvalidArrow, also for more than ``most_columns``."""
    first = next(messages(body), None)
    if first is None or first.kind != SCHEMA:
        raise InvalidArrow("its first message is no schema")
    try:
        if (count := vector(first.header, 1)[1]) > most_columns:
            raise InvalidArrow(f"it has {count:,} columns, more than the {most_columns:,} that are read")
        return _cached_fields(first.metadata) if len(first.metadata) <= CACHED_BYTES else _fields(first)
    except BROKEN as error:
        if isinstance(error, InvalidArrow):
            raise
        raise InvalidArrow("its schema is damaged") from error


@lru_cache(64)
def _cached_fields(metadata: bytes) -> tuple[ArrowField, ...]:
    size = len(metadata).to_bytes(4, "little")
    return _fields(next(messages(b"\xff\xff\xff\xff" + size + metadata)))


def _fields(message: Message) -> tuple[ArrowField, ...]:
    if int16(message.header, 0):
        raise UnsupportedArrow("its numbers are big-endian")
    return tuple(_field(field) for field in tables(message.header, 1))


def _field(field: Table) -> ArrowField:
    name, found, encoding = text(field, 0) or "", _type(uint8(field, 2), table(field, 3)), table(field, 4)
    if encoding is None:
        return ArrowField(name, found)
    index = table(encoding, 1)
    dtype = "<i4" if index is None else _integer(index)
    if not dtype or found.layout not in ("text", "large_text"):
        return ArrowField(name, ArrowType("other", f"dictionary of {found.name}"))
    return ArrowField(name, found, int64(encoding, 0), dtype)


def _type(kind: int, details: Table | None) -> ArrowType:
    if kind in (INT, FLOAT, TIMESTAMP) and details is None:
        raise InvalidArrow("its schema is damaged")
    if kind == NULL:
        return ArrowType("missing", "null")
    if kind == INT and (dtype := _integer(details)):
        return ArrowType("number", f"{'u' if dtype[1] == 'u' else ''}int{8 * int(dtype[2])}", dtype)
    if kind == FLOAT and (precision := int16(details, 0)) in (0, 1, 2):
        return ArrowType("number", FLOATS[precision], f"<f{2 << precision}")
    if kind == TIMESTAMP and (unit := int16(details, 0)) in (0, 1, 2, 3):
        zone = text(details, 1) or None
        return ArrowType("timestamp", f"timestamp[{UNITS[unit]}{f', tz={zone}' if zone else ''}]", "<i8", UNITS[unit], zone)
    if kind in (UTF8, LARGE_UTF8):
        return ArrowType("text", "utf8", "<i4") if kind == UTF8 else ArrowType("large_text", "large_utf8", "<i8")
    return ArrowType("bool", "bool") if kind == BOOL else ArrowType("other", OTHERS.get(kind, "unknown"))


def _integer(details: Table) -> str:
    """The numpy type of an integer type; empty where there is none."""
    width = int32(details, 0)
    return f"<{'i' if uint8(details, 1) else 'u'}{width // 8}" if width in WIDTHS else ""
