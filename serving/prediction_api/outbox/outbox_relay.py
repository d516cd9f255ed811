"""Carries predictions from the outbox to the data service: in order, in parcels, again and again until they have arrived.

The data service takes the same id twice as once, so that a batch whose answer was lost is simply sent again. A line is put
aside only where the data service names it: whoever refuses without a word of what is wrong may have a fault of its own.
"""

import asyncio
import logging
import re
from collections.abc import Sequence

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from prediction_api.errors import ContentRejected, DataServiceUnavailable
from prediction_api.logs import LOGGER
from prediction_api.metrics import Metrics
from prediction_api.outbox.outbox import Outbox

ROUTE = "/predictions"
MOST_LINES, MOST_BYTES = 500, 2**20
IDLE_SECONDS = 0.2
LAST_SECONDS = 5.0  # at shutdown; what is left waits on disk
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
SLOWEST_RETRY_SECONDS = 30
AFTER_FAILURE_SECONDS = 1.0
# What the data service says of the content of what was sent; anything else may pass, so it is tried again.
ABOUT_CONTENT = {400, 409, 413, 422}
ROW = re.compile(r"predictions\.(\d+)(?:\.|$)")  # a field of its problems, by the place in the batch
logger = logging.getLogger(LOGGER)


class OutboxRelay:
    """Delivers until it is stopped."""

    def __init__(self, outbox: Outbox, metrics: Metrics, url: str, key: str | None) -> None:
        self._outbox, self._metrics = outbox, metrics
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/"), timeout=TIMEOUT, headers={"x-api-key": key} if key else {}, trust_env=False
        )
        self.failure: str | None = None
        self.arrived = 0  # lines, since the start
        self._most_lines = MOST_LINES

    async def run(self) -> None:
        """Delivers for ever; waits a moment where nothing waits, and longer and longer where nobody takes it."""
        while True:
            try:
                busy = await self._deliver_next()
            except Exception as error:
                self.failure = f"{type(error).__name__}: {error}"
                self._metrics.delivery_failures.inc()
                logger.exception("delivery failed and begins again")
                await asyncio.sleep(AFTER_FAILURE_SECONDS)
            else:
                await asyncio.sleep(0 if busy else IDLE_SECONDS)

    async def close(self) -> None:
        """Delivers what it can in a few seconds, without trying anything twice."""
        try:
            async with asyncio.timeout(LAST_SECONDS):
                while await self._deliver_next(again=False):
                    pass
        except Exception as error:
            extra = {"waiting": self._outbox.depth, "reason": str(error) or type(error).__name__}
            logger.warning("predictions wait in the outbox for the next start", extra=extra)
        finally:
            await self._client.aclose()

    async def _deliver_next(self, again: bool = True) -> bool:
        """One batch, without the lines that the data service refuses by their place, which are put aside.

        One that it refuses as a whole, as where it is too large, is taken again by halves.
        """
        batch = self._outbox.peek(self._most_lines, MOST_BYTES)
        if batch is None:
            return False
        lines, refused, reasons = batch.lines, [], []
        while lines:
            try:
                await (self._until_it_arrives(lines) if again else self._post(lines))
                break
            except ContentRejected as error:
                rows = _rows(error.fields, len(lines))
                if not rows:
                    self._most_lines = len(batch.lines) // 2
                    return True
                refused += [lines[row] for row in sorted(rows)]
                lines = [line for row, line in enumerate(lines) if row not in rows]
                reasons.append(str(error))
        self.arrived += len(lines)
        self._metrics.delivered.inc(len(lines))
        if refused:
            self._put_aside(refused, reasons[0])
        if batch.damaged:
            logger.error("lines of the outbox are damaged and cannot be delivered", extra={"lines": batch.damaged})
            self._metrics.refused.inc(batch.damaged)
        self._most_lines = min(MOST_LINES, 2 * self._most_lines)
        self._outbox.ack(batch.after)
        return True

    def _put_aside(self, lines: Sequence[bytes], reason: str) -> None:
        self._outbox.dead_letter(lines)
        self._metrics.refused.inc(len(lines))
        extra = {"lines": len(lines), "reason": reason}
        logger.error("the data service refuses predictions, which are kept in refused.ndjson", extra=extra)

    async def _until_it_arrives(self, lines: list[bytes]) -> None:
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(DataServiceUnavailable),
            wait=wait_random_exponential(multiplier=0.5, max=SLOWEST_RETRY_SECONDS),
            before_sleep=self._say,
        )
        await attempts(self._post, lines)
        self.failure = None

    async def _post(self, lines: list[bytes]) -> None:
        """Sends lines once; raises DataServiceUnavailable also for a single line that is refused without a reason."""
        try:
            await self.send("POST", ROUTE, b'{"predictions":[' + b",".join(lines) + b"]}")
        except ContentRejected as error:
            if len(lines) > 1 or _rows(error.fields, 1):
                raise
            raise DataServiceUnavailable(f"it refuses whatever waits: {error}") from error

    async def send(self, method: str, path: str, content: bytes) -> None:
        """Sends a JSON object once; raises DataServiceUnavailable or ContentRejected."""
        try:
            answer = await self._client.request(method, path, content=content, headers={"content-type": "application/json"})
        except httpx.HTTPError as error:
            raise DataServiceUnavailable(f"{type(error).__name__}: {error}") from error
        if answer.is_success and answer.headers.get("content-type", "").startswith("application/json"):
            return
        said = f"{answer.status_code}: {answer.text[:500]}"
        raise ContentRejected(said, _fields(answer)) if answer.status_code in ABOUT_CONTENT else DataServiceUnavailable(said)

    def _say(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.failure = str(error)
        self._metrics.delivery_failures.inc()
        extra = {"reason": str(error), "attempt": state.attempt_number, "waiting": self._outbox.depth}
        logger.warning("the data service does not take predictions; they wait in the outbox", extra=extra)


def _fields(answer: httpx.Response) -> list[str]:
    """The fields that a problem (RFC 9457) of the data service names."""
    try:
        return [str(fault["field"]) for fault in answer.json()["errors"]]
    except (ValueError, LookupError, TypeError):
        return []


def _rows(fields: Sequence[str], count: int) -> set[int]:
    """The places of the lines that fields belong to."""
    found = {int(place[1]) for field in fields if (place := ROW.match(field))}
    return {row for row in found if row < count}
