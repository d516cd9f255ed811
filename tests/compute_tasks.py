"""What the tests of the engine compute: functions of a module, as workers need them."""

import os
import threading
import time

import numpy as np

from pipeline.compute import worker
from pipeline.support.errors import TableInvalid


def double(number):
    return 2 * number


def add(left, right):
    return left + right


def add_and_forget(left, right):
    """The sum, by a worker that then knows no function any more."""
    worker._functions.clear()
    return left + right


def mean_input(arrays):
    """A model: the mean of all inputs of a row."""
    return np.concatenate([*arrays.values()], axis=1).mean(axis=1)


def wait(seconds):
    time.sleep(seconds)
    return seconds


def wait_in(task):
    """The number of the task and the process that computed it."""
    number, seconds = task
    time.sleep(seconds)
    return number, os.getpid()


def refuse(number):
    raise TableInvalid(f"flights.csv: row {number} is broken")


def fill_the_disk(_):
    raise OSError(28, "No space left on device", "/tmp/spill")


def fill_the_memory(_):
    raise MemoryError


class Unportable(Exception):
    """An error that pickle cannot bring back."""

    def __init__(self, left, right):
        super().__init__(f"{left} and {right}")


def raise_unportable(_):
    raise Unportable(1, 2)


def lock(_):
    return threading.Lock()
