"""The outbox's lines of predictions in JSON, built column by column: from a dict for each record they take twice as long."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from prediction_api.column_predictions import ColumnPredictions
from prediction_api.model.column_batch import Categories, ColumnBatch, Moments
from prediction_api.model.warning_table import WarningTable

Texts = Sequence[bytes]


def prediction_lines(
    predictions: ColumnPredictions, beside: Mapping[str, Any], batch: ColumnBatch, names: Sequence[str]
) -> list[bytes]:
    """A line for each prediction: the answer, what is stored ``beside`` it, and the record, its fields in this order."""
    by_name = dict(_feature_texts(batch))
    features: dict[str, Texts | bytes] = {name: by_name[name] for name in names}
    fields: dict[str, Texts | bytes] = {
        "prediction_id": [to_json(prediction_id) for prediction_id in predictions.prediction_ids],
        "probability": _number_texts(predictions.probabilities.tolist()),
        "label": [b"true" if label else b"false" for label in predictions.labels.tolist()],
        "threshold": to_json(predictions.threshold),
        "model_version": to_json(predictions.model_version),
        "warnings": _warning_texts(batch.rows, predictions.warnings),
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
    if batch.number_names:
        texts = _number_texts(batch.matrix.ravel().tolist())
        for place, name in enumerate(batch.number_names):
            yield name, texts[place * batch.rows : (place + 1) * batch.rows]
    for name, categories in batch.categories.items():
        yield name, _category_texts(categories)
    for name, moments in batch.datetimes.items():
        yield name, _moment_texts(moments)


def _number_texts(numbers: Sequence[float]) -> Texts:
    return to_json(numbers, inf_nan_mode="null")[1:-1].split(b",")


def _category_texts(categories: Categories) -> Texts:
    texts = [to_json(text) for text in categories.texts]
    return [texts[code] for code in categories.codes.tolist()]


def _moment_texts(moments: Moments) -> Texts:
    pairs = zip(moments.missing.tolist(), moments.texts.tolist(), strict=True)
    return [b"null" if gap else b'"%b"' % text.encode() for gap, text in pairs]


def _warning_texts(rows: int, warnings: WarningTable) -> Texts:
    different, texts = [to_json(warning) for warning in warnings.different], [b"[]"] * rows
    by_row: dict[int, list[bytes]] = {}
    for row, code in zip(warnings.rows.tolist(), warnings.codes.tolist(), strict=True):
        by_row.setdefault(row, []).append(different[code])
    for row, parts in by_row.items():
        texts[row] = b"[%b]" % b",".join(parts)
    return texts
