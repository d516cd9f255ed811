"""Scores a table with a model directory, whose own schema says which columns it reads."""

import json
from pathlib import Path

import pandas as pd

from pipeline import inputs, model_directory
from pipeline.config import Column
from pipeline.errors import SchemaMismatch
from pipeline.schema import KIND_CHECKS
from pipeline.scoring import Floats


def probability(folder: Path, table: pd.DataFrame, name: str) -> Floats:
    """The probability [n] of each row of ``table``, which ``name`` calls by name in errors.

    Raises ModelMissing where the directory is not whole, SchemaMismatch where the table lacks a column that it reads.
    """
    model_directory.read_about(folder)
    described = json.loads((folder / model_directory.SCHEMA).read_text(encoding="utf-8"))["columns"]
    columns = {one["name"]: Column(one["kind"]) for one in described}
    if missing := [column for column in columns if column not in table]:
        raise SchemaMismatch(f"{name} should have the columns that the model reads; it lacks {', '.join(missing)}.")
    if other := [f"{column} ({one.kind})" for column, one in columns.items() if not KIND_CHECKS[one.kind](table[column])]:
        raise SchemaMismatch(f"{name} should have the kinds of columns that the model reads; other are {', '.join(other)}.")
    session = model_directory.session(folder / model_directory.GRAPH)
    return model_directory.probability(session, inputs.arrays(inputs.frame(table, columns), columns))
