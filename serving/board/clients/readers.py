"""People who log in with their name and password of the data service."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from service_kit.problems import ProblemError
from service_kit.service_client import open_client

ROLES = ("reader", "admin")
CHECK_SECONDS = 60  # between two questions whether a token is still valid
MOST_TOKENS = 1000  # of which it is kept when they were valid
NOBODY = "Nobody has this name and this password."
AWAY = "The data service, which knows the readers and their passwords, does not answer. Try again in a moment."


@dataclass(frozen=True)
class Reader:
    """Somebody who may see the pages."""

    name: str
    role: str


@dataclass(frozen=True)
class LogIn:
    """Who logged in, the token of the data service, and when it expires, in seconds since 1970."""

    reader: Reader
    token: str
    expires_at: float


class Readers:
    """Asks the data service who somebody is, with their own password or token and never with the board's key."""

    def __init__(self, url: str) -> None:
        self._client = open_client(url, None)
        self._valid_until: dict[str, float] = {}  # by token, on the monotonic clock

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()

    async def log_in(self, name: str, password: str, address: str | None) -> LogIn:
        """The log-in of a reader or an admin who calls from an address, which the data service counts failures by.

        Raises ProblemError: 401 for a wrong password, 403 for another role, 429 after too many attempts, 503.
        """
        started_at = time.time()
        headers = {"x-forwarded-for": address} if address else {}
        answer = await self._ask("POST", "/token", data={"username": name, "password": password}, headers=headers)
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            seconds = answer.headers.get("retry-after", "60")
            raise ProblemError(
                429,
                f"There were too many attempts to log in. Try again in {seconds} seconds.",
                headers={"retry-after": seconds},
            )
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY}:
            raise ProblemError(401, NOBODY)
        content = _content(answer, "access_token", "expires_in")
        token = content["access_token"]
        user = _content(await self._ask("GET", "/me", headers=_bearer(token)), "name", "role")
        if user["role"] not in ROLES:
            raise ProblemError(403, f"The pages are for readers and admins; {user['name']} has the role {user['role']}.")
        self._note(token)
        return LogIn(Reader(user["name"], user["role"]), token, started_at + content["expires_in"])

    async def is_valid(self, token: str) -> bool:
        """Whether the data service still takes a token: it takes none from before a password or role changed.

        It is asked once a minute; while it does not answer, a token stays valid until it expires.
        """
        if time.monotonic() < self._valid_until.get(token, 0):
            return True
        try:
            answer = await self._ask("GET", "/me", headers=_bearer(token))
        except ProblemError:
            return True
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            self._valid_until.pop(token, None)
            return False
        self._note(token)
        return True

    def _note(self, token: str) -> None:
        if len(self._valid_until) >= MOST_TOKENS:
            self._valid_until.clear()
        self._valid_until[token] = time.monotonic() + CHECK_SECONDS

    async def _ask(self, method: str, path: str, **content: Any) -> httpx.Response:
        """The answer to one request; raises ProblemError (503)."""
        try:
            return await self._client.request(method, path, **content)
        except httpx.HTTPError as error:
            raise ProblemError(503, AWAY) from error


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _content(answer: httpx.Response, *names: str) -> dict[str, Any]:
    """The JSON object with these members that an answer should hold; raises ProblemError (503)."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    if not answer.is_success or not isinstance(content, dict) or not content.keys() >= set(names):
        raise ProblemError(503, AWAY)
    return content
