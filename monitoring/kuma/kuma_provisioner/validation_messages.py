"""Pydantic's validation errors as sentences that begin with the path of a key in a file."""

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

MONITOR_TYPES = ("http", "port")  # pydantic adds the type of a monitor to the path; the file has no such key


def describe(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence for each invalid key of the model."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    keys = sorted({key for part in parts for key in part.get("properties", {})})
    return [_describe_one(details, keys) for details in error.errors(include_url=False)]


def _describe_one(details: Any, keys: list[str]) -> str:
    path, value = _path(details["loc"]), details["input"]
    types = " or ".join(MONITOR_TYPES)
    match details["type"]:
        case "extra_forbidden":
            return f"{path}: unknown{_suggestion(str(details['loc'][-1]), keys)}"
        case "missing":
            return f"{path}: missing"
        case "union_tag_invalid":
            return f"{path}.type: should be {types}, not {details['ctx']['tag']!r}"
        case "union_tag_not_found":
            return f"{path}.type: should be {types}, and is missing"
        case "dict_type" | "model_type" | "mapping_type":
            rule = "should be a mapping"
        case _:
            rule = str(details["msg"]).removeprefix("Value error, ").removeprefix("Input ").removeprefix("String ")
    return f"{path}: {rule}" + (f", not {value!r}" if isinstance(value, str | int | float | None) else "")


def _suggestion(key: str, keys: list[str]) -> str:
    """The end of a sentence about an unknown key: the most similar key that the file may hold."""
    if key in keys:
        return " here"
    return "".join(f"; did you mean {similar}?" for similar in get_close_matches(key, keys, n=1))


def _path(loc: tuple[int | str, ...]) -> str:
    """The keys that lead to a value, as the file has them."""
    if loc[:1] == ("monitors",) and loc[2:3] in {(kind,) for kind in MONITOR_TYPES}:
        loc = loc[:2] + loc[3:]
    return ".".join(str(key) for key in loc if key != "[key]") or "the file"
