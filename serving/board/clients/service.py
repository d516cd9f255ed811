"""A service that the board asks over HTTP: retries, failures in a sentence, and JSON objects."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import httpx
from pydantic_core import from_json, to_json
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from board.errors import ContentRejected, ServiceUnavailable
from service_kit.service_client import CONTENT_STATUSES, masked, open_client, read_refusal

SLOWEST_RETRY_SECONDS = 10
Answer = TypeVar("Answer")
logger = logging.getLogger(__name__)


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
