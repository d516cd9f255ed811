"""Scores a table partition by partition with the graph of a model: the tasks that an engine computes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from pipeline.compute import Engine
from pipeline.config.settings import Columns
from pipeline.data import model_inputs, table_io
from pipeline.modeling import artifact

ROWS_AT_ONCE = 1 << 16  # so that memory does not grow with the rows of a partition either
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Partition:
    """The Parquet file of a partition, and the numbers of the rows whose inputs are wanted beside all probabilities.

    Errors call it by its ``path``, which no worker opens.
    """

    path: str
    content: bytes
    sample: npt.NDArray[np.intp]


def score_table(
    graph: bytes,
    columns: Columns,
    files: Iterable[tuple[str, bytes]],
    rows: Sequence[int],
    sample: npt.NDArray[np.integer],
    engine: Engine,
    advance: Callable[[], None],
) -> tuple[npt.NDArray[np.float32], Arrays]:
    """The probability [n] of each row of a table, and the packed inputs of a ``sample`` of row numbers, in its order.

    The table comes as the Parquet ``files`` of its partitions, each a path and its content, of so many ``rows`` each;
    ``advance`` is called after each. Raises TableInvalid where one is damaged.
    """
    ends, chosen = np.cumsum(rows), np.unique(sample)
    edges = np.searchsorted(chosen, ends)[:-1]
    tasks = (
        Partition(*file, numbers - (end - count))
        for file, numbers, end, count in zip(files, np.split(chosen, edges), ends, rows, strict=True)
    )
    probability, inputs = np.empty(ends[-1], np.float32), []
    for end, count, (part, arrays) in zip(
        ends, rows, engine.map(partial(score_partition, graph, columns), tasks, advance), strict=True
    ):
        probability[end - count : end] = part
        inputs.append(arrays)
    places = np.searchsorted(chosen, sample)
    return probability, {name: array[places] for name, array in join(inputs).items()}


def score_partition(graph: bytes, columns: Columns, partition: Partition) -> tuple[npt.NDArray[np.float32], Arrays]:
    """The probability [n] of each row, and the packed inputs of the rows of the sample, in their order in the file.

    Single precision keeps what the trees of the graph add up; the last bits of its double precision depend on where the
    rows are cut, because vector instructions take some rows together and the rest one by one.
    """
    probabilities, samples, start = [], [], 0
    table = table_io.decode(partition.content, partition.path, list(columns))
    for batch in table.to_batches(ROWS_AT_ONCE):
        arrays = model_inputs.to_arrays(model_inputs.pack(batch.to_pandas(), columns), columns)
        probabilities.append(predict(graph, arrays).astype(np.float32))
        chosen = partition.sample[(partition.sample >= start) & (partition.sample < start + len(batch))] - start
        samples.append({name: array[chosen] for name, array in arrays.items()})
        start += len(batch)
    return np.concatenate(probabilities), join(samples)


def predict(graph: bytes, arrays: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    """The probability [n] of each row of the packed inputs, from the bytes of a graph, which is opened once."""
    return artifact.probability(_session(graph), arrays)


def join(parts: list[Arrays]) -> Arrays:
    """The packed inputs of one part after another."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@lru_cache(maxsize=2)
def _session(graph: bytes) -> onnxruntime.InferenceSession:
    return artifact.session(graph)
