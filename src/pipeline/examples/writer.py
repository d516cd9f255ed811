"""Writes the examples of partitions as training and test rows."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config.paths import TEST_TABLE, TRAIN_TABLE
from pipeline.config.settings import Data, RandomSplit
from pipeline.data import partitions, split, table_io
from pipeline.examples.partition import TEST, TRAIN, UNSPLIT, Examples
from pipeline.support.errors import TableInvalid

FOLDERS = {TRAIN: TRAIN_TABLE.name, TEST: TEST_TABLE.name, UNSPLIT: ".unsplit"}


class ExampleWriter:
    """A folder for the rows of each part; those that wait for a draw over all rows are in a third one until the end."""

    def __init__(self, folder: Path, data: Data) -> None:
        self._folder, self._data = folder, data
        self._left_out: Counter[str] = Counter()
        self._counts = dict.fromkeys(FOLDERS, split.Counts())
        self._times: list[tuple[pd.Timestamp, pd.Timestamp]] = []
        for name in FOLDERS.values():
            (folder / name).mkdir()

    def add(self, name: str, examples: Examples) -> None:
        """Writes the examples of a partition. Raises TableInvalid where its rows cannot be split."""
        if examples.error:
            raise TableInvalid(examples.error)
        for part, content in examples.files.items():
            partitions.file(self._folder / FOLDERS[part], name).write_bytes(content)
        for part, counts in examples.counts.items():
            self._counts[part] += counts
        self._left_out.update(examples.left_out)
        self._times += [examples.times] if examples.times else []

    def finish(self) -> dict[str, Any]:
        """How many rows are trained on, tested and left out, by reason.

        Raises PeriodEmpty where the training rows, or the test rows, have not both classes.
        """
        settings, target = self._data.split, self._data.target.name
        unsplit = self._folder / FOLDERS[UNSPLIT]
        if isinstance(settings, RandomSplit):
            self._draw(unsplit, settings, target)
        shutil.rmtree(unsplit)
        times = (min(first for first, _ in self._times), max(last for _, last in self._times)) if self._times else None
        split.refuse_single_class(self._counts[TRAIN], self._counts[TEST], settings, target, times)
        rows = {name: self._counts[name].rows for name in (TRAIN, TEST)}
        return {**rows, "left_out": dict(self._left_out)}

    def _draw(self, unsplit: Path, settings: RandomSplit, target: str) -> None:
        """Gives each row to a part by its number among all rows, of which the targets alone are in memory."""
        names = partitions.names(unsplit) if any(unsplit.iterdir()) else []
        truths = [partitions.read(unsplit, name, [target])[target].to_numpy() for name in names]
        is_test = split.draw_test_rows(np.concatenate([np.zeros(0, np.int8), *truths]), settings)
        start = 0
        for name in names:
            rows = partitions.read(unsplit, name)
            drawn = is_test[start : start + len(rows)]
            for part, chosen in ((TRAIN, ~drawn), (TEST, drawn)):
                self._counts[part] += split.count(rows[chosen], target)
                if chosen.any():
                    table_io.write(rows[chosen], partitions.file(self._folder / FOLDERS[part], name))
            start += len(rows)
