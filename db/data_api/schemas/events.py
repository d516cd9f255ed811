"""Schemas of events. Their rows are held to the source tables that the newest model declares."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, Required, Union
from uuid import UUID

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    TypeAdapter,
)
from pydantic_core import from_json, to_json
from typing_extensions import TypedDict

from data_api.database.uuid7 import VERSION_7, VERSION_AND_VARIANT, milliseconds_at
from data_api.schemas.model_versions import Category
from data_api.schemas.types import MAX_ROWS, NO_NUL, Input, PastInstant, Text, in_utc, iso

CLOSED = ConfigDict(extra="forbid")
RANDOM_BITS = (1 << 80) - 1
DATETIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?")


class EventCreate(TypedDict):
    """At ``known_at`` a row of a source table took these values."""

    __pydantic_config__ = CLOSED  # type: ignore[misc]

    table: Text
    key: Annotated[dict[Text, Any], Field(min_length=1, description="The key columns of the row")]
    known_at: PastInstant
    values: Annotated[dict[Text, Any], Field(description="The columns that took a value; null is a missing one")]


class Events(Input):
    """Events to append."""

    events: Annotated[list[EventCreate], Field(min_length=1, max_length=MAX_ROWS)]


class KnownPeriod(BaseModel):
    """From when to when the events of a table became known."""

    first_known_at: datetime
    watermark: datetime


class Watermark(BaseModel):
    """How far the event log reaches; null where it is empty."""

    position: int | None = Field(description="The highest position")
    watermark: datetime | None = Field(description="The newest `known_at`: the time of the log")
    first_known_at: datetime | None = Field(description="The oldest `known_at`")
    tables: dict[str, KnownPeriod] = Field(description="The oldest and the newest `known_at` of each table that has events")


@lru_cache(maxsize=8)
def row_types(tables: bytes) -> TypeAdapter[Any]:
    """What checks a list of events against declared source tables: ``tables`` of ``ModelVersionCreate``, as JSON."""
    declared: Mapping[str, Any] = from_json(tables)
    kinds = tuple(_event_type(name, table) for name, table in declared.items())
    event: Any = Annotated[Union[kinds], Field(discriminator="table")] if len(kinds) > 1 else kinds[0]  # noqa: UP007
    return TypeAdapter(list[event])


def _event_type(name: str, table: Mapping[str, Any]) -> Any:
    columns, key = table["columns"], set(table["key"])
    key_fields = {column: Required[_value_type({**columns[column], "nullable": False})] for column in table["key"]}
    value_fields = {column: _value_type(of) for column, of in columns.items() if column not in key}
    fields = {
        "table": Literal[name],
        "key": _closed(f"Key of {name}", key_fields),
        "known_at": datetime,
        "values": _closed(f"Values of {name}", value_fields),
    }
    return _closed(f"Event of {name}", {field: Required[kind] for field, kind in fields.items()})


def _closed(name: str, fields: Mapping[str, Any]) -> Any:
    make: Any = TypedDict  # the fields come from declarations that are read at run time
    kind = make(name, dict(fields), total=False)
    kind.__pydantic_config__ = CLOSED
    return kind


def _value_type(column: Mapping[str, Any]) -> Any:
    kind: Any
    if column["kind"] == "number":
        limits = Field(ge=column["minimum"], le=column["maximum"])
        kind = Annotated[float, Strict(), AllowInfNan(False), limits]
    elif column["kind"] == "datetime":
        kind = Annotated[str, BeforeValidator(iso), AfterValidator(_in_utc)]
    elif column["categories"]:
        kind = Literal[tuple(column["categories"])]
    else:
        kind = Annotated[Category, Strict(), StringConstraints(min_length=1, pattern=NO_NUL)]
    return kind | None if column["nullable"] else kind


def _in_utc(text: str) -> str:
    """The datetime in UTC where it has an offset; raises ValueError for one that a follower could not read."""
    if not DATETIME.fullmatch(text):
        raise ValueError("should be a datetime in ISO 8601, such as 2013-10-01T08:00:00-04:00")
    moment = datetime.fromisoformat(text)
    return moment.isoformat() if moment.tzinfo is None else in_utc(moment).isoformat().replace("+00:00", "Z")


def event_id(event: EventCreate) -> UUID:
    """The id of an event: a UUID of version 7 at its ``known_at`` whose other bits come from its content (SHA-256)."""
    content = to_json([event["table"], sorted(event["key"].items()), event["known_at"], sorted(event["values"].items())])
    random = int.from_bytes(hashlib.sha256(content).digest()) & RANDOM_BITS
    return UUID(int=milliseconds_at(event["known_at"]) << 80 | random & ~VERSION_AND_VARIANT | VERSION_7)
