"""The type of a record, built from the schema: its fields, their types and ranges, and how they are described."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    NaiveDatetime,
    TypeAdapter,
    WithJsonSchema,
)
from typing_extensions import TypedDict

from column_types.category_text import MOST_CHARACTERS, plain_text, speller
from column_types.table_format import MISSING, TableFormat
from prediction_api.errors import MOST_SHOWN
from prediction_api.model.artifact import Column, Schema

LARGEST = 3.4028235e38  # the graph takes single precision
typed_dict: Any = TypedDict  # the fields come from a schema that is read at run time
MOMENT = "2013-05-19T14:15:00"
DATE_CHARACTERS = len("2013-05-19")
WITHOUT_MINUTES = re.compile(r"(?<=^.{11}\d\d)(?!:)|(?<=[+-]\d\d)$")  # the end of an hour, or of an offset
NO_NUL = r"^[^\x00]*$"  # PostgreSQL keeps no such text
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _read_date(value: Any) -> Any:
    """A datetime as text in the form of pydantic, which takes numbers for seconds, and minutes for required."""
    if not (isinstance(value, str) and (text := value.strip())[4:5] == "-"):
        raise ValueError("no ISO 8601")
    if text[13:14] == text[16:17] == ":" and not text[19:]:
        return text  # most are, and the hot path has no time for an expression
    return f"{text}T00:00:00" if len(text) == DATE_CHARACTERS else WITHOUT_MINUTES.sub(":00", text)


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("before year 1 or after year 9999 in UTC") from error


# The format is the one of RFC 3339, without its offset where a column has none (OpenAPI's format registry).
LocalTime = Annotated[
    NaiveDatetime,
    Field(strict=False),
    BeforeValidator(_read_date),
    WithJsonSchema({"type": "string", "format": "date-time-local"}),
]
UtcTime = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_read_date),
    AfterValidator(_to_utc),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


def record_type(schema: Schema, optional: bool = False) -> Any:
    """The TypedDict of one record: closed, strict, with ranges, descriptions, units and examples for the API's page.

    With ``optional`` no field is required.
    """
    read = _marker_reader(schema.table_format)
    kind = typed_dict("Record", {column.name: _field(column, optional, read) for column in schema.columns})
    kind.__pydantic_config__ = STRICT
    kind.__doc__ = f"What is known of one case of {schema.name}."
    return kind


def expected_value(column: Column) -> str:
    """What a field takes, in words."""
    unit = f" of {column.unit}" if column.unit and column.unit != "share" else ""
    if column.kind == "datetime":
        what = f"a date and time such as {column.example or MOMENT}, {zone_words(column)}"
    elif column.categories is not None:
        what = f"one of {', '.join(column.categories)}"
    elif column.kind == "category":
        what = f"a text of 1 to {MOST_CHARACTERS} characters"
    else:
        what = f"a number{unit}{_bounds(column.minimum, column.maximum)}"
    return f"{what}{', or null' if column.nullable else ''}"


def zone_words(column: Column) -> str:
    """Whether the datetimes of a column have an offset, in words."""
    return "with an offset from UTC" if column.time_zone else "without a time zone"


def shown(value: Any) -> str:
    """A value as a field error shows it: its JSON-like form, cut short."""
    text = {None: "null", True: "true", False: "false"}.get(value) if value is None or isinstance(value, bool) else None
    text = text or (
        repr(value) if isinstance(value, str | int | float) else f"a JSON {'array' if isinstance(value, list) else 'object'}"
    )
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    return f" of at least {low:g}" if low is not None else f" of at most {high:g}" if high is not None else ""


def _marker_reader(form: TableFormat) -> BeforeValidator | None:
    """Reads a declared marker of missing values as null, as in a Parquet file; None where the table declares none."""
    if form.missing == MISSING:
        return None
    texts = {plain_text(marker) for marker in form.missing}

    def read(value: Any) -> Any:
        return None if isinstance(value, str | int | float) and plain_text(value) in texts else value

    return BeforeValidator(read)


def _field(column: Column, optional: bool, read: BeforeValidator | None) -> Any:
    """The type of one field: its bounds, and its entry in the OpenAPI document."""
    extra: dict[str, Any] = {"x-unit": column.unit, "x-available-from": column.available_from}
    about = Field(
        title=column.name,
        description=_description(column),
        examples=None if column.example is None else [column.example],
        json_schema_extra={key: text for key, text in extra.items() if text},
    )
    field: Any = Annotated[_value_type(column, read), about]
    return field if column.required and not optional else NotRequired[field]


def value_reader(column: Column, form: TableFormat) -> Callable[[Any], Any]:
    """A function that reads a value of a column as a record's is read; it raises pydantic's ValidationError."""
    return TypeAdapter(_value_type(column, _marker_reader(form)), config=ConfigDict(strict=True)).validate_python


def number_markers(form: TableFormat) -> list[float]:
    """The numbers that mean a missing value, where the table declares its markers."""
    texts = [] if form.missing == MISSING else sorted({plain_text(marker) for marker in form.missing})
    numbers = [(text, _number(text)) for text in texts]
    return [number for text, number in numbers if number is not None and plain_text(number) == text]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _value_type(column: Column, read: BeforeValidator | None) -> Any:
    """The type of a value, null where the column takes it."""
    bounded = _bounded_type(column)
    if not column.nullable:
        return bounded
    return Annotated[bounded | None, read] if read else bounded | None


def limits(column: Column) -> tuple[float, float]:
    """The lowest and the highest number that a column takes."""
    low, high = column.minimum, column.maximum
    return -LARGEST if low is None else low, LARGEST if high is None else high


def _bounded_type(column: Column) -> Any:
    if column.kind == "datetime":
        return UtcTime if column.time_zone else LocalTime
    if column.kind == "number":
        return Annotated[float, Field(**_limits(column))]
    text: Any = Annotated[Literal[column.categories] if column.categories else str, Field(**_limits(column))]
    if spell := speller(column.known_categories):
        return Annotated[text, BeforeValidator(spell, json_schema_input_type=text | int | bool)]
    return text


def _limits(column: Column) -> dict[str, Any]:
    if column.kind == "number":
        return dict(zip(("ge", "le"), limits(column), strict=True))
    if column.kind == "category" and not column.categories:
        return {"min_length": 0 if column.nullable else 1, "max_length": MOST_CHARACTERS, "pattern": NO_NUL}
    return {}


def _description(column: Column) -> str:
    what = f"{column.description or column.name}{f' ({column.unit})' if column.unit else ''}."
    seen = column.seen.categories
    training = f" Seen in training: {', '.join(seen[:20])}{'...' if len(seen) > 20 else '.'}" if seen else ""
    return what + training
