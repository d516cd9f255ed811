"""Reads records from JSON by the model's schema, and says which field of which record is not as it should be."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import chain, islice
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from prediction_api.errors import MOST_SHOWN
from prediction_api.model.artifact import Schema
from prediction_api.model.record_fields import expected_value, record_type, shown
from prediction_api.model.subjects import COLONS_A_SUBJECT, SUBJECTS, Subject, batch_type, subject_error, wrong_subjects
from service_kit.problems import FieldError

Record = dict[str, Any]
MOST_FIELD_ERRORS, MOST_COUNTED = 100, 100_000
RECORD_BYTES = 2**18  # thousands of fields; what is wrong with more of them would take long to say
# More than any honest batch holds: one colon after the name, two in a time; empty lines.
COLONS_A_FIELD, LEAST_COLONS, MOST_BREAKS = 4, 10_000, 3
LEAST_ALIKE = 0.75  # of two names, for one to be suggested for the other


class Batch(NamedTuple):
    """Records to predict, and the subject of each; no subjects where the request has none."""

    records: list[Record]
    subjects: list[Subject | None]


class InvalidJson(ValueError):
    """A body that is no JSON text at all; says where."""


class InvalidRecords(ValueError):
    """Records that the schema refuses, with at most 100 field errors."""

    def __init__(self, field_errors: Iterable[FieldError]) -> None:
        self.field_errors = list(islice(field_errors, MOST_FIELD_ERRORS))
        super().__init__(f"{len(self.field_errors)} errors, the first in {self.field_errors[0].field}")


class RecordReader:
    """Reads records of one schema from JSON; ``most`` is how many a batch may hold."""

    def __init__(self, schema: Schema, most: int = 1000) -> None:
        self.columns = {column.name: column for column in schema.columns}
        self.most = most
        self.type = record_type(schema)
        self.batch_type = batch_type(self.type, most)
        self._place = {column.name: place for place, column in enumerate(schema.columns)}
        self._required = {column.name for column in schema.columns if column.required}
        self._most_colons = max(LEAST_COLONS, most * (len(schema.columns) * COLONS_A_FIELD + COLONS_A_SUBJECT))
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

    def batch(self, body: bytes) -> Batch:
        """The content of a JSON object ``{"records": [...], "subjects": [...]}``; raises InvalidJson or InvalidRecords."""
        if body.count(b":") > self._most_colons:
            raise InvalidRecords(
                [FieldError("the body", f"1 to {self.most} records of {len(self.columns)} fields", "many more")]
            )
        try:
            content = self._read_batch(body)
        except ValidationError as error:
            field_errors, content = self._field_errors(error, depth=2), from_json(body)
            missing = self._missing_in(content.get("records") if isinstance(content, dict) else None)
            raise InvalidRecords(chain(field_errors, missing)) from None
        records, subjects = content["records"], content.get(SUBJECTS)
        if not all(self._required <= record.keys() for record in records):
            raise InvalidRecords(self._missing_in(records))
        if subjects is None:
            return Batch(records, [])
        if field_errors := list(wrong_subjects(subjects, len(records))):
            raise InvalidRecords(field_errors)
        return Batch(records, subjects)

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
        if depth and location[:1] == (SUBJECTS,):
            return subject_error(error, field)
        got = "nothing" if kind == "missing" else shown(error["input"])
        inside_record = len(location) > depth
        if kind == "extra_forbidden":
            return unknown_field(field, name, list(self.columns) if inside_record else ["records", SUBJECTS])
        if inside_record and name in self.columns:
            return FieldError(field, expected_value(self.columns[name]), got)
        if name == "records":
            size = f"{len(error['input'])} of them" if isinstance(error["input"], list) else got
            return FieldError(field, f"an array of 1 to {self.most} records", size)
        return FieldError(field, "a JSON object", got)


def unknown_field(field: str, name: str, names: Sequence[str]) -> FieldError:
    """The error for a field that is none of ``names``, with the one that may have been meant."""
    longer = [known for known in names if name and (known.startswith(name) or name.startswith(known))]
    near = longer or get_close_matches(name, names, n=1, cutoff=LEAST_ALIKE)
    return FieldError(field, f"a field of the schema{f', such as {near[0]}' if near else ''}", f"an unknown field, {name}")
