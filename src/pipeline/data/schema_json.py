"""The content of ``schema.json``: the declaration of each column, and the values that it has in the training table."""

from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import pandas as pd
from pandas.api import types

from column_types.table_format import TableFormat
from pipeline.config.settings import Column, Dataset

REFERENCE_BINS = 10  # quantile bins of a number's reference distribution, as usual for the population stability index (PSI)
REFERENCE_CATEGORIES = 50  # the most frequent ones have a share each, the rest are pooled


class Table(Protocol):
    """A table that gives one column at a time, such as a frame."""

    def __len__(self) -> int: ...

    def __getitem__(self, column: str, /) -> pd.Series: ...


def describe(dataset: Dataset, train: Table) -> dict[str, Any]:
    """The content of ``schema.json`` for the training rows ``train``, which are read column by column."""
    target = dataset.target
    return {
        "name": dataset.name,
        "target": {
            "name": target.name,
            "description": target.description,
            "positive": target.positive,
            "rate": _round(train[target.name].mean()),
        },
        "rows": len(train),
        **_declared("table_format", asdict(dataset.table_format), asdict(TableFormat())),
        "source": _describe_source(dataset) if dataset.tables else None,
        "columns": [_describe_column(name, column, train[name]) for name, column in dataset.columns.items()],
    }


def reference_distribution(values: pd.Series) -> dict[str, Any]:
    """The distribution that drift is measured against: shares by quantile bin, or by category, and the share missing."""
    missing = _round(values.isna().mean())
    present = values.dropna()
    if types.is_datetime64_any_dtype(values):
        return {"missing": missing}
    if types.is_numeric_dtype(values):
        inner = (
            np.unique(np.quantile(present, np.linspace(0, 1, REFERENCE_BINS + 1)[1:-1])) if len(present) else np.array([])
        )
        counts = np.bincount(np.searchsorted(inner, present, side="left"), minlength=len(inner) + 1)
        shares = counts / max(len(present), 1)
        return {"missing": missing, "edges": [_round(edge) for edge in inner], "shares": [_round(share) for share in shares]}
    shares = present.value_counts(normalize=True).rename_axis("value").reset_index(name="share")
    shares = shares.sort_values(["share", "value"], ascending=[False, True]).head(REFERENCE_CATEGORIES)
    return {"missing": missing, "shares": {row.value: _round(row.share) for row in shares.itertuples()}}


def _declared(key: str, settings: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Those settings that differ from their defaults, under ``key``; nothing where there are none."""
    declared = {name: value for name, value in settings.items() if value != defaults[name]}
    return {key: declared} if declared else {}


def _describe_source(dataset: Dataset) -> dict[str, Any]:
    """The recipe that computes the columns from events, its options, and the tables whose rows the events change."""
    tables = {
        name: {"key": list(table.key), "columns": {column: _bounds(of) for column, of in table.columns.items()}}
        for name, table in dataset.tables.items()
    }
    return {"recipe": dataset.recipe, "options": dataset.options, "tables": tables}


def _bounds(column: Column) -> dict[str, Any]:
    low, high = column.range or (None, None)
    categories = list(column.categories) if column.categories else None
    return {
        "kind": column.kind,
        "minimum": low,
        "maximum": high,
        "categories": categories,
        "nullable": column.nullable,
    }


def _describe_column(name: str, column: Column, values: pd.Series) -> dict[str, Any]:
    low, high = column.range or (None, None)
    described: dict[str, Any] = {
        "name": name,
        "kind": column.kind,
        "description": column.description,
        "topic": column.topic,
        "unit": column.unit,
        "available_from": column.available_from,
        "required": column.required,
        "nullable": column.nullable,
        "minimum": low,
        "maximum": high,
        "example": column.example if column.example is not None else _example(values),
        "typical": _typical(values),
    }
    if column.format:
        described["format"] = column.format
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        described["time_zone"] = "UTC"
    if column.kind == "category":
        described["categories"] = list(column.categories) if column.categories else None
        described["seen"] = {"categories": sorted(values.dropna().unique().tolist())}
    else:
        described["seen"] = {"minimum": _to_json_value(values.min()), "maximum": _to_json_value(values.max())}
    return {**described, "reference": reference_distribution(values)}


def _example(values: pd.Series) -> float | str | None:
    """A value of the training table: the middle one of a sorted column, or the most frequent category."""
    present = values.dropna()
    if present.empty:
        return None
    if types.is_numeric_dtype(values) or types.is_datetime64_any_dtype(values):
        return _to_json_value(present.sort_values().iloc[len(present) // 2])
    return str(present.mode().iloc[0])


def _typical(values: pd.Series) -> float | str | None:
    """The value of a typical case: the middle one, or the most frequent category; None where more rows have none."""
    missing = int(values.isna().sum())
    is_ordered = types.is_numeric_dtype(values) or types.is_datetime64_any_dtype(values)
    others = len(values) - missing if is_ordered else values.value_counts().max()
    return None if missing > others else _example(values)


def _to_json_value(value: Any) -> float | str | None:
    if pd.isna(value):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else _round(value)


def _round(value: float) -> float:
    """Six significant digits, which do not depend on the order of arithmetic or on the processor."""
    return float(f"{float(value):.6g}")
