"""The request model, built from the schema: which fields a record holds, their types and ranges, and how a fault reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, NaiveDatetime, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from prediction_api.contract import Column, Schema

Record = dict[str, Any]
# The format is the one of RFC 3339 without its offset (OpenAPI's format registry).
Moment = Annotated[NaiveDatetime, WithJsonSchema({"type": "string", "format": "date-time-local"})]
TYPES: Mapping[str, Any] = {"number": float, "category": str, "datetime": Moment}
LARGEST = 3.4028235e38  # the graph takes single precision
typed_dict: Any = TypedDict  # its fields are known only once a schema is read
MOST_CHARACTERS = 500
MOST_FAULTS, MOST_COUNTED = 100, 100_000
MOST_SHOWN = 60
NO_NUL = r"^[^\x00]*$"  # PostgreSQL keeps no such text
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class NotJson(ValueError):
    """A body that is no JSON text at all; says where."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request: where, what was wanted, what was got."""

    field: str
    wanted: str
    got: str


class RecordsInvalid(ValueError):
    """Records that the schema refuses, with at most 100 faults."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} faults, the first in {faults[0].field}")
        self.faults = faults


class Records:
    """Reads records of one schema from JSON; ``most`` is how many a batch may hold."""

    def __init__(self, schema: Schema, most: int = 1000) -> None:
        self.columns = {column.name: column for column in schema.columns}
        self.most = most
        self.type = record_type(schema)
        self.batch_type = batch_type(self.type, most)
        # Without the adapters' own checks: these are the hot path.
        self._read_one = TypeAdapter(self.type).validator.validate_json
        self._read_batch = TypeAdapter(self.batch_type).validator.validate_json

    def one(self, body: bytes) -> Record:
        """The record in a JSON object; raises NotJson or RecordsInvalid."""
        try:
            record: Record = self._read_one(body)
        except ValidationError as error:
            raise self._refusal(error) from None
        return record

    def batch(self, body: bytes) -> list[Record]:
        """The records in a JSON object ``{"records": [...]}``; raises NotJson or RecordsInvalid."""
        try:
            records: list[Record] = self._read_batch(body)["records"]
        except ValidationError as error:
            raise self._refusal(error, depth=2) from None
        return records

    def lines(self, body: bytes) -> list[Record]:
        """The records in NDJSON, one a line; empty lines are passed over. Raises NotJson or RecordsInvalid."""
        lines = [(number, line) for number, line in enumerate(body.splitlines(), start=1) if line.strip()]
        if not 1 <= len(lines) <= self.most:
            raise RecordsInvalid([Fault("the body", f"1 to {self.most} lines", f"{len(lines)}")])
        records: list[Record] = []
        faults: list[Fault] = []
        for number, line in lines:
            try:
                records.append(self._read_one(line))
            except ValidationError as error:
                try:
                    faults += [replace(fault, field=f"line {number}: {fault.field}") for fault in self._faults(error)]
                except NotJson as fault:
                    raise NotJson(f"line {number}: {fault}") from None
            if len(faults) >= MOST_FAULTS:
                break
        if faults:
            raise RecordsInvalid(faults[:MOST_FAULTS])
        return records

    def _refusal(self, error: ValidationError, depth: int = 0) -> RecordsInvalid:
        return RecordsInvalid(list(islice(self._faults(error, depth), MOST_FAULTS)))

    def _faults(self, error: ValidationError, depth: int = 0) -> Iterator[Fault]:
        if (count := error.error_count()) > MOST_COUNTED:  # to spell them out takes seconds
            yield Fault("the body", "the fields of the schema", f"{count:,} faults")
            return
        for one in error.errors(include_url=False, include_context=False)[: MOST_FAULTS + 1]:
            if one["type"] == "json_invalid":
                raise NotJson(one["msg"].removeprefix("Invalid JSON: "))
            yield self._fault(one, depth)

    def _fault(self, error: ErrorDetails, depth: int) -> Fault:
        kind, location = error["type"], error["loc"]
        name = str(location[-1])[:MOST_SHOWN] if location else ""
        location = tuple(part if isinstance(part, int) else part[:MOST_SHOWN] for part in location)
        field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".") or "the body"
        got = "nothing" if kind == "missing" else shown(error["input"])
        inside_record = len(location) > depth
        if kind == "extra_forbidden":
            known = list(self.columns) if inside_record else ["records"]
            near = get_close_matches(name, known, n=1)
            return Fault(
                field, f"a field of the schema{f', such as {near[0]}' if near else ''}", f"an unknown field, {name}"
            )
        if inside_record and name in self.columns:
            return Fault(field, wanted(self.columns[name]), got)
        if name == "records":
            size = f"{len(error['input'])} of them" if isinstance(error["input"], list) else got
            return Fault(field, f"an array of 1 to {self.most} records", size)
        return Fault(field, "a JSON object", got)


def record_type(schema: Schema) -> Any:
    """The TypedDict of one record: closed, strict, with ranges, descriptions, units and examples for the API's page."""
    kind = typed_dict("Record", {column.name: _field(column) for column in schema.columns})
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


def wanted(column: Column) -> str:
    """What a field takes, in words."""
    unit = f" of {column.unit}" if column.unit and column.unit != "share" else ""
    if column.kind == "datetime":
        what = "a date and time such as 2013-05-19T14:15:00, without a time zone"
    elif column.categories is not None:
        what = f"one of {', '.join(column.categories)}"
    elif column.kind == "category":
        what = f"a text of 1 to {MOST_CHARACTERS} characters"
    else:
        what = f"a number{unit}{_bounds(column.minimum, column.maximum)}"
    return f"{what}{', or null' if column.nullable else ''}"


def shown(value: Any) -> str:
    """A value as a fault shows it: its JSON-like form, cut short."""
    text = {None: "null", True: "true", False: "false"}.get(value) if value is None or isinstance(value, bool) else None
    text = text or (
        repr(value) if isinstance(value, str | int | float) else f"a JSON {'array' if isinstance(value, list) else 'object'}"
    )
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _bounds(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    return f" of at least {low:g}" if low is not None else f" of at most {high:g}" if high is not None else ""


def _field(column: Column) -> Any:
    """The type of one field: what bounds its values inside, what people read about it outside."""
    bounded: Any = Annotated[
        Literal[column.categories] if column.categories else TYPES[column.kind], Field(**_limits(column))
    ]
    told: dict[str, Any] = {"x-unit": column.unit, "x-known": column.known}
    field: Any = Annotated[
        bounded | None if column.nullable else bounded,
        Field(
            title=column.name,
            description=_description(column),
            examples=None if column.example is None else [column.example],
            json_schema_extra={key: text for key, text in told.items() if text},
        ),
    ]
    return field if column.required else NotRequired[field]


def _limits(column: Column) -> dict[str, Any]:
    if column.kind == "number":
        low, high = column.minimum, column.maximum
        return {"ge": -LARGEST if low is None else low, "le": LARGEST if high is None else high}
    if column.kind == "category" and not column.categories:
        return {"min_length": 0 if column.nullable else 1, "max_length": MOST_CHARACTERS, "pattern": NO_NUL}
    return {}


def _description(column: Column) -> str:
    unit = f" ({column.unit})" if column.unit else ""
    seen = column.seen.categories
    known = f" Seen in training: {', '.join(seen[:20])}{'...' if len(seen) > 20 else '.'}" if seen else ""
    return f"{column.description}{unit}.{known}"
