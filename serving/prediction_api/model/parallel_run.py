"""Runs a graph on many rows in two halves at a time: a batch that comes alone has the other processor too."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST_ROWS = 256  # fewer are done before another thread brings something
# Halves are cut at a multiple of so many rows: vector instructions then take the same rows together, to the same last bit.
ROWS_TOGETHER = 64
Inputs = Mapping[str, npt.NDArray[Any]]
Run = Callable[[Inputs], npt.NDArray[np.float64]]

_thread = ThreadPoolExecutor(1, "second-half")
_is_free = Lock()  # held by the one batch whose second half runs in the thread; others that come meanwhile run whole


def run(graph: Run, inputs: Inputs) -> npt.NDArray[np.float64]:
    """What ``graph`` gives for each row [n] of the inputs; it must take calls from two threads at a time."""
    rows = len(next(iter(inputs.values())))
    if rows < LEAST_ROWS or (os.cpu_count() or 1) < 2 or not _is_free.acquire(blocking=False):
        return graph(inputs)
    try:
        middle = rows // 2 // ROWS_TOGETHER * ROWS_TOGETHER
        second = _thread.submit(graph, {name: values[middle:] for name, values in inputs.items()})
        first = graph({name: values[:middle] for name, values in inputs.items()})
        return np.concatenate([first, second.result()])
    finally:
        _is_free.release()
