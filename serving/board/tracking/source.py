"""How the columns of the model come about: the recipe that computes them from source tables, which events change."""

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from board.errors import RecipeMissing
from pipeline.config.settings import Column, Columns
from pipeline.data.event_log import EventTable, Key
from pipeline.recipes.loader import load_recipe
from pipeline.support.errors import ParamsInvalid

SECONDS = 60  # of a minute
FIRST_MINUTE = int(datetime.min.replace(tzinfo=UTC).timestamp()) // SECONDS  # of the calendar, in minutes since 1970
Record = dict[str, Any]


@dataclass(frozen=True)
class SourceTable:
    """A table whose rows events change: the columns of its key, and all of its columns."""

    key: tuple[str, ...]
    columns: Columns = field(repr=False)

    def empty(self) -> EventTable:
        """The table before its first event."""
        return EventTable(self.columns, self.key)


class Source:
    """The recipe of a model with its options, the source tables, and the columns of a record."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        """Takes the content of GET /model, whose schema has a ``source``. Raises RecipeMissing."""
        schema = model["schema"]
        declared = schema["source"]
        self.data_set, self.model_version = model["name"], model["version"]
        self.content = declared, schema["columns"]  # what another model must share, to answer without a new start
        self.kinds = {column["name"]: column["kind"] for column in schema["columns"]}
        name = declared["recipe"]
        try:
            self.recipe = load_recipe(name)
            self.live = importlib.import_module(f"pipeline.recipes.{name}.live")
            self.options = self.recipe.Options(**declared["options"])
        except (ParamsInvalid, ImportError, ValidationError, TypeError) as error:
            raise RecipeMissing(
                f"Model {self.model_version} should come from a recipe of this board; it names {name!r} with the options "
                f"{declared['options']}, which cannot be used here ({error}). Start the board of the model's own commit."
            ) from error
        self.tables = {name: _source_table(table) for name, table in declared["tables"].items()}
        self.subject_table = self.tables[self.live.TABLE]

    def subject(self, key: Key) -> Record:
        """The key of a subject by column, with whole numbers as such."""
        return {name: _plain(value) for name, value in zip(self.subject_table.key, key, strict=True)}

    def subject_text(self, key: Key) -> str:
        """The key as compact JSON, by which the subject's predictions are found."""
        return to_json(self.subject(key)).decode()

    def key(self, subject: Mapping[str, Any]) -> Key:
        """The key of a subject that is given by column."""
        return tuple(subject[name] for name in self.subject_table.key)

    def key_of_text(self, text: str) -> Key:
        """The key of a subject's text."""
        return self.key(from_json(text))

    def history(self, tables: Mapping[str, pd.DataFrame]) -> Any:
        """What the tables know, as the recipe answers from it."""
        return self.recipe.History(tables, self.options.late_minutes)

    def records(self, history: Any, rows: pd.DataFrame, moments: Any) -> list[Record]:
        """What the model takes of rows of the subject table [n], each as of its moment [n] in minutes, as JSON.

        Numbers have single precision, as in training.
        """
        return self._records(history, history.timetable(rows), moments)

    def records_at(self, history: Any, places: Sequence[int], moments: Any) -> list[Record]:
        """The same for the rows at these places of the subject table, as the history has them already worked out."""
        return self._records(history, history.timetable_at(np.array(places)), moments)

    def _records(self, history: Any, asked: Any, moments: Any) -> list[Record]:
        answer = self.recipe.answer(history, asked, np.asarray(moments, np.int64))
        columns = [_as_json(answer[name], kind) for name, kind in self.kinds.items()]
        return [dict(zip(self.kinds, values, strict=True)) for values in zip(*columns, strict=True)]

    def moments(self, rows: pd.DataFrame) -> list[int]:
        """The moments of the official predictions of rows [n], in minutes since 1970."""
        moments: list[int] = self.live.moments(rows, self.options).tolist()
        return moments

    def outcomes(self, rows: pd.DataFrame) -> list[bool | None]:
        """The outcomes of rows [n]: True, False, or None where there is none yet."""
        outcomes: list[bool | None] = self.live.outcomes(rows, self.options).tolist()
        return outcomes


def time_of(moment: int) -> datetime:
    """The moment, in minutes since 1970, as a datetime in UTC; the first of the calendar where it is before that."""
    return datetime.fromtimestamp(max(moment, FIRST_MINUTE) * SECONDS, UTC)


def _source_table(declared: Mapping[str, Any]) -> SourceTable:
    columns = {
        name: Column(
            kind=column["kind"],
            range=(column["minimum"], column["maximum"]),
            categories=tuple(column["categories"]) if column["categories"] else None,
            nullable=column["nullable"],
        )
        for name, column in declared["columns"].items()
    }
    return SourceTable(tuple(declared["key"]), columns)


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_json(values: Any, kind: str) -> Sequence[Any]:
    """A column [n] as JSON: single-precision numbers, text, datetimes in ISO 8601, None for missing."""
    if kind == "number":
        return [None if math.isnan(number) else number for number in np.asarray(values, np.float32).tolist()]
    if kind == "datetime":
        values = np.datetime_as_string(np.asarray(values, "datetime64[s]"), unit="s")
        return [None if text == "NaT" else text for text in values.tolist()]
    return [None if pd.isna(value) else value for value in np.asarray(values, np.object_).tolist()]
