"""The predictions of records by column."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from uuid_utils import uuid7

from prediction_api.model.warning_table import WarningTable

LOW = 8  # hexadecimal digits at the end of an id that count the predictions of a batch
PAIRS = [f"{number:02x}" for number in range(256)]


@dataclass(frozen=True)
class ColumnPredictions:
    """The predictions [n] of a batch, in the order of its records; ids are None of a dry run."""

    prediction_ids: list[str | None]
    probabilities: npt.NDArray[np.float64]
    threshold: float
    model_version: str
    warnings: WarningTable

    @property
    def labels(self) -> npt.NDArray[np.bool_]:
        """Which probabilities reach the threshold."""
        return self.probabilities >= self.threshold

    @classmethod
    def of_answers(cls, answers: Sequence[dict[str, Any]]) -> "ColumnPredictions":
        """The answers to records in JSON, of which there is at least one, by column; without their subjects."""
        return cls(
            [answer["prediction_id"] for answer in answers],
            np.array([answer["probability"] for answer in answers]),
            answers[0]["threshold"],
            answers[0]["model_version"],
            WarningTable.of_rows({row: answer["warnings"] for row, answer in enumerate(answers)}),
        )

    def answers(self) -> list[dict[str, Any]]:
        """The predictions as the answers to records in JSON."""
        warnings = self.warnings.by_row()
        columns = zip(self.prediction_ids, self.probabilities.tolist(), self.labels.tolist(), strict=True)
        return [
            {
                "prediction_id": prediction_id,
                "probability": probability,
                "label": label,
                "threshold": self.threshold,
                "model_version": self.model_version,
                "warnings": warnings.get(row, []),
            }
            for row, (prediction_id, probability, label) in enumerate(columns)
        ]


def new_ids(count: int) -> list[str]:
    """Ids for the predictions of a batch: a new UUID version 7 and those after it, so that the first one names them all.

    Only the last 32 bits differ, which are random in a UUID of version 7; the counter before them is this batch's alone.
    """
    text = str(uuid7())
    return consecutive_ids(f"{text[:-LOW]}{int(text[-LOW:], 16) >> 1:0{LOW}x}", count)


def consecutive_ids(first: str, count: int) -> list[str]:
    """An id of ``new_ids`` and those after it, ``count`` together."""
    prefix, number = first[:-LOW], int(first[-LOW:], 16)
    start, end = number >> 8, number + count - 1 >> 8
    ids = [block + pair for block in [f"{prefix}{high:0{LOW - 2}x}" for high in range(start, end + 1)] for pair in PAIRS]
    return ids[number & 255 :][:count]
