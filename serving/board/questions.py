"""Answers questions about one subject, or about those that come next."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from board.clients import PredictionService
from board.errors import ContentRejected, ServiceUnavailable
from board.following import Following
from board.lookup import find_row
from board.source import SECONDS, Record, time_of
from service_kit.problems import FieldError, ProblemError


async def predict(
    following: Following, predictor: PredictionService, named: Mapping[str, Any], as_of: datetime | None
) -> dict[str, Any]:
    """The prediction of the subject that columns name, as of a moment; by default its official one, or the watermark before.

    Raises ProblemError: 404 or 422 for what cannot be asked, 503 where the prediction service does not answer.
    """
    position, key, moment, record = await asyncio.to_thread(_question, following, named, as_of)
    source = following.source
    subject = {
        "prediction_id": None, "subject": source.subject_text(key), "as_of": moment.isoformat(),
        "log_position": position, "official": False,
    }  # fmt: skip
    try:
        (prediction,) = await predictor.predict([record], [subject])
    except (ServiceUnavailable, ContentRejected) as error:
        raise ProblemError(503, f"The prediction service gave no prediction: {error}.") from error
    official = following.officials.made.get(key)
    return {
        source.live.SUBJECT: source.subject(key), **prediction, "as_of": moment, "watermark": following.tables.watermark,
        "log_position": position, "official": official and official.as_json(), "features": record,
    }  # fmt: skip


def _question(following: Following, named: Mapping[str, Any], as_of: datetime | None) -> tuple[int, Any, datetime, Record]:
    source, snapshot = following.source, following.tables.snapshot()
    place = find_row(source, snapshot, named)
    moment = as_of or min(time_of(snapshot.moments[place]), snapshot.watermark)
    _check_moment(following, moment, snapshot.watermark, is_default=as_of is None)
    record = source.record(snapshot.history, place, int(moment.timestamp()) // SECONDS)
    return snapshot.position, snapshot.keys[place], moment, record


def _check_moment(following: Following, moment: datetime, watermark: datetime, is_default: bool) -> None:
    """Raises ProblemError (422) for a moment outside what the board knows."""
    earliest = following.earliest
    if earliest <= moment <= watermark:
        return
    wanted = f"a moment from {earliest.isoformat()} to {watermark.isoformat()}, the watermark of the log"
    given = f"{moment.isoformat()}{', the moment of its official prediction' if is_default else ''}"
    raise ProblemError(
        422, "The log as the board holds it does not say what was known then.", [FieldError("as_of", wanted, given)]
    )


def upcoming(following: Following, hours: float) -> dict[str, Any]:
    """The subjects that are due in the next hours of the log, each with its official prediction where it has one."""
    source, snapshot = following.source, following.tables.snapshot()
    due_at = source.live.due_at(snapshot.rows)
    start = snapshot.watermark.timestamp() / SECONDS
    end = (snapshot.watermark + timedelta(hours=hours)).timestamp() / SECONDS
    places = np.flatnonzero((due_at >= start) & (due_at < end))
    places = places[np.argsort(due_at[places], kind="stable")]
    subjects = [
        {
            source.live.SUBJECT: source.subject(key := snapshot.keys[place]),
            "due_at": time_of(int(due_at[place])),
            "predicted_as_of": time_of(snapshot.moments[place]),
            "prediction": (official := following.officials.made.get(key)) and official.as_json(),
        }
        for place in places.tolist()
    ]
    return {"watermark": snapshot.watermark, "hours": hours, source.live.TABLE: subjects}
