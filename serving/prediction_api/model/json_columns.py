"""Reads batches in JSON straight into columns, in a third of the time that pydantic takes to read them into records.

Only what pydantic would accept, and to the same values. Anything else is left to `RecordReader`, which says what is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from prediction_api.arrow.factorize import factorize
from prediction_api.model import moment_texts
from prediction_api.model.artifact import Column, Schema
from prediction_api.model.column_batch import Categories, ColumnBatch, Moments
from prediction_api.model.record_fields import limits, number_markers, value_reader


class NotPlain(Exception):
    """A body that only `RecordReader` reads: it has subjects, records without some field, rare forms, or faults."""


class JsonColumnReader:
    """Reads columns of one schema from ``{"records": [...]}``; ``most`` is how many records a batch may hold."""

    def __init__(self, schema: Schema, most: int = 1000) -> None:
        places = {column.name: f"field_{place}" for place, column in enumerate(schema.columns)}  # attributes for any name
        self._decode = _decoder(schema.columns, places, most)
        self._numbers = [column for column in schema.columns if column.kind == "number"]
        self._take_numbers = _taker([places[column.name] for column in self._numbers])
        self._nullable = np.array([column.nullable for column in self._numbers], bool)
        self._format = schema.table_format
        self._markers = np.array(number_markers(schema.table_format))
        self._texts = [(column, attrgetter(places[column.name])) for column in schema.columns if column.kind != "number"]
        self._read_category = {
            column.name: value_reader(column, schema.table_format) for column, _ in self._texts if column.kind == "category"
        }

    def batch(self, body: bytes) -> ColumnBatch:
        """The records of a body; raises NotPlain."""
        try:
            records = self._decode(body).records
            texts = [(column, factorize(map(take, records))) for column, take in self._texts]
            return ColumnBatch(
                len(records),
                [column.name for column in self._numbers],
                self._matrix(records),
                {column.name: self._categories(column, *found) for column, found in texts if column.kind == "category"},
                {column.name: self._moments(column, *found) for column, found in texts if column.kind == "datetime"},
            )
        except (msgspec.MsgspecError, ValidationError, ValueError) as error:
            raise NotPlain(str(error)) from error

    def _matrix(self, records: Sequence[Any]) -> npt.NDArray[np.float64]:
        """The numbers [columns, n], NaN where missing."""
        matrix = np.array(list(map(self._take_numbers, records)), np.float64).T
        if len(self._markers):
            matrix[self._nullable[:, None] & np.isin(matrix, self._markers)] = np.nan
        return matrix

    def _categories(self, column: Column, codes: npt.NDArray[np.intp], texts: list[str | None]) -> Categories:
        read = self._read_category[column.name]
        return Categories(codes, [None if text is None else read(text) for text in texts])

    def _moments(self, column: Column, codes: npt.NDArray[np.intp], texts: list[str | None]) -> Moments:
        moments = moment_texts.read(column, self._format, codes, texts)
        if moments is None:
            raise NotPlain(f"{column.name} has datetimes in a rare form")
        return moments


def _decoder(columns: Sequence[Column], places: Mapping[str, str], most: int) -> Callable[[bytes], Any]:
    """Decodes a batch into records with an attribute for each column; the function raises msgspec's errors, or NotPlain."""
    fields = [(places[column.name], _json_type(column)) for column in columns]
    names = {place: name for name, place in places.items()}
    try:
        record = msgspec.defstruct("Record", fields, rename=names, forbid_unknown_fields=True, gc=False)
    except ValueError as error:  # msgspec takes no name with a quotation mark or a backslash
        return partial(_refuse, str(error))
    records = Annotated[list[record], msgspec.Meta(min_length=1, max_length=most)]  # type: ignore[valid-type]
    return msgspec.json.Decoder(msgspec.defstruct("Batch", [("records", records)], forbid_unknown_fields=True)).decode


def _refuse(reason: str, _body: bytes) -> None:
    raise NotPlain(reason)


def _json_type(column: Column) -> Any:
    """What msgspec takes for a field; it leaves categories and datetimes to be read once for each different text."""
    kind: Any = str
    if column.kind == "number":
        low, high = limits(column)
        kind = Annotated[float, msgspec.Meta(ge=low, le=high)]
    return kind | None if column.nullable else kind


def _taker(places: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that takes these attributes as a tuple, also where there are fewer than two."""
    if len(places) > 1:
        return attrgetter(*places)
    return lambda record: tuple(getattr(record, place) for place in places)
