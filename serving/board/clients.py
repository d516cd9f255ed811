"""The services that the board asks: the data service, which keeps the event log, and the prediction service."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import httpx
from prometheus_client.parser import text_string_to_metric_families
from pydantic_core import from_json, to_json
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from board.errors import ContentRejected, ServiceUnavailable
from pipeline.data.event_log import Event
from service_kit.service_client import CONTENT_STATUSES, masked, open_client, read_refusal

SLOWEST_RETRY_SECONDS = 10
MOST_OF_SUBJECT = 200
DRIFT_WINDOW = "72h"  # the longer of the two windows in which the data service measures drift
PAGE = 10_000  # events of one request, the most that the data service gives
Answer = TypeVar("Answer")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drift:
    """How far the last three days are from the training data (population stability index): the probability, the columns."""

    probability: float | None
    columns: Mapping[str, float]


class Service:
    """A service at the address that ``setting`` names; ``failure`` says why the last attempt to reach it failed."""

    def __init__(self, url: str, key: str | None, setting: str) -> None:
        self._client = open_client(url, key)
        self._key, self._setting = key, setting
        self.failure: str | None = None

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()

    async def until_answered(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """What ``ask`` gives, as often as it takes, with longer and longer pauses; raises ContentRejected alone."""
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(ServiceUnavailable),
            wait=wait_random_exponential(multiplier=0.5, max=SLOWEST_RETRY_SECONDS),
            before_sleep=self._record_failure,
        )

        async def attempt() -> Answer:
            return await ask()

        return await attempts(attempt)

    async def ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        """The answer to one request; raises ServiceUnavailable or ContentRejected."""
        try:
            response = await self._client.request(method, path, **content)
        except httpx.HTTPError as error:
            self.failure = masked(f"{type(error).__name__}: {error} ({self._setting})", self._key)
            raise ServiceUnavailable(self.failure) from error
        if response.is_success:
            self.failure = None
            return response
        refusal = read_refusal(response, self._key)
        reason = f"{method} {path.partition('?')[0]} of {self._setting} answers {refusal.reason}"
        if response.status_code in CONTENT_STATUSES:
            raise ContentRejected(reason, response.status_code, refusal.field_errors)
        self.failure = reason
        raise ServiceUnavailable(reason)

    async def get_json(self, path: str, **query: Any) -> dict[str, Any]:
        """The JSON object at a path; raises ServiceUnavailable or ContentRejected."""
        return self._object(await self.ask("GET", path, params=query))

    async def post_json(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """What is answered to a JSON object; raises ServiceUnavailable or ContentRejected."""
        headers = {"content-type": "application/json"}
        return self._object(await self.ask("POST", path, content=to_json(content), headers=headers))

    def _object(self, response: httpx.Response) -> dict[str, Any]:
        try:
            answer = from_json(response.content)
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            return answer
        self.failure = f"{self._setting} should answer with a JSON object; it does not. Is something else at that address?"
        raise ServiceUnavailable(self.failure)

    def _record_failure(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.failure = str(error)
        extra = {"reason": self.failure, "attempt": state.attempt_number}
        logger.warning("a service does not answer, and is asked again", extra=extra)


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


class PredictionService(Service):
    """The prediction service."""

    async def model(self) -> dict[str, Any]:
        """The content of GET /model: the model that answers."""
        return await self.get_json("/model")

    async def predict(self, records: Sequence[Any], subjects: Sequence[Any]) -> list[dict[str, Any]]:
        """The predictions of records about subjects, in their order."""
        answer = await self.post_json("/predict/batch", {"records": records, "subjects": subjects})
        predictions: list[dict[str, Any]] = answer["predictions"]
        return predictions

    async def ask_about(self, record: Mapping[str, Any], reasons: bool, dry_run: bool) -> dict[str, Any]:
        """The prediction of one record, with its reasons or without them; a dry run is not stored.

        Raises ContentRejected where the record is not as the model takes it, or (409) where the model knows no reasons.
        """
        query = f"reasons={str(reasons).lower()}&dry_run={str(dry_run).lower()}"
        return await self.post_json(f"/predict?{query}", record)

    async def explain(self, records: Sequence[Any]) -> list[dict[str, Any]]:
        """The predictions of records with their reasons, in their order; nothing of it is stored."""
        answer = await self.post_json("/predict/batch?reasons=true&dry_run=true", {"records": records})
        predictions: list[dict[str, Any]] = answer["predictions"]
        return predictions


def _events(lines: bytes) -> list[tuple[int, Event]]:
    contents = from_json(b"[" + b",".join(lines.splitlines()) + b"]")
    return [
        (
            content["position"],
            Event(datetime.fromisoformat(content["known_at"]), content["table"], content["key"], content["values"]),
        )
        for content in contents
    ]
