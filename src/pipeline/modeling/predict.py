"""Predicts the rows of a table with a model directory, which names the columns that it reads in its ``schema.json``."""

import json
from pathlib import Path

import pandas as pd

from pipeline.config.settings import Column
from pipeline.data import model_inputs
from pipeline.data.schema import KIND_CHECKS
from pipeline.evaluation.metrics import Floats
from pipeline.modeling import artifact
from pipeline.support.errors import SchemaMismatch


def probability(folder: Path, table: pd.DataFrame, table_name: str) -> Floats:
    """The probability [n] of each row of ``table``; errors call the table ``table_name``.

    Raises ModelMissing where the directory is incomplete or altered, SchemaMismatch where the table does not have the
    columns that the model reads.
    """
    artifact.read_metadata(folder)
    described = json.loads((folder / artifact.SCHEMA).read_text(encoding="utf-8"))["columns"]
    columns = {column["name"]: Column(column["kind"]) for column in described}
    if missing := [name for name in columns if name not in table]:
        raise SchemaMismatch(f"{table_name} should have the columns that the model reads; it lacks {', '.join(missing)}.")
    if other := [f"{name} ({column.kind})" for name, column in columns.items() if not KIND_CHECKS[column.kind](table[name])]:
        raise SchemaMismatch(
            f"{table_name} should have the columns of the kinds that the model reads; it has others in {', '.join(other)}."
        )
    session = artifact.session(folder / artifact.GRAPH)
    return artifact.probability(session, model_inputs.to_arrays(model_inputs.pack(table, columns), columns))
