"""The schema: the declaration of each column, as a check of tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from column_types.category_text import MOST_CHARACTERS
from pipeline.config.settings import Column, Columns
from pipeline.support.errors import TableInvalid

MOST_SHOWN = 60  # characters of a value in a message
MOST_PARTS_SHOWN = 3  # parts of a table in a message
LARGEST = float(np.finfo(np.float32).max)  # a model computes in single precision
# So many of the distinct values of a number must be left in single precision: of decimals, whose ends are noise, half, or
# more than a model has bins for. They are looked at in parts, because those of a minority may be the ones that merge.
LEAST_DISTINCT, LEAST_DISTINCT_WHOLE, ENOUGH = 0.5, 0.99, 32
MOST_PARTS, LEAST_OF_A_PART = 20, 10
NOISE = 1e-12  # by which results of one computation differ
MOST_NUMERIC_CATEGORIES = 20  # a category with more distinct values, all of them numbers, is taken for a mistake


def feature_names(columns: Columns, kind: str) -> list[str]:
    """The names of the columns of one kind, in declared order."""
    return [name for name, column in columns.items() if column.kind == kind]


@dataclass(frozen=True)
class Findings:
    """What breaks the declaration in some rows of a table: clauses about whole columns and about rows, and how many rows.

    ``numeric_texts`` has the distinct values of the categories without a list that hold numbers alone, or too many of them.
    """

    column_faults: tuple[str, ...] = ()
    row_faults: tuple[str, ...] = ()
    invalid_rows: int = 0
    numeric_texts: Mapping[str, frozenset[str] | None] = field(default_factory=dict)


class TableCheck:
    """The check of a table that comes in parts: it counts the invalid rows of all of them."""

    def __init__(self, table: str, invalid_rows_allowed: int = 0) -> None:
        self._table, self._allowed = table, invalid_rows_allowed
        self._clauses: list[str] = []
        self._numeric_texts: dict[str, frozenset[str] | None] = {}
        self.invalid_rows = 0

    def add(self, findings: Findings, place: str = "") -> None:
        """Adds what was found in the part at ``place``.

        Raises TableInvalid where a column is missing or of another kind, or where more rows than are allowed are invalid.
        """
        clauses = [*findings.column_faults, *findings.row_faults]
        self._clauses += [f"in {place}: {'; '.join(clauses)}" if place else "; ".join(clauses)] if clauses else []
        self.invalid_rows += findings.invalid_rows
        for name, texts in findings.numeric_texts.items():
            before = self._numeric_texts.get(name, frozenset())
            self._numeric_texts[name] = None if texts is None or before is None else before | texts
        if findings.column_faults or self.invalid_rows > self._allowed:
            self._refuse(self._clauses[-MOST_PARTS_SHOWN:])  # the last one is why

    def finish(self) -> int:
        """The number of invalid rows. Raises TableInvalid where a category holds numbers in all parts."""
        for name, texts in self._numeric_texts.items():
            if texts and len(texts) > MOST_NUMERIC_CATEGORIES:
                rule = "be a category, not numbers (declare `kind: number`, or list its categories)"
                self._refuse([f"{name} should {rule}"])
        return self.invalid_rows

    def _refuse(self, clauses: Sequence[str]) -> NoReturn:
        raise TableInvalid(
            f"Table {self._table} does not match its declaration: {'; '.join(clauses)}. "
            "Correct the table, or the declaration of these columns in conf/data/."
        )


def check(frame: pd.DataFrame, columns: Columns, table: str, invalid_rows_allowed: int = 0) -> int:
    """The number of rows that break the declaration of their columns: kind, range, categories, missing values.

    Raises TableInvalid where a column is missing or of another kind, or where more than ``invalid_rows_allowed`` rows are
    invalid; its message gives the rule and the first invalid value of each column.
    """
    whole = TableCheck(table, invalid_rows_allowed)
    whole.add(inspect(frame, columns))
    return whole.finish()


def inspect(frame: pd.DataFrame, columns: Columns, names: Sequence[str] = (), rows_before: int = 0) -> Findings:
    """What breaks the declaration in these rows, before which the file has ``rows_before`` others.

    ``names`` are those of the table's columns, where the frame has not all.
    """
    others = list(map(str, names or frame.columns))
    near = {name: get_close_matches(name, others, n=1) for name in columns if name not in frame}
    column_faults = [
        f"column {name} is missing" + (f" (is it {names[0]!r}?)" if names else "") for name, names in near.items()
    ]
    row_faults, invalid, numeric_texts = [], np.zeros(len(frame), dtype=bool), {}
    for name, column in columns.items():
        if name not in frame:
            continue
        if not KIND_CHECKS[column.kind](frame[name]):
            column_faults.append(f"{name} should be {KIND_NAMES[column.kind]}")
            continue
        for rule, broken in _broken_rules(frame[name], column):
            row = broken.argmax()
            invalid |= broken
            value = str(frame[name].iloc[row])[:MOST_SHOWN]
            row_faults.append(
                f"{name} should {rule}; {broken.sum()} rows are not, such as row {rows_before + row + 1}: {value}"
            )
        if column.kind == "category" and not column.categories:
            numeric_texts[name] = _numeric_texts(frame[name])
    return Findings(tuple(column_faults), tuple(row_faults), int(invalid.sum()), numeric_texts)


def to_single_precision(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """The frame with its numbers as float32, the precision of the exported graph and of a request.

    Raises TableInvalid where that merges distinct values of a column, such as large numbers with different ends.
    """
    numbers = [name for name in feature_names(columns, "number") if name in frame and types.is_numeric_dtype(frame[name])]
    with np.errstate(over="ignore"):  # `check` refuses what is too large
        single = frame.astype(dict.fromkeys(numbers, "float32"))
    for name in numbers:
        for part in _merged_parts(frame[name].dropna().to_numpy("float64")):
            raise TableInvalid(
                f"{name} has {len(part):,} distinct values from {part[0]:,} to {part[-1]:,}; a model computes with seven "
                f"digits, which leave {len(np.unique(np.float32(part))):,} of them. Subtract a number near the smallest "
                "from each in the table, or declare `kind: datetime` or `kind: category` if that is what they are."
            )
    return single


def _merged_parts(values: npt.NDArray[np.float64]) -> Iterator[npt.NDArray[np.float64]]:
    """The parts of the sorted distinct values of a number that have too few numbers in single precision."""
    distinct = np.unique(values[np.abs(values) <= LARGEST])
    distinct = distinct[np.append(True, np.diff(distinct) > NOISE * np.abs(distinct[1:]))[: len(distinct)]]
    for part in np.array_split(distinct, min(MOST_PARTS, len(distinct) // LEAST_OF_A_PART) or 1):
        if not len(part) or part[-1] - part[0] > len(part) * np.spacing(np.float32(np.abs(part).max())):
            continue  # there are enough single-precision numbers in between
        is_whole, kept = bool((part % 1 == 0).all()), len(np.unique(np.float32(part)))
        if kept < len(part) * LEAST_DISTINCT_WHOLE if is_whole else kept < min(len(part) * LEAST_DISTINCT, ENOUGH):
            yield part


def _broken_rules(values: pd.Series, column: Column) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Each rule that values of the column break, and in which rows."""
    # In single precision the ends of a range are rounded like the values.
    low, high = (
        np.float32(end) if end is not None and values.dtype == "float32" else end for end in column.range or (None, None)
    )
    rules = {"have a value in each row": values.isna() if not column.nullable else None}
    if column.kind == "number":
        rules[f"be from -{LARGEST:g} to {LARGEST:g}"] = values.abs() > LARGEST
    if column.kind == "category":
        refused = [text for text in values.dropna().unique() if len(str(text)) > MOST_CHARACTERS or "\0" in str(text)]
        rules[f"be text of at most {MOST_CHARACTERS} characters, none of them NUL"] = (
            values.isin(refused) if refused else None
        )
    if low is not None:
        rules[f"be at least {low:g}"] = values < low
    if high is not None:
        rules[f"be at most {high:g}"] = values > high
    if column.categories:
        rules[f"be one of {', '.join(column.categories)}"] = values.notna() & ~values.isin(column.categories)
    for rule, broken in rules.items():
        if broken is not None and broken.any():
            yield rule, broken.to_numpy(bool)


def _is_category(values: pd.Series) -> bool:
    return bool(
        types.is_string_dtype(values) or types.is_object_dtype(values) or isinstance(values.dtype, pd.CategoricalDtype)
    )


def _numeric_texts(values: pd.Series) -> frozenset[str] | None:
    """The distinct values, or so many of them as are too many for a category of numbers; None where one is no number."""
    distinct = pd.Series(values.dropna().unique())
    if pd.to_numeric(distinct, errors="coerce").isna().any():
        return None
    return frozenset(map(str, distinct.head(MOST_NUMERIC_CATEGORIES + 1)))


KIND_NAMES = {"number": "a number", "category": "a category (text)", "datetime": "a datetime, such as 2013-06-03 08:00"}
KIND_CHECKS = {"number": types.is_numeric_dtype, "category": _is_category, "datetime": types.is_datetime64_any_dtype}
