"""The fields of the form, from the columns of schema.json: what each asks for, and what a browser sends as a record."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service_kit.problems import FieldError

MOST_OPTIONS = 40  # of a list to choose from; a longer one is suggested while one types
MOST_UNGROUPED = 15  # columns that a form shows without their topics
Column = Mapping[str, Any]
Values = Mapping[str, str]  # the text in each field


@dataclass(frozen=True)
class FormField:
    """A field: its ``kind`` is number, datetime, text or choice, and ``hint`` says what it takes."""

    name: str
    label: str
    kind: str
    hint: str
    options: tuple[str, ...]
    optional: bool
    value: str
    error: FieldError | None


@dataclass(frozen=True)
class FieldGroup:
    """The fields of a topic; the first group, and one with an error, is open."""

    topic: str | None
    fields: tuple[FormField, ...]
    is_open: bool


def examples(columns: Sequence[Column]) -> dict[str, str]:
    """A record that works, as text: the example of each column, or else what is typical of it."""
    return {column["name"]: as_text(_example(column)) for column in columns}


def groups(columns: Sequence[Column], values: Values, errors: Sequence[FieldError]) -> list[FieldGroup]:
    """The fields by topic, in the order in which topics first come, or all in one group where they are few."""
    by_topic: dict[str | None, list[FormField]] = {}
    error_of = {error.field: error for error in errors}
    for column in columns:
        name = column["name"]
        topic = column.get("topic") if len(columns) > MOST_UNGROUPED else None
        by_topic.setdefault(topic, []).append(_field(column, values.get(name, ""), error_of.get(name)))
    return [
        FieldGroup(topic, tuple(fields), number == 0 or any(form_field.error for form_field in fields))
        for number, (topic, fields) in enumerate(by_topic.items())
    ]


def record(columns: Sequence[Column], values: Values) -> dict[str, Any]:
    """What the prediction service gets: an empty field is null, or left out where the column may be absent.

    What is no number is sent as it was typed, for the service to say what it wants.
    """
    entries = ((column, values.get(column["name"], "").strip()) for column in columns)
    return {column["name"]: _value(column, text) for column, text in entries if text or column["required"]}


def _value(column: Column, text: str) -> Any:
    if not text:
        return None
    if column["kind"] != "number":
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _field(column: Column, value: str, error: FieldError | None) -> FormField:
    declared = column.get("categories")
    options = tuple(declared or column["seen"].get("categories") or ())
    kind = column["kind"]
    if kind == "category":
        kind = "choice" if declared and len(options) <= MOST_OPTIONS else "text"
    elif kind == "datetime" and column.get("time_zone"):
        kind = "text"  # a browser's field for datetimes takes no offset
    optional = bool(column["nullable"] or not column["required"])
    label = column["description"] or column["name"]
    return FormField(column["name"], label, kind, _hint(column), options if kind != "number" else (), optional, value, error)


def _hint(column: Column) -> str:
    """Unit and range of a number, the period of training of a datetime."""
    low, high, seen = column.get("minimum"), column.get("maximum"), column["seen"]
    parts = [column["unit"]] if column.get("unit") else []
    if low is not None and high is not None:
        parts.append(f"{as_text(low)} to {as_text(high)}")
    elif low is not None or high is not None:
        parts.append(f"at least {as_text(low)}" if low is not None else f"at most {as_text(high)}")
    elif seen.get("minimum") is not None:
        ends = [as_text(seen[end]).partition("T")[0] for end in ("minimum", "maximum")]  # the days of datetimes
        parts.append(f"{' to '.join(ends)} in training")
    return ", ".join(parts)


def _example(column: Column) -> Any:
    for value in (column.get("example"), column.get("typical"), *(column["seen"].get("categories") or ())[:1]):
        if value is not None:
            return value
    return None if column["nullable"] else column["seen"].get("minimum")


def as_text(value: Any) -> str:
    """A value as people type it: whole numbers without a point, single-precision ones without their noise."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.7g}" if abs(value) < 1e7 else f"{value:.0f}"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
