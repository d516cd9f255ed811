"""The request model, built from the schema: the fields of a record, their types and ranges, and what their errors say."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC
from difflib import get_close_matches
from itertools import chain, islice
from typing import Annotated, Any, Literal, NotRequired

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    NaiveDatetime,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, from_json
from typing_extensions import TypedDict

from column_types.category_text import MOST_CHARACTERS, speller
from prediction_api.model.artifact import Column, Schema
from service_kit.problems import FieldError

Record = dict[str, Any]
DATE_CHARACTERS = len("2013-05-19")


def _read_date(value: Any) -> Any:
    """A date as its midnight; nothing but text in ISO 8601 is a datetime, though pydantic takes numbers for seconds."""
    if not (isinstance(value, str) and value[4:5] == "-"):
        raise ValueError("no ISO 8601")
    return f"{value}T00:00:00" if len(value) == DATE_CHARACTERS else value


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
    AfterValidator(lambda value: value.astimezone(UTC)),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
LARGEST = 3.4028235e38  # the graph takes single precision
typed_dict: Any = TypedDict  # the fields come from a schema that is read at run time
MOMENT = "2013-05-19T14:15:00"
MOST_FIELD_ERRORS, MOST_COUNTED = 100, 100_000
RECORD_BYTES = 2**18  # thousands of fields; what is wrong with more of them would take long to say
# More than any honest batch holds: one colon after the name, two in a time; empty lines.
COLONS_A_FIELD, LEAST_COLONS, MOST_BREAKS = 4, 10_000, 3
MOST_SHOWN = 60
LEAST_ALIKE = 0.75  # of two names, for one to be suggested for the other
NO_NUL = r"^[^\x00]*$"  # PostgreSQL keeps no such text
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class InvalidJson(ValueError):
    """A body that is no JSON text at all; says where."""


class InvalidRecords(ValueError):
    """Records that the schema refuses, with at most 100 field errors."""

    def __init__(self, field_errors: Iterable[FieldError]) -> None:
        self.field_errors = list(islice(field_errors, MOST_FIELD_ERRORS))
        super().__init__(f"{len(self.field_errors)} errors, the first in {self.field_errors[0].field}")


class RequestSchema:
    """Reads records of one schema from JSON; ``most`` is how many a batch may hold."""

    def __init__(self, schema: Schema, most: int = 1000) -> None:
        self.columns = {column.name: column for column in schema.columns}
        self.most = most
        self.type = record_type(schema)
        self.batch_type = batch_type(self.type, most)
        self._place = {column.name: place for place, column in enumerate(schema.columns)}
        self._required = {column.name for column in schema.columns if column.required}
        self._most_colons = max(LEAST_COLONS, most * len(schema.columns) * COLONS_A_FIELD)
        # What reads takes each field as optional, because an error for each missing one would copy the whole record; and
        # without the adapters' own checks, because this is the hot path.
        lenient = record_type(schema, optional=True)
        self._read_one = TypeAdapter(lenient).validator.validate_json
        self._read_batch = TypeAdapter(batch_type(lenient, most)).validator.validate_json

    def one(self, body: bytes) -> Record:
        """The record in a JSON object; raises InvalidJson or InvalidRecords."""
        try:
            record: Record = self._read_one(body)
        except ValidationError as error:
            field_errors = [*self._field_errors(error), *self._missing(from_json(body))]
            field_errors.sort(key=lambda field_error: self._place.get(field_error.field, MOST_COUNTED))
            raise InvalidRecords(field_errors) from None
        if self._required <= record.keys():
            return record
        raise InvalidRecords(self._missing(record))

    def batch(self, body: bytes) -> list[Record]:
        """The records in a JSON object ``{"records": [...]}``; raises InvalidJson or InvalidRecords."""
        if body.count(b":") > self._most_colons:
            raise InvalidRecords(
                [FieldError("the body", f"1 to {self.most} records of {len(self.columns)} fields", "many more")]
            )
        try:
            records: list[Record] = self._read_batch(body)["records"]
        except ValidationError as error:
            field_errors, content = self._field_errors(error, depth=2), from_json(body)
            missing = self._missing_in(content.get("records") if isinstance(content, dict) else None)
            raise InvalidRecords(chain(field_errors, missing)) from None
        if all(self._required <= record.keys() for record in records):
            return records
        raise InvalidRecords(self._missing_in(records))

    def lines(self, body: bytes) -> list[Record]:
        """The records in NDJSON, one a line; empty lines are passed over. Raises InvalidJson or InvalidRecords."""
        breaks = body.count(b"\n") + body.count(b"\r")
        too_many_breaks = breaks > MOST_BREAKS * self.most
        lines = [] if too_many_breaks else [(n, line) for n, line in enumerate(body.splitlines(), start=1) if line.strip()]
        if not 1 <= len(lines) <= self.most:
            got = f"{breaks:,} line breaks" if too_many_breaks else f"{len(lines)}"
            raise InvalidRecords([FieldError("the body", f"1 to {self.most} lines", got)])
        records: list[Record] = []
        field_errors: list[FieldError] = []
        for number, line in lines:
            try:
                if len(line) > RECORD_BYTES:
                    expected = f"a record of at most {RECORD_BYTES:,} bytes"
                    raise InvalidRecords([FieldError("", expected, f"{len(line):,} bytes")])
                records.append(self.one(line))
            except InvalidRecords as error:
                for field_error in error.field_errors:
                    place = f"line {number}: {field_error.field}" if field_error.field else f"line {number}"
                    field_errors.append(replace(field_error, field=place))
            except InvalidJson as error:
                raise InvalidJson(f"line {number}: {error}") from None
            if len(field_errors) >= MOST_FIELD_ERRORS:
                break
        if field_errors:
            raise InvalidRecords(field_errors)
        return records

    def _missing(self, record: Any, where: str = "") -> Iterator[FieldError]:
        """An error for each required field that a JSON object lacks."""
        if isinstance(record, dict):
            for name in self.columns:
                if name in self._required and name not in record:
                    yield FieldError(f"{where}{name}", expected_value(self.columns[name]), "nothing")

    def _missing_in(self, records: Any) -> Iterator[FieldError]:
        for number, record in enumerate(records if isinstance(records, list) else []):
            yield from self._missing(record, f"records[{number}].")

    def _field_errors(self, error: ValidationError, depth: int = 0) -> list[FieldError]:
        """Pydantic's errors as field errors, ``depth`` levels above the fields of a record; raises InvalidJson."""
        if (count := error.error_count()) > MOST_COUNTED:  # to spell them out takes seconds
            return [FieldError("the body", "the fields of the schema", f"{count:,} errors")]
        details = error.errors(include_url=False, include_context=False)[:MOST_FIELD_ERRORS]
        if details[0]["type"] == "json_invalid":
            raise InvalidJson(details[0]["msg"].removeprefix("Invalid JSON: "))
        return [self._field_error(detail, depth) for detail in details]

    def _field_error(self, error: ErrorDetails, depth: int) -> FieldError:
        kind, location = error["type"], error["loc"]
        name = str(location[-1])[:MOST_SHOWN] if location else ""
        location = tuple(part if isinstance(part, int) else part[:MOST_SHOWN] for part in location)
        field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".") or "the body"
        got = "nothing" if kind == "missing" else shown(error["input"])
        inside_record = len(location) > depth
        if kind == "extra_forbidden":
            names = list(self.columns) if inside_record else ["records"]
            longer = [known for known in names if name and (known.startswith(name) or name.startswith(known))]
            near = longer or get_close_matches(name, names, n=1, cutoff=LEAST_ALIKE)
            return FieldError(
                field, f"a field of the schema{f', such as {near[0]}' if near else ''}", f"an unknown field, {name}"
            )
        if inside_record and name in self.columns:
            return FieldError(field, expected_value(self.columns[name]), got)
        if name == "records":
            size = f"{len(error['input'])} of them" if isinstance(error["input"], list) else got
            return FieldError(field, f"an array of 1 to {self.most} records", size)
        return FieldError(field, "a JSON object", got)


def record_type(schema: Schema, optional: bool = False) -> Any:
    """The TypedDict of one record: closed, strict, with ranges, descriptions, units and examples for the API's page.

    With ``optional`` no field is required.
    """
    kind = typed_dict("Record", {column.name: _field(column, optional) for column in schema.columns})
    kind.__pydantic_config__ = STRICT
    kind.__doc__ = f"What is known of one case of {schema.name}."
    return kind


def batch_type(record: Any, most: int) -> Any:
    """The TypedDict of a batch: ``records``, from one to ``most`` of them."""
    records = Annotated[list[record], Field(min_length=1, max_length=most, description="What is predicted, in this order.")]
    kind = typed_dict("Batch", {"records": records})
    kind.__pydantic_config__ = STRICT
    kind.__doc__ = f"Up to {most} records."
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


def _field(column: Column, optional: bool) -> Any:
    """The type of one field: what bounds its values inside, what people read about it outside."""
    bounded = _bounded_type(column)
    extra: dict[str, Any] = {"x-unit": column.unit, "x-available-from": column.available_from}
    about = Field(
        title=column.name,
        description=_description(column),
        examples=None if column.example is None else [column.example],
        json_schema_extra={key: text for key, text in extra.items() if text},
    )
    field: Any = Annotated[bounded | None if column.nullable else bounded, about]
    return field if column.required and not optional else NotRequired[field]


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
        low, high = column.minimum, column.maximum
        return {"ge": -LARGEST if low is None else low, "le": LARGEST if high is None else high}
    if column.kind == "category" and not column.categories:
        return {"min_length": 0 if column.nullable else 1, "max_length": MOST_CHARACTERS, "pattern": NO_NUL}
    return {}


def _description(column: Column) -> str:
    what = f"{column.description or column.name}{f' ({column.unit})' if column.unit else ''}."
    seen = column.seen.categories
    training = f" Seen in training: {', '.join(seen[:20])}{'...' if len(seen) > 20 else '.'}" if seen else ""
    return what + training
