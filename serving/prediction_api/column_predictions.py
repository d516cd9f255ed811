"""The predictions of records that came by column, and their lines in the outbox, which are built column by column.

A thousand lines are 2 MB of JSON. Made from a dict for each record they take as long as the model; made from the texts of
whole columns, half of that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic_core import to_json

from prediction_api.model.column_reader import ColumnBatch, Moments
from prediction_api.model.onnx_model import Warnings

NO_WARNINGS: Warnings = []
Texts = Sequence[bytes]


@dataclass(frozen=True)
class ColumnPredictions:
    """The predictions of a batch, in the order of its records; ids are None of a dry run, ``warnings`` are by row."""

    prediction_ids: list[str | None]
    probabilities: list[float]
    labels: list[bool]
    threshold: float
    model_version: str
    warnings: dict[int, Warnings]

    @classmethod
    def of_answers(cls, answers: Sequence[dict[str, Any]]) -> "ColumnPredictions":
        """The answers to records in JSON, of which there is at least one, by column; without their subjects."""
        return cls(
            [answer["prediction_id"] for answer in answers],
            [answer["probability"] for answer in answers],
            [answer["label"] for answer in answers],
            answers[0]["threshold"],
            answers[0]["model_version"],
            {row: answer["warnings"] for row, answer in enumerate(answers)},
        )

    def answers(self) -> list[dict[str, Any]]:
        """The predictions as the answers to records in JSON."""
        columns = zip(self.prediction_ids, self.probabilities, self.labels, strict=True)
        return [
            {
                "prediction_id": prediction_id,
                "probability": probability,
                "label": label,
                "threshold": self.threshold,
                "model_version": self.model_version,
                "warnings": self.warnings.get(row, NO_WARNINGS),
            }
            for row, (prediction_id, probability, label) in enumerate(columns)
        ]

    def lines(self, beside: Mapping[str, Any], batch: ColumnBatch, names: Sequence[str]) -> list[bytes]:
        """The outbox's lines: answer, what is stored ``beside`` it, and the record, its fields in the order of ``names``."""
        by_name = dict(_feature_texts(batch))
        features: dict[str, Texts | bytes] = {name: by_name[name] for name in names if name in by_name}
        fields: dict[str, Texts | bytes] = {
            "prediction_id": _json_texts(self.prediction_ids),
            "probability": _number_texts(self.probabilities),
            "label": [b"true" if label else b"false" for label in self.labels],
            "threshold": to_json(self.threshold),
            "model_version": to_json(self.model_version),
            "warnings": [to_json(self.warnings[row]) if row in self.warnings else b"[]" for row in range(batch.rows)],
            **{name: to_json(value) for name, value in beside.items()},
        }
        template = b'{%b,"features":{%b}}' % (_template(fields), _template(features))
        columns = [texts for texts in (*fields.values(), *features.values()) if not isinstance(texts, bytes)]
        return [template % row for row in zip(*columns, strict=True)]


def _template(texts: Mapping[str, Texts | bytes]) -> bytes:
    """The fields of a JSON object, with %b for the values of a row; the texts that are bytes are the same in each row."""
    values = ((name, text.replace(b"%", b"%%") if isinstance(text, bytes) else b"%b") for name, text in texts.items())
    return b",".join(b"%b:%b" % (to_json(name).replace(b"%", b"%%"), value) for name, value in values)


def _feature_texts(batch: ColumnBatch) -> Iterator[tuple[str, Texts]]:
    """The values of each column as JSON."""
    if batch.numbers:
        texts = _number_texts(np.concatenate(list(batch.numbers.values())).tolist())
        for place, name in enumerate(batch.numbers):
            yield name, texts[place * batch.rows : (place + 1) * batch.rows]
    for name, values in batch.categories.items():
        yield name, _json_texts(values.tolist())
    for name, moments in batch.datetimes.items():
        yield name, _moment_texts(moments)


def _number_texts(numbers: Sequence[float]) -> Texts:
    return to_json(numbers, inf_nan_mode="null")[1:-1].split(b",")


def _json_texts(values: Sequence[str | None]) -> Texts:
    texts = {value: to_json(value) for value in set(values)}
    return [texts[value] for value in values]


def _moment_texts(moments: Moments) -> Texts:
    missing = np.isnan(moments.seconds).tolist()
    return [b"null" if gap else b'"%b"' % text.encode() for gap, text in zip(missing, moments.texts.tolist(), strict=True)]
