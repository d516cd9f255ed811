"""Predicts every row of a file, chunk after chunk: reading, predicting and writing overlap, and memory stays bounded."""

import os
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from column_types.category_text import MOST_CHARACTERS
from prediction_api.batch import batch_io
from prediction_api.batch.batch_io import Chunk
from prediction_api.errors import TableUnreadable
from prediction_api.model import artifact
from prediction_api.model.artifact import Column
from prediction_api.model.onnx_model import INPUTS, OnnxModel
from prediction_api.model.record_fields import expected_value, shown

TYPES = {"number": np.float32, "category": np.object_, "datetime": np.float64}
NUL = "\0"
MOST_WORKERS = 8  # each holds a chunk or two
Probability = npt.NDArray[np.float64]


def score(source: Path, target: Path, folder: Path) -> int:
    """Writes probability and label of each row of ``source`` to ``target``, in its order; gives the number of rows.

    Raises InvalidModel, or TableUnreadable with the row and the column where a value is not what the schema wants.
    """
    if target.exists() and source.exists() and target.samefile(source):
        raise TableUnreadable(f"{target} is the file to be scored; give the result another name, or its rows are lost.")
    model = OnnxModel(artifact.read(folder))
    size, unit, chunks = batch_io.read(source, model.artifact.schema)
    rows = 0
    with batch_io.written(target) as write, tqdm(total=size, unit=unit, unit_scale=True, desc="score", disable=None) as bar:
        for chunk, probability in _predicted(model, chunks):
            write(probability, probability >= model.threshold)
            rows += len(probability)
            bar.update(chunk.done - bar.n)
    print(f"{target}: {rows:,} rows scored by {model.name} {model.version}", file=sys.stderr)
    return rows


def _predicted(model: OnnxModel, chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, Probability]]:
    """The chunks in their order with their probabilities, predicted by all processors, a few chunks ahead."""
    workers = min(os.cpu_count() or 1, MOST_WORKERS)
    waiting: deque[tuple[Chunk, Future[Probability]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(_predict, model, chunk)))
            if len(waiting) > workers + 1:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


def _predict(model: OnnxModel, chunk: Chunk) -> Probability:
    columns = model.artifact.schema.columns
    for column in columns:
        _check(chunk, column, chunk.columns[column.name])
    return model.probabilities(_packed(columns, chunk.columns))


def _packed(columns: tuple[Column, ...], values: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    packed: dict[str, npt.NDArray[Any]] = {}
    for kind, name in INPUTS.items():
        if arrays := [values[column.name] for column in columns if column.kind == kind]:
            packed[name] = np.stack(arrays, axis=1).astype(TYPES[kind], copy=False)
    return packed


def _check(chunk: Chunk, column: Column, values: npt.NDArray[Any]) -> None:
    """Refuses values that the API would refuse; raises TableUnreadable."""
    if column.kind == "category":
        missing, faulty = values == "", _foreign(column, values)
    else:
        missing, faulty = np.isnan(values), np.isinf(values)
        if column.minimum is not None:
            faulty |= values < np.float32(column.minimum)
        if column.maximum is not None:
            faulty |= values > np.float32(column.maximum)
    if not column.nullable:
        faulty |= missing
    if faulty.any():
        row = int(faulty.argmax())
        value = values[row]
        got = "nothing" if missing[row] else shown(value if isinstance(value, str) else value.item())
        raise TableUnreadable(
            f"{chunk.path}, row {chunk.first_row + row}: {column.name} should be {expected_value(column)}; it is {got}."
        )


def _foreign(column: Column, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which texts are no category of a declared column, or are longer than a request's may be."""
    if column.categories is not None:
        allowed = {"", *column.categories}
        return np.array([value not in allowed for value in values.tolist()], bool)
    return np.array([len(value) > MOST_CHARACTERS or NUL in value for value in values.tolist()], bool)
