"""Predicts records, and keeps each prediction in the outbox before its answer leaves."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic_core import to_json
from uuid_utils import uuid7

from prediction_api.column_predictions import ColumnPredictions, new_ids
from prediction_api.errors import ReasonsUnavailable
from prediction_api.metrics import Metrics
from prediction_api.model.column_batch import ColumnBatch
from prediction_api.model.microbatch import Answer, PredictionRequest
from prediction_api.model.onnx_model import OnnxModel, Warnings
from prediction_api.model.subjects import Subject, with_subject
from prediction_api.outbox.outbox import Outbox
from prediction_api.outbox.packed_batch import pack

ROWS_IN_THREAD = 32  # a batch of this size or more would keep single predictions waiting
NO_WARNINGS: Warnings = []


class Options(NamedTuple):
    """What a request may ask for: the reasons of its predictions, and that nothing is stored or counted."""

    reasons: bool = False
    dry_run: bool = False


class Predictor:
    """Turns records into answers, outbox lines and counts."""

    def __init__(self, outbox: Outbox, metrics: Metrics) -> None:
        self._outbox, self._metrics = outbox, metrics

    async def predict(
        self, model: OnnxModel, requests: Sequence[PredictionRequest], subjects: Sequence[Subject | None] = ()
    ) -> list[Answer]:
        """The answers to records, once their predictions are in the outbox and counted; raises OutboxUnavailable.

        ``subjects`` are those of the records in their order, or none at all.
        """
        if len(requests) < ROWS_IN_THREAD:
            answers, lines = _answers_and_lines(model, requests, subjects)
        else:
            answers, lines = await asyncio.to_thread(_answers_and_lines, model, requests, subjects)
        await self._outbox.append(lines)
        self._count(answers)
        return answers

    async def predict_with(
        self,
        options: Options,
        model: OnnxModel,
        requests: Sequence[PredictionRequest],
        subjects: Sequence[Subject | None] = (),
    ) -> list[Answer]:
        """As ``predict``, with what the options ask for; raises also ReasonsUnavailable. No reason is stored."""
        explainer = model.explainer
        if options.reasons and explainer is None:
            raise ReasonsUnavailable(
                f"The model {model.version} has no topics, by which reasons are counted: it is older than they are. Ask "
                "without reasons, or reproduce the model."
            )
        records = [record for record, _ in requests]
        reasons = await asyncio.to_thread(explainer.explain, records) if options.reasons and explainer else []
        if options.dry_run:
            answers, _ = await asyncio.to_thread(_answers_and_lines, model, requests, subjects)
            answers = [{**answer, "prediction_id": None} for answer in answers]
        else:
            answers = await self.predict(model, requests, subjects)
        if not reasons:
            return answers
        return [{**answer, "reasons": of} for answer, of in zip(answers, reasons, strict=True)]

    async def predict_columns(
        self, model: OnnxModel, read: Callable[[], ColumnBatch], caller: str | None, dry_run: bool = False
    ) -> ColumnPredictions:
        """The predictions of records by column, which ``read`` gives, once they are in the outbox and counted.

        Reads in a thread. Raises OutboxUnavailable, and what ``read`` raises.
        """
        predictions, lines = await asyncio.to_thread(_columns_and_lines, model, read, caller, dry_run)
        if dry_run:
            return predictions
        await self._outbox.append(lines)
        self._count_columns(predictions)
        return predictions

    def _count_columns(self, predictions: ColumnPredictions) -> None:
        self._count_labels(len(predictions.probabilities), int(predictions.labels.sum()))
        self._metrics.probability.observe_array(predictions.probabilities)
        for kind, count in predictions.warnings.counts().items():
            self._metrics.warnings[kind].inc(count)

    def _count(self, answers: Sequence[Answer]) -> None:
        self._count_labels(len(answers), sum([answer["label"] for answer in answers]))
        self._metrics.probability.observe([answer["probability"] for answer in answers])
        for answer in answers:
            for warning in answer["warnings"]:
                self._metrics.warnings[warning["kind"]].inc()

    def _count_labels(self, count: int, positives: int) -> None:
        for label, of_label in ((True, positives), (False, count - positives)):
            if of_label:
                self._metrics.predictions[label].inc(of_label)


def _columns_and_lines(
    model: OnnxModel, read: Callable[[], ColumnBatch], caller: str | None, dry_run: bool
) -> tuple[ColumnPredictions, list[bytes]]:
    """The predictions and the outbox's lines, which hold many predictions each; no lines of a dry run."""
    batch = read()
    inputs = model.column_inputs(batch)
    predictions = ColumnPredictions(
        prediction_ids=[None] * batch.rows if dry_run else [*new_ids(batch.rows)],
        probabilities=model.probabilities(inputs),
        threshold=model.threshold,
        model_version=model.version,
        warnings=model.column_warnings(batch, inputs),
    )
    if dry_run:
        return predictions, []
    beside = {"time": datetime.now(UTC).isoformat(), "model_name": model.name, "caller": caller}
    return predictions, pack(predictions, beside, batch, list(model.records.columns))


def _answers_and_lines(
    model: OnnxModel, requests: Sequence[PredictionRequest], subjects: Sequence[Subject | None]
) -> tuple[list[Answer], list[bytes]]:
    """The answers and the outbox's lines, in the order of the records."""
    inputs = model.inputs([record for record, _ in requests])
    probabilities = model.probabilities(inputs).tolist()
    warnings = model.warnings(inputs)
    threshold, version = model.threshold, model.version
    answers = [
        {
            "prediction_id": str(uuid7()),
            "probability": probability,
            "label": probability >= threshold,
            "threshold": threshold,
            "model_version": version,
            "warnings": warnings.get(row, NO_WARNINGS),
        }
        for row, probability in enumerate(probabilities)
    ]
    if subjects:
        pairs = zip(answers, subjects, strict=True)
        answers = [with_subject(answer, subject) if subject else answer for answer, subject in pairs]
    stored_beside = {"time": datetime.now(UTC).isoformat(), "model_name": model.name}
    lines = [
        to_json({**answer, **stored_beside, "caller": caller, "features": record})
        for answer, (record, caller) in zip(answers, requests, strict=True)
    ]
    return answers, lines
