"""Finds the row of a subject by any columns that name exactly one, and says what would be right where they do not."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.extensions import ExtensionArray

from board.tracking.source import Source
from board.tracking.tables import Snapshot
from pipeline.config.settings import Column
from service_kit.problems import FieldError, ProblemError

MOST_SHOWN = 5


def find_row(source: Source, snapshot: Snapshot, named: Mapping[str, Any]) -> int:
    """The place of the row in the snapshot that these values of columns name.

    Raises ProblemError: 422 for a column or value that cannot be, or for several rows; 404 for none.
    """
    _check(source, named)
    places = _places(source, snapshot.rows, named)
    if len(places) == 1:
        return int(places[0])
    if len(places):
        raise ProblemError(422, _several(source, snapshot, named, places))
    near = _near(source, snapshot, named)
    raise ProblemError(404, f"The log has no {source.live.SUBJECT} with {_words(named)}. {near}")


def _several(source: Source, snapshot: Snapshot, named: Mapping[str, Any], places: npt.NDArray[np.intp]) -> str:
    shown = [_words(source.subject(snapshot.keys[place])) for place in places[:MOST_SHOWN]]
    more = f"; and {len(places) - MOST_SHOWN:,} others" if len(places) > MOST_SHOWN else ""
    differing = [name for name in source.subject_table.key if len(snapshot.rows[name].iloc[places].unique()) > 1]
    return (
        f"{_words(named)} names {len(places):,} {source.live.TABLE}, and should name one: {'; '.join(shown)}{more}. "
        f"Add {' or '.join(differing)}."
    )


def _check(source: Source, named: Mapping[str, Any]) -> None:
    """Raises ProblemError (422) for no column, an unknown one, or a value of another kind."""
    subject, columns = source.live.SUBJECT, source.subject_table.columns
    if not named:
        key = ", ".join(source.subject_table.key)
        raise ProblemError(422, f"A {subject} should be named by columns, such as {key}; none is given.")
    errors = []
    for name, value in named.items():
        column = columns.get(name)
        if column is None:
            near = get_close_matches(name, columns, 1)
            errors.append(FieldError(f"{subject}.{name}", f"a column of {', '.join(near or columns)}", "an unknown column"))
        elif not _has_kind(value, column):
            errors.append(FieldError(f"{subject}.{name}", _kind(column), repr(value)[:80]))
    if errors:
        raise ProblemError(422, f"The {subject} is named by columns or values that its table cannot have.", errors)


def _has_kind(value: Any, column: Column) -> bool:
    if column.kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if column.kind == "category":
        return True
    try:
        pd.Timestamp(value)
    except ValueError:
        return False
    return True


def _kind(column: Column) -> str:
    return {"number": "a number", "category": "text", "datetime": "a datetime in ISO 8601"}[column.kind]


def _places(source: Source, rows: pd.DataFrame, named: Mapping[str, Any]) -> npt.NDArray[np.intp]:
    """The places of the rows with all these values. Numbers are compared first, which is quickest and leaves few rows."""
    columns, places = source.subject_table.columns, np.arange(len(rows))
    for name in sorted(named, key=lambda name: columns[name].kind != "number"):
        places = places[_matches(rows[name].array[places], columns[name], named[name])]
    return places


def _matches(values: ExtensionArray, column: Column, value: Any) -> npt.NDArray[np.bool_]:
    if column.kind == "datetime":
        moment = pd.Timestamp(value)
        if isinstance(values.dtype, pd.DatetimeTZDtype) and moment.tzinfo is None:
            moment = moment.tz_localize("UTC")
        value = moment
    matches = values == value
    return np.asarray(matches.fillna(False) if isinstance(matches, ExtensionArray) else matches, np.bool_)


def _near(source: Source, snapshot: Snapshot, named: Mapping[str, Any]) -> str:
    """What would be right: a value like the one given, or rows that have all but one of the values."""
    for name, value in named.items():
        if isinstance(value, str) and not len(_places(source, snapshot.rows, {name: value})):
            values = sorted(map(str, snapshot.rows[name].dropna().unique()))
            near = _alike(value, values) or values
            return f"Its {name} should be {_listed(near)}."
    for left_out in reversed(list(named)):
        others = {name: value for name, value in named.items() if name != left_out}
        places = _places(source, snapshot.rows, others) if others else np.array([], np.intp)
        if len(places):
            values = [str(_plain(value)) for value in snapshot.rows[left_out].iloc[places].unique()]
            return f"With the other columns as they are, {left_out} should be {_listed(values)}."
    first, last = snapshot.keys[0], snapshot.keys[-1]
    return f"It goes from {_words(source.subject(first))} to {_words(source.subject(last))}."


def _alike(text: str, values: Sequence[str]) -> list[str]:
    """The values that are spelt like a text, whatever the case of their letters, the most alike first."""
    spelling = {value.casefold(): value for value in values}
    return [spelling[match] for match in get_close_matches(text.casefold(), spelling, MOST_SHOWN, cutoff=0.5)]


def _listed(values: Sequence[str]) -> str:
    return " or ".join(values) if len(values) <= MOST_SHOWN else f"one of {', '.join(values[:MOST_SHOWN])} and others"


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in values.items())


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
