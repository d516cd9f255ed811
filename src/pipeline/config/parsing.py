"""Parses nested values into closed dataclasses; errors name each wrong key in full, and what to do."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipeline.config.flatten import leaves
from pipeline.support.errors import ParamsInvalid

PARAMS_NAME = "params.yaml"
UNRESOLVED = "???"  # what composition leaves where nobody gave a value
TABLE_COLUMNS = re.compile(r"^data\.tables\.[^.]+\.columns\.")
T = TypeVar("T")


def parse_settings(kind: type[T], values: Any, prefix: str = "", file: str = PARAMS_NAME) -> T:
    """``values`` as a ``kind``, a closed dataclass; ``prefix`` is the key under which they stand in ``file``.

    Raises ParamsInvalid, which names every wrong key in full.
    """
    is_missing = (key for key, text in leaves(values, prefix) if text == UNRESOLVED and not key.endswith("]"))
    if unresolved := [f"{key} is still {UNRESOLVED!r}, which nothing has replaced" for key in is_missing]:
        raise ParamsInvalid(explain(unresolved, file))
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        details: dict[str, Mapping[str, Any]] = {}
        for detail in error.errors():
            by = ".by" if detail["type"].startswith("union_tag") else ""
            details.setdefault(_full_key(detail["loc"], values, prefix) + by, detail)
        raise ParamsInvalid(explain(_describe_all(details, _setting_names(kind)), file)) from error


def dump_settings(settings: Any) -> str:
    """Settings as JSON text, which ``parse`` reads back."""
    return TypeAdapter(type(settings)).dump_json(settings, indent=2, exclude_defaults=True).decode() + "\n"


def explain(problems: Iterable[str], file: str = PARAMS_NAME) -> str:
    """All problems of a file in one sentence, with what to do."""
    in_conf = "Correct it in conf/ and type `make params`, or correct the -S of `dvc exp run`."
    cure = in_conf if file == PARAMS_NAME else "Correct it there."
    return f"{file} does not hold the settings that are read from it: {'; '.join(dict.fromkeys(problems))}. {cure}"


def not_a_setting(key: str, names: Iterable[str]) -> str:
    """Says that ``key`` is unknown, beside the nearest of the known ``names``."""
    near = get_close_matches(key.rpartition(".")[2], names, n=1)
    return f"{key} is not a setting" + (f" (did you mean {near[0]}?)" if near else "")


def _setting_names(kind: Any) -> list[str]:
    """The names of all settings in a closed dataclass and in those that it holds."""
    schema = TypeAdapter(kind).json_schema()
    return sorted({name for part in (schema, *schema.get("$defs", {}).values()) for name in part.get("properties", {})})


def _describe_all(errors: Mapping[str, Mapping[str, Any]], names: list[str]) -> Iterator[str]:
    """Pydantic's errors, by full key, as clauses; keys with the same error share one.

    A table may take over its columns from ``data.columns``, so an error in these is not repeated for the table.
    """
    keys_by_clause: dict[str, list[str]] = {}
    for key, error in errors.items():
        shared = TABLE_COLUMNS.sub("data.columns.", key)
        if shared == key or shared not in errors:
            keys_by_clause.setdefault(_describe(key, error, names), []).append(key)
    for clause, (first, *others) in keys_by_clause.items():
        yield f"{first} {clause}" + (f" (likewise {', '.join(others)})" if others else "")


def _describe(key: str, error: Mapping[str, Any], names: list[str]) -> str:
    """One of pydantic's errors as a clause about its key."""
    kind = error["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return not_a_setting(key, names).removeprefix(f"{key} ")
    if kind in ("missing", "missing_argument", "union_tag_not_found"):
        return "is missing"
    if kind == "union_tag_invalid":
        kinds = error["ctx"]["expected_tags"].replace("'", "")
        return f"is {error['ctx']['tag']!r}; it should be one of {kinds}"
    return f"is {error['input']!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _full_key(location: tuple[int | str, ...], values: Any, prefix: str) -> str:
    """The dotted key of an error, without the members of unions that pydantic puts into its location."""
    key = prefix
    for part in location:
        if isinstance(part, int):
            key, values = f"{key}[{part}]", (values[part : part + 1] or [None])[0]
        elif isinstance(values, Mapping) and (part in values or part != values.get("by")):
            key, values = f"{key}.{part}".lstrip("."), values.get(part)
    return key
