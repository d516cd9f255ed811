"""Answers questions about one subject, or about those that come next."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from board.questions.batches import Asked, QuestionBatches
from board.questions.forecasts import Forecasts
from board.tracking.source import SECONDS, time_of
from board.tracking.subject_tracker import HOUR, SubjectTracker
from board.tracking.tables import Snapshot

MINUTES = 60  # of an hour


async def predict(
    tracker: SubjectTracker, batches: QuestionBatches, named: Mapping[str, Any], as_of: datetime | None
) -> dict[str, Any]:
    """The prediction of the subject that columns name, as of a moment; by default its official one, or the watermark before.

    Raises ProblemError: 404 or 422 for what cannot be asked, 503 where the prediction service does not answer.
    """
    question, prediction = await batches.answer(tracker, Asked(named, as_of))
    source, official = tracker.source, tracker.officials.made.get(question.key)
    prediction["warnings"] += _notes(tracker, question.moment)
    return {
        source.live.SUBJECT: source.subject(question.key), **prediction, "as_of": question.moment,
        "watermark": tracker.tables.watermark, "log_position": question.position,
        "official": official and official.as_json(), "features": question.record,
    }  # fmt: skip


async def upcoming(tracker: SubjectTracker, forecasts: Forecasts, hours: float) -> dict[str, Any]:
    """The subjects that are due in the next hours of the log, each with its official prediction, or a forecast before."""
    source = tracker.source
    snapshot, places, due_at = await asyncio.to_thread(_next, tracker, hours)
    made = tracker.officials.made
    keys = [snapshot.keys[place] for place in places]
    early = await forecasts.of(tracker, [key for key in keys if key not in made])
    subjects = [
        {
            source.live.SUBJECT: source.subject(key),
            "due_at": time_of(due),
            "official_as_of": time_of(snapshot.moments[place]),
            "official": key in made,
            "prediction": made[key].as_json() if key in made else early.get(key),
        }
        for place, key, due in zip(places, keys, due_at, strict=True)
    ]
    notes = _notes(tracker, snapshot.watermark)
    return {"watermark": snapshot.watermark, "hours": hours, "warnings": notes, source.live.TABLE: subjects}


def _next(tracker: SubjectTracker, hours: float) -> tuple[Snapshot, list[int], list[int]]:
    """The places of the subjects that come next, by the moments at which they are due, and these moments."""
    snapshot = tracker.tables.snapshot()
    due_at = tracker.source.live.due_at(snapshot.rows)
    start = snapshot.watermark.timestamp() / SECONDS
    places = np.flatnonzero((due_at >= start) & (due_at < start + hours * MINUTES))
    places = places[np.argsort(due_at[places], kind="stable")]
    return snapshot, places.tolist(), due_at[places].tolist()


def _notes(tracker: SubjectTracker, moment: datetime) -> list[dict[str, str]]:
    """What the features of a moment lack: events of tables that are silent, and history where the log is short."""
    source = tracker.source
    notes = [
        {
            "field": table,
            "kind": "silent_table",
            "detail": f"it has had no event in the last {age / HOUR:.1f} hours of the log",
        }
        for table, age in tracker.silent().items()
    ]
    history = (moment - tracker.first_known_at) / timedelta(days=1)
    if history < source.recipe.HISTORY_DAYS:
        detail = f"the features look back {source.recipe.HISTORY_DAYS} days; the log began {history:.1f} days before"
        notes.append({"field": "as_of", "kind": "short_history", "detail": detail})
    return notes
