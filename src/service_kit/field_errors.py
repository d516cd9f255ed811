"""Pydantic's validation errors in words for people: as the fields of a problem, or as a sentence."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from service_kit.problems import FieldError, ProblemError

MOST_FIELD_ERRORS, MOST_CHARACTERS = 20, 80
PLACES = {"body", "query", "path", "header"}  # where FastAPI found a value; the name of the field is enough
SECRETS = {"password"}


def invalid_request(errors: Sequence[Any]) -> ProblemError:
    """Pydantic's errors as a problem with status 422, or 400 where the body is no JSON at all."""
    for error in errors:
        if error["type"] == "json_invalid":
            reason = str(error.get("ctx", {}).get("error", error["msg"]))
            return ProblemError(400, f"The body should be JSON in UTF-8; {lower_first(reason)}.")
    fields = "One field is not" if len(errors) == 1 else f"{len(errors)} fields are not"
    detail = f"{fields} as the API wants {'it' if len(errors) == 1 else 'them'}; GET /docs shows how."
    return ProblemError(422, detail, [field_error(error) for error in errors[:MOST_FIELD_ERRORS]])


def field_error(error: Any) -> FieldError:
    """One of Pydantic's errors; shows no secret."""
    field = ".".join(str(part) for part in error["loc"] if part not in PLACES)
    return FieldError(field[:MOST_CHARACTERS] or "body", _message(error), _got(error))


def sentence(error: ValidationError) -> str:
    """Every invalid setting, as a variable of the environment, with what is wrong with it; shows no value."""
    return "; ".join(f"{str(detail['loc'][0]).upper()}: {lower_first(_message(detail))}" for detail in error.errors())


def _message(error: Any) -> str:
    """What was wanted, without the words that Pydantic puts before the message of a ValueError."""
    return str(error["msg"]).removeprefix("Value error, ")


def lower_first(text: str) -> str:
    """A message as the rest of a sentence; one that begins with an abbreviation stays."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _got(error: Any) -> str:
    """What was there instead, cut where it is long."""
    value = error.get("input")
    if error["type"] == "missing":
        return "nothing"
    if error["type"] == "extra_forbidden" and error["loc"][0] == "query":
        return "an unknown parameter"
    if SECRETS.intersection(error["loc"]):
        return "a secret, which is not shown"
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."
