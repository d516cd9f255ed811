"""Delivers predictions from the outbox to the data service: in order, in batches, and again until they have arrived.

The data service records an id once, so a batch whose answer was lost is simply sent again. A line becomes a dead letter only
where the data service names it: a refusal without a reason may be a fault of the data service itself.
"""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any, NamedTuple

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from prediction_api.errors import ContentRejected, DataServiceUnavailable, unconfirmed
from prediction_api.logs import LOGGER
from prediction_api.metrics import Metrics
from prediction_api.outbox.log_lines import is_packed
from prediction_api.outbox.outbox import Outbox
from prediction_api.outbox.packed_batch import unpack_all
from service_kit.service_client import CONTENT_STATUSES, masked, open_client, read_refusal

ROUTE = "/predictions"
MOST_LINES, MOST_BYTES = 500, 2**20  # of a parcel
IDLE_SECONDS = 0.2
LAST_SECONDS = 5.0  # at shutdown; what is left waits on disk
SLOWEST_RETRY_SECONDS = 30
AFTER_FAILURE_SECONDS = 1.0
ROW = re.compile(r"predictions\.(\d+)(?:\.|$)")  # a field in the data service's problem: the place of a line in the batch
SendLines = Callable[[list[bytes]], Awaitable[None]]
logger = logging.getLogger(LOGGER)


class Refused(NamedTuple):
    """Predictions that the data service refuses for good, and why it refuses the first of them."""

    lines: list[bytes]
    reason: str


class OutboxRelay:
    """Delivers what waits in an outbox until it is stopped; ``failure`` says why the last attempt failed."""

    def __init__(self, outbox: Outbox, metrics: Metrics, url: str, key: str | None) -> None:
        self._outbox, self._metrics, self._key = outbox, metrics, key
        self._client = open_client(url, key)
        self.failure: str | None = None
        self.arrived = 0  # lines, since the start
        self._most_lines = MOST_LINES

    async def run(self) -> None:
        """Delivers for ever; looks again after a moment where no line waits."""
        while True:
            try:
                delivered = await self._deliver_batch(self._send_until_taken)
            except Exception as error:
                self.failure = f"{type(error).__name__}: {error}"
                self._metrics.delivery_failures.inc()
                logger.exception("delivery failed and begins again")
                await asyncio.sleep(AFTER_FAILURE_SECONDS)
            else:
                await asyncio.sleep(0 if delivered else IDLE_SECONDS)

    async def close(self) -> None:
        """Delivers what it can in a few seconds, without a retry."""
        try:
            async with asyncio.timeout(LAST_SECONDS):
                while await self._deliver_batch(self._send_once):
                    pass
        except Exception as error:
            extra = {"waiting": self._outbox.depth, "reason": str(error) or type(error).__name__}
            logger.warning("predictions wait in the outbox for the next start", extra=extra)
        finally:
            await self._client.aclose()

    async def _deliver_batch(self, send: SendLines) -> bool:
        """Delivers the next batch; what the data service refuses becomes dead letters. False where no line waits."""
        batch = self._outbox.peek(self._most_lines, MOST_BYTES)
        if batch is None:
            return False
        lines = await _predictions(batch.lines)
        count, refused = len(lines), Refused([], "")
        while lines:
            parcel = _first_parcel(lines, self._most_lines)
            try:
                refused = _joined(refused, await self._deliver_lines(parcel, send))
                lines = lines[len(parcel) :]
            except ContentRejected:  # as a whole, as where it is too large
                self._most_lines = len(parcel) // 2
        self._record(count, refused, batch.damaged)
        self._most_lines = min(MOST_LINES, 2 * self._most_lines)
        self._outbox.ack(batch.after)
        return True

    async def _deliver_lines(self, lines: list[bytes], send: SendLines) -> Refused:
        """Sends lines until the data service has them, without those that it refuses by their place, which are given.

        Raises ContentRejected for a refusal that names no line.
        """
        refused: list[bytes] = []
        reason = ""
        while lines:
            try:
                await send(lines)
                break
            except ContentRejected as error:
                rows = _rows(error.fields, len(lines))
                if not rows:
                    raise
                refused += [lines[row] for row in sorted(rows)]
                lines = [line for row, line in enumerate(lines) if row not in rows]
                reason = reason or str(error)
        return Refused(refused, reason)

    def _record(self, count: int, refused: Refused, damaged: int) -> None:
        """Counts delivered and refused predictions, and keeps the refused ones."""
        if refused.lines:
            self._outbox.dead_letter(refused.lines)
            self._metrics.refused.inc(len(refused.lines))
            extra = {"lines": len(refused.lines), "reason": refused.reason}
            logger.error("the data service refuses predictions, which are kept in refused.ndjson", extra=extra)
        if damaged:
            logger.error("lines of the outbox are damaged and cannot be delivered", extra={"lines": damaged})
            self._metrics.refused.inc(damaged)
        self.arrived += count - len(refused.lines)
        self._metrics.delivered.inc(count - len(refused.lines))

    async def _send_until_taken(self, lines: list[bytes]) -> None:
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(DataServiceUnavailable),
            wait=wait_random_exponential(multiplier=0.5, max=SLOWEST_RETRY_SECONDS),
            before_sleep=self._record_failure,
        )
        await attempts(self._send_once, lines)
        self.failure = None

    async def _send_once(self, lines: list[bytes]) -> None:
        """Raises ContentRejected, or DataServiceUnavailable, also where a single line is refused without a reason."""
        try:
            answer = await self.send("POST", ROUTE, b'{"predictions":[' + b",".join(lines) + b"]}")
        except ContentRejected as error:
            if len(lines) > 1 or _rows(error.fields, 1):
                raise
            raise DataServiceUnavailable(f"it refuses whatever waits: {error}") from error
        counts: list[Any] = [answer.get("recorded"), answer.get("known")]
        if not all(type(count) is int and count >= 0 for count in counts) or sum(counts) != len(lines):
            raise unconfirmed(f"that it stored {len(lines)} predictions", answer)

    async def send(self, method: str, path: str, content: bytes) -> dict[str, Any]:
        """Sends a JSON object once, and gives the one that is answered; raises DataServiceUnavailable or ContentRejected."""
        try:
            response = await self._client.request(
                method, path, content=content, headers={"content-type": "application/json"}
            )
        except httpx.HTTPError as error:
            raise DataServiceUnavailable(masked(f"{type(error).__name__}: {error}", self._key)) from error
        if response.is_success:
            with suppress(ValueError):
                if isinstance(answer := json.loads(masked(response.text, self._key)), dict):
                    return answer
        if response.status_code < httpx.codes.BAD_REQUEST:
            raise DataServiceUnavailable(
                f"{response.status_code}: DATA_API_URL should answer with a JSON object, as a data service does; "
                "this answer holds none. Check DATA_API_URL."
            )
        refusal = read_refusal(response, self._key)
        if response.status_code in CONTENT_STATUSES:
            is_too_large = refusal.is_problem and response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
            raise ContentRejected(refusal.reason, refusal.fields, is_final=bool(refusal.fields) or is_too_large)
        raise DataServiceUnavailable(refusal.reason)

    def _record_failure(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.failure = str(error)
        self._metrics.delivery_failures.inc()
        extra = {"reason": str(error), "attempt": state.attempt_number, "waiting": self._outbox.depth}
        logger.warning("the data service does not take predictions; they wait in the outbox", extra=extra)


async def _predictions(lines: list[bytes]) -> list[bytes]:
    """The predictions in lines of the outbox; packed ones become lines in a thread, beside the event loop."""
    return await asyncio.to_thread(unpack_all, lines) if any(map(is_packed, lines)) else lines


def _first_parcel(lines: list[bytes], most: int) -> list[bytes]:
    """The first lines that are sent together: at most ``most`` lines and MOST_BYTES, and at least one line."""
    ends = accumulate(map(len, lines[:most]))
    return lines[: max(1, sum(end <= MOST_BYTES for end in ends))]


def _joined(refused: Refused, more: Refused) -> Refused:
    return Refused(refused.lines + more.lines, refused.reason or more.reason)


def _rows(fields: Sequence[str], count: int) -> set[int]:
    """The places of the lines that fields belong to."""
    rows = {int(match[1]) for field in fields if (match := ROW.match(field))}
    return {row for row in rows if row < count}
