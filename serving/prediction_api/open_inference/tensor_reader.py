"""Reads the tensors of an inference request as columns, one value a row."""

from collections.abc import Sequence
from itertools import chain
from struct import Struct
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from prediction_api.arrow.arrow_types import ArrowField, ArrowType
from prediction_api.arrow.factorize import MOST_TEXT_BYTES, factorize, factorize_texts
from prediction_api.arrow.ipc_reader import ArrowColumn
from prediction_api.errors import MOST_SHOWN
from prediction_api.open_inference.infer_request import InferRequest, InputTensor, InvalidTensors

NUMBERS = {
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip
TYPES = {
    **{name: ArrowType("number", name, dtype) for name, dtype in NUMBERS.items()},
    "BOOL": ArrowType("bool", "BOOL", "|u1"),
    "BYTES": ArrowType("text", "BYTES"),
}
LENGTH = Struct("<I")  # before each text of a binary tensor
MISSING = ""  # tensors have no other text for what is missing
JSON_NAMES = {str: "text", list: "an array", dict: "an object", bool: "a boolean", int: "an integer", float: "a fraction"}
Places = npt.NDArray[np.intp]


def fields(request: InferRequest) -> list[ArrowField]:
    """The names and types of the inputs; the layout of a type that is not known is "other"."""
    return [
        ArrowField(tensor.name, TYPES.get(tensor.datatype) or ArrowType("other", tensor.datatype[:MOST_SHOWN]))
        for tensor in request.header.inputs
    ]


def row_count(tensor: InputTensor) -> int | None:
    """How many rows a tensor of shape [n] or [n, 1] declares; None for another shape."""
    return tensor.shape[0] if tensor.shape and tensor.shape[1:] in ([], [1]) else None


def read_columns(request: InferRequest, rows: int) -> list[ArrowColumn]:
    """The inputs, whose types are known and which declare so many rows, as columns; raises InvalidTensors."""
    none_missing = np.zeros(rows, bool)  # one array, which all columns without gaps share
    inputs = zip(request.header.inputs, request.contents, strict=True)
    return [
        _from_json(tensor, rows) if content is None else _from_bytes(tensor, content, none_missing)
        for tensor, content in inputs
    ]


def _from_bytes(tensor: InputTensor, content: memoryview, none_missing: npt.NDArray[np.bool_]) -> ArrowColumn:
    kind, rows = TYPES[tensor.datatype], len(none_missing)
    if kind.layout == "text":
        data = np.frombuffer(content, np.uint8)
        return _text_column(*factorize_texts(*_text_bounds(tensor, content, rows), data), tensor)
    expected = rows * np.dtype(kind.dtype).itemsize
    if len(content) != expected:
        raise InvalidTensors(f"{_named(tensor)} should have {expected:,} bytes; it has {len(content):,}")
    values = np.frombuffer(content, kind.dtype)
    if kind.layout == "bool" and (values > 1).any():
        raise InvalidTensors(f"{_named(tensor)} should hold the bytes 0 and 1; it holds {values.max()}")
    return _column(kind, values, none_missing)


def _text_bounds(tensor: InputTensor, content: memoryview, rows: int) -> tuple[Places, Places]:
    """Where the texts [rows] of a binary tensor begin and end; before each is its length."""
    size = LENGTH.size + int.from_bytes(content[: LENGTH.size], "little")
    if rows * size == len(content):  # texts of one length, as codes and times have, need no loop
        lengths = np.ndarray(rows, LENGTH.format, content, strides=(size,))
        if (lengths == lengths[0]).all():
            steps = np.arange(rows) * size
            return steps + LENGTH.size, steps + size
    starts, ends, end = list[int](), list[int](), 0
    for row in range(rows):
        start = end + LENGTH.size
        if start > len(content) or (end := start + LENGTH.unpack_from(content, end)[0]) > len(content):
            raise InvalidTensors(f"{_named(tensor)} ends within its value {row:,} of {rows:,}")
        starts.append(start)
        ends.append(end)
    if end < len(content):
        raise InvalidTensors(f"{_named(tensor)} has {len(content) - end:,} bytes after its last value")
    return np.array(starts), np.array(ends)


def _from_json(tensor: InputTensor, rows: int) -> ArrowColumn:
    kind = TYPES[tensor.datatype]
    values = _flat(tensor, rows)
    types = set(map(type, values))
    if wrong := types - _json_types(kind):
        names = " and ".join(sorted(JSON_NAMES[type_] for type_ in wrong))
        raise InvalidTensors(f"{_named(tensor)} should hold values of its type; it holds {names}")
    if kind.layout == "text":
        return _text_column(*factorize([(value or MISSING).encode() for value in values]), tensor)
    missing = np.zeros(rows, bool)
    if NoneType in types:
        missing[:] = [value is None for value in values]
        values = [0 if value is None else value for value in values]
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is outside of every range
            return _column(kind, np.array(values, kind.dtype), missing)
    except OverflowError as error:
        raise InvalidTensors(f"{_named(tensor)} holds a number that the type cannot hold") from error


def _json_types(kind: ArrowType) -> set[type]:
    if kind.layout in ("text", "bool"):
        return {str if kind.layout == "text" else bool, NoneType}
    return {int, NoneType} if kind.dtype[1] in "iu" else {int, float, NoneType}


def _flat(tensor: InputTensor, rows: int) -> Sequence[Any]:
    """The values of a tensor, which may be given flat or as its shape has them."""
    values = tensor.data or []
    if len(tensor.shape) > 1 and all(type(row) is list and len(row) == 1 for row in values):
        values = list(chain.from_iterable(values))
    if len(values) != rows:
        raise InvalidTensors(f"{_named(tensor)} should hold {rows:,} values; it holds {len(values):,}")
    return values


def _column(kind: ArrowType, values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> ArrowColumn:
    return ArrowColumn(kind, values.astype(bool) if kind.layout == "bool" else values, missing)


def _text_column(codes: npt.NDArray[np.intp], different: list[bytes], tensor: InputTensor) -> ArrowColumn:
    """A column of texts, of which an empty one is missing, as tensors have no other way to say so."""
    texts = [_text(raw, tensor) or None for raw in different]
    is_missing = np.array([text is None for text in texts], bool)
    return ArrowColumn(TYPES["BYTES"], codes, is_missing[codes], texts)


def _text(raw: bytes, tensor: InputTensor) -> str:
    if len(raw) > MOST_TEXT_BYTES:
        return raw[:MOST_TEXT_BYTES].decode(errors="ignore")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidTensors(f"{_named(tensor)} holds a text that is not in UTF-8") from error


def _named(tensor: InputTensor) -> str:
    return f"the input {tensor.name[:MOST_SHOWN]!r} of type {tensor.datatype}"
