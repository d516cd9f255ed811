"""Scores a table with a model directory, whose own schema says which columns it reads."""

import json
from pathlib import Path

import pandas as pd

from pipeline.config.settings import Column
from pipeline.data import model_inputs
from pipeline.data.schema import KIND_CHECKS
from pipeline.evaluation.metrics import Floats
from pipeline.modeling import artifact
from pipeline.support.errors import SchemaMismatch


def probability(folder: Path, table: pd.DataFrame, name: str) -> Floats:
    """The probability [n] of each row of ``table``, which ``name`` calls by name in errors.

    Raises ModelMissing where the directory is not whole, SchemaMismatch where the table lacks a column that it reads.
    """
    artifact.read_metadata(folder)
    described = json.loads((folder / artifact.SCHEMA).read_text(encoding="utf-8"))["columns"]
    columns = {one["name"]: Column(one["kind"]) for one in described}
    if missing := [column for column in columns if column not in table]:
        raise SchemaMismatch(f"{name} should have the columns that the model reads; it lacks {', '.join(missing)}.")
    if other := [f"{column} ({one.kind})" for column, one in columns.items() if not KIND_CHECKS[one.kind](table[column])]:
        raise SchemaMismatch(f"{name} should have the kinds of columns that the model reads; other are {', '.join(other)}.")
    session = artifact.session(folder / artifact.GRAPH)
    return artifact.probability(session, model_inputs.arrays(model_inputs.frame(table, columns), columns))
