"""What clients of our services share: the connection, and what may be shown of a refusal."""

import json
from dataclasses import dataclass

import httpx

from service_kit.api_keys import HEADER
from service_kit.problems import MEDIA_TYPE, FieldError

TIMEOUT = httpx.Timeout(30.0, connect=5.0)  # seconds
CONTENT_STATUSES = {400, 409, 413, 422}  # they concern what was sent; any other failure may pass, and is retried
MOST_NAMED, MOST_CHARACTERS = 5, 200  # fields and characters of a refusal that are shown
PROBLEM_KEYS = {"type", "title", "status", "detail"}


@dataclass(frozen=True)
class Refusal:
    """Why a request was refused, the fields at fault, and whether a problem (RFC 9457) says so, as our services do."""

    reason: str
    field_errors: list[FieldError]
    is_problem: bool

    @property
    def fields(self) -> list[str]:
        """The names of the fields at fault."""
        return [error.field for error in self.field_errors]


def open_client(url: str, key: str | None) -> httpx.AsyncClient:
    """A client of the service at an address, which shows it a key."""
    headers = {HEADER: key} if key else {}
    return httpx.AsyncClient(base_url=url.rstrip("/"), timeout=TIMEOUT, headers=headers, trust_env=False)


def masked(text: str, key: str | None) -> str:
    """The text without our key, which some servers repeat: reasons may be shown to anyone, on /readyz."""
    return text.replace(key, "***") if key else text


def read_refusal(response: httpx.Response, key: str | None) -> Refusal:
    """What a refusal says, with the ``key`` masked; of one that is no problem its status alone, as it may hold secrets."""
    problem = _problem(response.headers.get("content-type", ""), masked(response.text, key))
    detail, errors = problem or (masked(response.reason_phrase, key), [])
    named = f" ({', '.join(error.field for error in errors[:MOST_NAMED])})" if errors else ""
    return Refusal(f"{response.status_code}: {detail}{named}", errors, problem is not None)


def _problem(content_type: str, text: str) -> tuple[str, list[FieldError]] | None:
    """The detail of a problem, and what it says about fields; None for another answer."""
    if content_type != MEDIA_TYPE:
        return None
    try:
        problem = json.loads(text)
        if not problem.keys() >= PROBLEM_KEYS:
            return None
        errors = [
            FieldError(str(error["field"]), str(error.get("wanted", "")), str(error.get("got", "")))
            for error in problem.get("errors", [])
        ]
        return str(problem["detail"])[:MOST_CHARACTERS], errors
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
