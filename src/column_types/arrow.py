"""The one table of types: which Arrow column stands for a number, a category or a datetime, and what becomes of its values.

| Arrow type                      | number          | category        | datetime                                |
|---------------------------------|-----------------|-----------------|-----------------------------------------|
| integers                        | as they are     | text            | refused                                 |
| floats, decimals                | as floats       | whole ones text | refused                                 |
| booleans                        | refused         | true, false     | refused                                 |
| text, UTF-8 in binary           | parsed from CSV | as it is        | parsed: ISO 8601, or the given format   |
| dates                           | refused         | refused         | midnight                                |
| timestamps                      | refused         | refused         | as they are; with a time zone, in UTC   |
| nothing at all, dictionaries    | missing; as their values                                                    |
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import isfinite
from typing import Any, Literal

import pyarrow as pa
from pyarrow import compute, types

from column_types.category_text import plain_text
from column_types.table_format import MISSING, TableFormat

Kind = Literal["number", "category", "datetime"]
Values = Any  # a pyarrow.Array or ChunkedArray
Cast = Callable[[Values], Values]
EMPTY = {"number": pa.float64(), "category": pa.string(), "datetime": pa.timestamp("s")}
EXPECTED = {
    "number": "a number",
    "category": "a category: text, whole numbers, or true and false",
    "datetime": "a date and time such as 2013-05-19T14:15:00 (of the years 1 to 9999, all with an offset from UTC, or none)",
}
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
YEAR_1, YEAR_10000 = -62_135_596_800, 253_402_300_800  # in seconds since 1970: where Python's datetimes begin and end
MOST_CHARACTERS = 60  # of a value in a message
# Codes of strptime that Arrow knows and Python does not.
PYTHON_CODES = {"%e": "%d", "%D": "%m/%d/%y", "%F": "%Y-%m-%d", "%R": "%H:%M", "%T": "%H:%M:%S", "%h": "%b"}


@dataclass(frozen=True)
class Reading:
    """How the values of a column are read: ``pattern`` is the format of datetimes as text, ``zones`` where they may be.

    In ``is_typed`` columns, those of Parquet, text is no number, and of the markers only those that were declared count.
    With ``is_text_alone`` a number or a truth value is no category.
    """

    form: TableFormat
    pattern: str | None = None
    is_typed: bool = False
    zones: Sequence[str | None] = (None, "UTC")
    is_text_alone: bool = False


class ValueInvalid(ValueError):
    """A value is not of its column's kind; ``row`` counts from 0, and is None where the whole column is of a wrong type."""

    def __init__(self, kind: Kind, value: str, row: int | None = None, pattern: str | None = None) -> None:
        expected = f"a datetime of the format {pattern}" if pattern else EXPECTED[kind]
        super().__init__(f"should be {expected}; it is {value[:MOST_CHARACTERS]}")
        self.row = row


def convert(values: Values, kind: Kind, reading: Reading) -> Values:
    """The values of a column of some ``kind``, by the table above. Raises ValueInvalid."""
    if types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if types.is_string_view(values.type):  # of which Arrow computes little
        values = values.cast(pa.string())
    if types.is_binary(values.type) or types.is_large_binary(values.type) or types.is_binary_view(values.type):
        values = _cast(values, [lambda part: part.cast(pa.string())], kind)
    if reading.is_typed and reading.form.missing != MISSING and not types.is_nested(values.type):
        plain = values.cast(pa.float64()) if types.is_decimal(values.type) else values  # -999 rather than -999.00
        is_missing = compute.is_in(plain.cast(pa.string()), pa.array(reading.form.missing, pa.string()))
        values = compute.if_else(is_missing, pa.scalar(None, values.type), values)
    if values.null_count == len(values):
        return pa.nulls(len(values), EMPTY[kind])
    casts = list(CASTS[kind](values.type, reading))
    if not casts:
        raise ValueInvalid(kind, f"of the type {values.type}")
    if kind == "datetime":
        casts = [partial(_within_years, cast=cast) for cast in casts]
    values = _cast(values, casts, kind, reading.pattern)
    return _drop_markers(values, kind, reading.form) if kind != "datetime" and reading.form.missing != MISSING else values


def _drop_markers(values: Values, kind: Kind, form: TableFormat) -> Values:
    """The values without those that mean none: a marker -999 is also -999.0, as pandas writes it."""
    if kind == "category":
        texts = {plain_text(marker) for marker in form.missing}
        markers = [text for text in values.unique().to_pylist() if text is not None and plain_text(text) in texts]
        return _drop(values, pa.array(markers, values.type)) if markers else values
    markers = []
    for marker in form.missing:
        with suppress(pa.ArrowInvalid):
            markers += _parse_number(pa.array([marker]), pa.float64(), form.decimal).to_pylist()
    if not (markers := [marker for marker in markers if isfinite(marker)]):
        return values
    return _drop(values, pa.array(markers, pa.float64()))


def _drop(values: Values, markers: pa.Array) -> Values:
    is_missing = compute.is_in(values.cast(markers.type, safe=False), markers)
    return compute.if_else(is_missing, pa.scalar(None, values.type), values)


# The ways to read a column as a kind: the first one that takes all values counts. There is none where its type is refused.


def _number_casts(arrow_type: pa.DataType, reading: Reading) -> Iterator[Cast]:
    if types.is_float16(arrow_type):  # pandas hardly computes with it
        yield lambda part: part.cast(pa.float32())
    elif types.is_integer(arrow_type) or types.is_floating(arrow_type):
        yield lambda part: part
    elif types.is_decimal(arrow_type):
        yield lambda part: part.cast(pa.float64())
    elif _is_text(arrow_type) and not reading.is_typed:
        yield partial(_parse_number, to=pa.int64(), decimal=reading.form.decimal)
        yield partial(_parse_number, to=pa.float64(), decimal=reading.form.decimal)


def _category_casts(arrow_type: pa.DataType, reading: Reading) -> Iterator[Cast]:
    if _is_text(arrow_type):
        yield _category
    elif reading.is_text_alone:
        return
    elif types.is_integer(arrow_type) or types.is_boolean(arrow_type):
        yield _category
    elif types.is_floating(arrow_type) or types.is_decimal(arrow_type):
        yield lambda part: part.cast(pa.int64()).cast(pa.string())


def _datetime_casts(arrow_type: pa.DataType, reading: Reading) -> Iterator[Cast]:
    if types.is_timestamp(arrow_type):
        if (zone := "UTC" if arrow_type.tz else None) in reading.zones:
            yield lambda part: part.cast(pa.timestamp(arrow_type.unit, zone))
    elif types.is_date(arrow_type) and None in reading.zones:
        yield lambda part: part.cast(pa.timestamp("s"))
    elif _is_text(arrow_type) and reading.pattern:
        yield partial(_parse_pattern, pattern=reading.pattern)
    elif _is_text(arrow_type):
        for zone in reading.zones:
            for unit in ("s", "us", "ns"):
                yield partial(_parse_datetime, to=pa.timestamp(unit, zone))


CASTS = {"number": _number_casts, "category": _category_casts, "datetime": _datetime_casts}


def _category(values: Values) -> Values:
    """Text, in which the empty one is no value: the model takes it for missing."""
    text = values.cast(pa.string())
    is_empty = compute.equal(text, "")
    return compute.if_else(is_empty, None, text) if compute.any(is_empty).as_py() else text


def _parse_number(text: Values, to: pa.DataType, decimal: str) -> Values:
    text = compute.utf8_trim_whitespace(text)
    if decimal != ".":
        if compute.any(compute.match_substring(text, ".")).as_py():  # 1.000 may be a thousand
            raise pa.ArrowInvalid("a point beside another decimal sign")
        text = compute.replace_substring(text, decimal, ".")
    return text.cast(to)


def _parse_datetime(text: Values, to: pa.DataType) -> Values:
    return compute.utf8_trim_whitespace(text).cast(to)


def _parse_pattern(text: Values, pattern: str) -> Values:
    """Arrow makes March 2 of February 31: Python, which refuses it, reads each value that is not written back as it was."""
    moments = compute.strptime(text, format=pattern, unit="s")
    if "%s" in pattern:  # seconds since 1970, which Python does not read
        return moments
    python_pattern = re.sub("%.", lambda code: PYTHON_CODES.get(code[0], code[0]), pattern)
    is_same = compute.equal(compute.strftime(moments, format=pattern), text)
    for value in text.filter(compute.invert(is_same)).unique().to_pylist():
        try:
            datetime.strptime(value, python_pattern)
        except ValueError as error:
            raise pa.ArrowInvalid(str(error)) from error
    return moments


def _within_years(values: Values, cast: Cast) -> Values:
    moments = cast(values)
    bounds, per_second = compute.min_max(moments.cast(pa.int64())).as_py(), PER_SECOND[moments.type.unit]
    if bounds["min"] is not None and (bounds["min"] < YEAR_1 * per_second or bounds["max"] >= YEAR_10000 * per_second):
        raise pa.ArrowInvalid("a year that Python does not have")
    return moments


def _is_text(arrow_type: pa.DataType) -> bool:
    return bool(types.is_string(arrow_type) or types.is_large_string(arrow_type))


def _cast(values: Values, casts: Sequence[Cast], kind: Kind, pattern: str | None = None) -> Values:
    """The result of the first cast that takes all values. Raises ValueInvalid for the value that ends the last of them."""
    for cast in casts:
        try:
            return cast(values)
        except pa.ArrowInvalid:
            continue
    row = max(_first_refused(cast, values) for cast in casts)
    value = values[row].cast(pa.string()) if types.is_temporal(values.type) else values[row]  # Python has no year 10000
    raise ValueInvalid(kind, repr(value.as_py()), row, pattern)


def _first_refused(cast: Cast, values: Values) -> int:
    """The row of the first value that a cast refuses, found by halves."""
    start, length = 0, len(values)
    while length > 1:
        half = length // 2
        try:
            cast(values.slice(start, half))
            start, length = start + half, length - half
        except pa.ArrowInvalid:
            length = half
    return start
