"""The data service, as the board asks it: the event log, stored predictions, outcomes, scores and drift."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from pydantic_core import from_json

from board.clients.service import Service
from pipeline.data.event_log import Event

MOST_OF_SUBJECT = 200
DRIFT_WINDOW = "72h"  # the longer of the two windows in which the data service measures drift
PAGE = 10_000  # events of one request, the most that the data service gives


@dataclass(frozen=True)
class Drift:
    """How far the last three days are from the training data (population stability index): the probability, the columns."""

    probability: float | None
    columns: Mapping[str, float]


class DataService(Service):
    """The data service: the event log, the predictions that are stored, and outcomes."""

    async def log_state(self) -> dict[str, Any]:
        """The newest position of the log, and the first and newest ``known_at`` of all events and of each table."""
        return await self.get_json("/events/watermark")

    async def pages(
        self, after: int, wait_seconds: float = 0, **query: Any
    ) -> AsyncGenerator[list[tuple[int, Event]], None]:
        """The events beyond a position for ever, page by page; the next page is on its way while one is being worked on.

        A page is empty where there is no event yet; from then on the data service waits for the next one.
        """
        page_task = asyncio.create_task(self._page(after, 0, query))
        try:
            while True:
                page = await page_task
                after, wait = (page[-1][0], 0.0) if page else (after, wait_seconds)
                page_task = asyncio.create_task(self._page(after, wait, query))
                yield page
        finally:
            page_task.cancel()

    async def events_until(self, position: int, **query: Any) -> AsyncGenerator[list[tuple[int, Event]], None]:
        """The events up to a position, page by page."""
        async with aclosing(self.pages(0, **query)) as pages:
            async for page in pages:
                if events := [entry for entry in page if entry[0] <= position]:
                    yield events
                if not page or page[-1][0] >= position:
                    return

    async def _page(self, after: int, wait: float, query: Mapping[str, Any]) -> list[tuple[int, Event]]:
        parameters = {"after": after, "limit": PAGE, "wait": wait, **query}
        response = await self.until_answered(lambda: self.ask("GET", "/events", params=parameters))
        return await asyncio.to_thread(_events, response.content)

    async def newest_official(self) -> dict[str, Any] | None:
        """The official prediction with the latest moment; None where there is none."""
        page = await self.get_json("/predictions", official="true", order="newest", limit=1)
        return next(iter(page["predictions"]), None)

    async def official_predictions(self, since: datetime, until: datetime | None = None) -> list[dict[str, Any]]:
        """The official predictions whose moments are in a period, by moment, with their outcomes."""
        query = {"official": "true", "since": since.isoformat(), "order": "oldest", "format": "ndjson"}
        if until:
            query["until"] = until.isoformat()
        response = await self.ask("GET", "/predictions", params=query)
        return [from_json(line) for line in response.content.splitlines()]

    async def predictions_of(self, subject: str) -> list[dict[str, Any]]:
        """The newest predictions of a subject, official ones and others."""
        page = await self.get_json("/predictions", subject=subject, limit=MOST_OF_SUBJECT)
        predictions: list[dict[str, Any]] = page["predictions"]
        return predictions

    async def first_and_last_moment(self, official: bool) -> tuple[datetime, datetime] | None:
        """The moments of the oldest and the newest prediction, of official ones or of all; None where there is none."""
        query = {"official": "true"} if official else {}
        pages = [await self.get_json("/predictions", order=order, limit=1, **query) for order in ("oldest", "newest")]
        moments = [datetime.fromisoformat(row["as_of"] or row["time"]) for page in pages for row in page["predictions"]]
        return (moments[0], moments[-1]) if moments else None

    async def scores(self, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """The scores of a period by model version, each with a calibration by ten equal ranges of probability."""
        query = {"by": "model_version", "bins": 10, "calibration": "equal_widths"}
        answer = await self.get_json("/performance", since=since.isoformat(), until=until.isoformat(), **query)
        groups: list[dict[str, Any]] = answer["groups"]
        return groups

    async def predictions(self, since: datetime, until: datetime) -> bytes:
        """The predictions of a period with their outcomes, one a line as JSON."""
        query = {"since": since.isoformat(), "until": until.isoformat(), "format": "ndjson"}
        return (await self.ask("GET", "/predictions", params=query)).content

    async def drift(self) -> Drift:
        """The drift that the data service shows to Prometheus; empty where it has too few predictions."""
        text = (await self.ask("GET", "/metrics")).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        recent = [sample for sample in samples if sample.labels.get("window") == DRIFT_WINDOW]
        probability = next((sample.value for sample in recent if sample.name == "data_api_probability_drift_psi"), None)
        return Drift(probability, {s.labels["column"]: s.value for s in recent if s.name == "data_api_drift_psi"})

    async def record_outcomes(self, outcomes: Mapping[str, bool]) -> None:
        """Records outcomes by the ids of their predictions; the same again changes nothing."""
        rows = [{"prediction_id": name, "outcome": outcome} for name, outcome in outcomes.items()]
        await self.post_json("/outcomes", {"outcomes": rows})


def _events(lines: bytes) -> list[tuple[int, Event]]:
    contents = from_json(b"[" + b",".join(lines.splitlines()) + b"]")
    return [
        (
            content["position"],
            Event(datetime.fromisoformat(content["known_at"]), content["table"], content["key"], content["values"]),
        )
        for content in contents
    ]
