"""A batch of predictions as one line of the outbox: arrays, which are written in the time that a few JSON lines take.

JSON lines of a thousand predictions take as long as the model. So a batch is kept as it was predicted, by column, and
becomes the lines of its predictions when it is delivered: the same to the byte as those of predictions one by one. A line
holds all that it takes to make them; a model that has been replaced meanwhile is not asked.

What is packed: how many bytes of header follow, the header in JSON, the arrays in its order.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json, to_json

from prediction_api.column_predictions import ColumnPredictions, consecutive_ids
from prediction_api.model.column_batch import Categories, ColumnBatch, Moments
from prediction_api.model.warning_table import WarningTable
from prediction_api.outbox.json_lines import prediction_lines
from prediction_api.outbox.log_lines import is_packed, packed_content, packed_line

MOST_ROWS, MOST_BYTES = 1000, 2**19  # of a line, which is delivered as a whole
HEADER_BYTES = 4
ROWS_AT_ONCE = 100  # the event loop waits no longer than for these
PAUSE_SECONDS = 0.0005  # after them, in which it goes on
Array = npt.NDArray[Any]


def pack(predictions: ColumnPredictions, beside: Mapping[str, Any], batch: ColumnBatch, names: Sequence[str]) -> list[bytes]:
    """The lines of a batch: predictions, what is stored ``beside`` them, and the columns in the order of ``names``."""
    row_bytes = 8 * (1 + batch.matrix.shape[0] + len(batch.categories) + len(batch.datetimes))
    rows = max(1, min(MOST_ROWS, MOST_BYTES // row_bytes))
    columns = [name for name in names if name in {*batch.number_names, *batch.categories, *batch.datetimes}]
    return [
        _pack_rows(predictions, beside, batch, columns, slice(start, min(start + rows, batch.rows)))
        for start in range(0, batch.rows, rows)
    ]


def _pack_rows(
    predictions: ColumnPredictions,
    beside: Mapping[str, Any],
    batch: ColumnBatch,
    columns: Sequence[str],
    rows: slice,
) -> bytes:
    warnings = predictions.warnings.part(rows.start, rows.stop)
    arrays = {"probabilities": predictions.probabilities[rows], "numbers": _narrowed(batch.matrix[:, rows])}
    texts: dict[str, list[str | None]] = {}
    for name, categories in batch.categories.items():
        used, codes = np.unique(categories.codes[rows], return_inverse=True)
        texts[name] = [categories.texts[code] for code in used.tolist()]
        arrays[f"codes.{name}"] = codes.astype(np.min_scalar_type(len(used)))
    for name, moments in batch.datetimes.items():
        arrays[f"microseconds.{name}"] = moments.microseconds[rows]
        arrays[f"missing.{name}"] = moments.missing[rows]
    arrays["warning_rows"], arrays["warning_codes"] = warnings.rows, warnings.codes
    header = {
        "first_id": predictions.prediction_ids[rows.start],
        "threshold": predictions.threshold,
        "model_version": predictions.model_version,
        "beside": beside,
        "columns": columns,
        "number_names": batch.number_names,
        "texts": texts,
        "is_utc": {name: moments.is_utc for name, moments in batch.datetimes.items()},
        "warnings": warnings.different,
        "arrays": {name: (array.dtype.str, array.shape) for name, array in arrays.items()},
    }
    head = to_json(header)
    return packed_line(
        rows.stop - rows.start,
        b"".join((len(head).to_bytes(HEADER_BYTES, "little"), head, *(array.tobytes() for array in arrays.values()))),
    )


def _narrowed(matrix: npt.NDArray[np.float64]) -> Array:
    """The same numbers in half the bytes where they need no more."""
    narrow = matrix.astype(np.float32)
    return narrow if np.array_equal(narrow, matrix, equal_nan=True) else matrix


def read_header(line: bytes) -> tuple[dict[str, Any], memoryview]:
    """The header of a packed line, and the bytes of its arrays."""
    content = memoryview(packed_content(line))
    end = HEADER_BYTES + int.from_bytes(content[:HEADER_BYTES], "little")
    header: dict[str, Any] = from_json(bytes(content[HEADER_BYTES:end]))
    return header, content[end:]


def time_of(line: bytes) -> str:
    """The ``time`` of the first prediction in a line, which may be packed."""
    content = read_header(line)[0]["beside"] if is_packed(line) else from_json(line)
    return str(content["time"])


def unpack_all(lines: Sequence[bytes]) -> list[bytes]:
    """The predictions in lines of which some are packed; for a thread."""
    return [prediction for line in lines for prediction in (unpack(line) if is_packed(line) else [line])]


def unpack(line: bytes) -> list[bytes]:
    """The lines of the predictions in a packed line. For a thread: it pauses, so that the event loop comes in between."""
    lines: list[bytes] = []
    for part in _unpack_parts(line):
        lines += part
        time.sleep(PAUSE_SECONDS)
    return lines


def _unpack_parts(line: bytes) -> Iterator[list[bytes]]:
    header, body = read_header(line)
    arrays = _arrays(header["arrays"], body)
    probabilities = arrays["probabilities"]
    ids = consecutive_ids(header["first_id"], len(probabilities))
    warnings = WarningTable(arrays["warning_rows"], arrays["warning_codes"], header["warnings"])
    for start in range(0, len(ids), ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, len(ids))
        predictions = ColumnPredictions(
            [*ids[start:stop]],
            probabilities[start:stop],
            header["threshold"],
            header["model_version"],
            warnings.part(start, stop),
        )
        yield prediction_lines(predictions, header["beside"], _rows(header, arrays, start, stop), header["columns"])


def _arrays(shapes: Mapping[str, tuple[str, list[int]]], body: memoryview) -> dict[str, Array]:
    arrays, start = {}, 0
    for name, (dtype, shape) in shapes.items():
        array = np.frombuffer(body, dtype, int(np.prod(shape)), start).reshape(shape)
        arrays[name], start = array, start + array.nbytes
    return arrays


def _rows(header: Mapping[str, Any], arrays: Mapping[str, Array], start: int, stop: int) -> ColumnBatch:
    categories = {name: Categories(arrays[f"codes.{name}"][start:stop], texts) for name, texts in header["texts"].items()}
    datetimes = {
        name: Moments(arrays[f"microseconds.{name}"][start:stop], arrays[f"missing.{name}"][start:stop], is_utc)
        for name, is_utc in header["is_utc"].items()
    }
    matrix = arrays["numbers"][:, start:stop].astype(np.float64)
    return ColumnBatch(stop - start, header["number_names"], matrix, categories, datetimes)
