"""Faults of a file as sentences that begin with the path of a key."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

TAGS = {"http", "port"}  # what pydantic puts into a path for the type of a monitor, and the file does not

PATTERNS = {  # what the patterns of declared.py mean, by key
    "url": "begin with http:// or https://",
    "hostname": "hold no space",
    "accepted_statuses": "be a status such as 200 or a range such as 200-299",
    "slug": "be small letters and digits, with single hyphens between them",
    "token_env": "be the name of a variable, such as OUTBOX_HEARTBEAT_TOKEN",
}
OF_A_NAME = "neither begin nor end with a space"


def of_model(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """One sentence for each fault that the model found."""
    keys = sorted(_keys(model))
    for one in error.errors(include_url=False):
        yield _sentence(one, keys)


def _sentence(fault: Any, keys: list[str]) -> str:
    path = _path(fault["loc"])
    kind, found = fault["type"], fault["input"]
    if kind == "extra_forbidden":
        return f"{path}: unknown{_meant(str(fault['loc'][-1]), keys)}"
    if kind == "missing":
        return f"{path}: missing"
    if kind.startswith("union_tag"):
        got = f"not {fault['ctx']['tag']!r}" if "tag" in fault["ctx"] else "and is missing"
        return f"{path}.type: should be {' or '.join(sorted(TAGS))}, {got}"
    shown = f", not {found!r}" if isinstance(found, str | int | float | bool | None) else ""
    return f"{path}: {_wanted(fault)}{shown}"


def _meant(key: str, keys: list[str]) -> str:
    """What else a key may have been."""
    near = get_close_matches(key, keys, n=1)
    if key in keys:
        return " here"
    return f"; did you mean {near[0]}?" if near else ""


def _wanted(fault: Any) -> str:
    """What pydantic wants, in its words without the capital, or ours for a pattern."""
    if fault["type"] == "string_pattern_mismatch":
        return "should " + next((PATTERNS[key] for key in reversed(fault["loc"]) if key in PATTERNS), OF_A_NAME)
    said: str = fault["msg"]
    return "should be a mapping" if "valid dictionary" in said else said.removeprefix("Input ").removeprefix("String ")


def _path(loc: tuple[int | str, ...]) -> str:
    """The keys that lead to a fault, as the file has them."""
    kept = [str(key) for i, key in enumerate(loc) if not (i == 2 and loc[0] == "monitors" and key in TAGS)]
    return ".".join(key for key in kept if key != "[key]") or "the file"


def _keys(model: Any) -> set[str]:
    """The keys that a model takes, at any depth."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        return set(model.model_fields).union(*(_keys(field.annotation) for field in model.model_fields.values()))
    return set().union(*(_keys(part) for part in get_args(model)))
