"""A model in memory: records in, probabilities and warnings out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from prediction_api.errors import InvalidModel
from prediction_api.model import parallel_run
from prediction_api.model.artifact import GRAPH, SCHEMA, Column, ModelArtifact
from prediction_api.model.column_batch import Categories, ColumnBatch, from_records
from prediction_api.model.column_reader import ColumnReader
from prediction_api.model.json_columns import JsonColumnReader
from prediction_api.model.reasons import MOST_TOPICS, Explainer
from prediction_api.model.record_reader import Record, RecordReader
from prediction_api.model.training_table import TrainingTable, seconds
from prediction_api.model.warning_table import Found, WarningTable

INPUTS = {"number": "numbers", "category": "categories", "datetime": "datetimes"}
OUTPUT = "probability"
WARM_RUNS = 20
Inputs = dict[str, npt.NDArray[Any]]
Warnings = list[dict[str, str]]


class OnnxModel:
    """A model artifact with its graph opened. Safe to use from several threads: nothing in it changes."""

    def __init__(self, artifact: ModelArtifact, most_records: int = 1000) -> None:
        """Opens the graph, holds it to the schema and asks it for a first prediction; raises InvalidModel."""
        schema = artifact.schema
        self.artifact = artifact
        self.name, self.version, self.threshold = schema.name, artifact.version, artifact.metadata.threshold
        self.records = RecordReader(schema, most_records)
        self.columns = ColumnReader(schema, most_records)
        self.json_columns = JsonColumnReader(schema, most_records)
        names = {kind: [column.name for column in schema.columns if column.kind == kind] for kind in INPUTS}
        self._names = {kind: columns for kind, columns in names.items() if columns}
        self._take = {kind: _taker(columns) for kind, columns in self._names.items()}
        self._left_out = {column.name: None for column in schema.columns if not column.required}
        self._training = {
            kind: TrainingTable([self.records.columns[name] for name in columns]) for kind, columns in self._names.items()
        }
        self._session = _session(artifact.graph, {INPUTS[kind]: len(columns) for kind, columns in self._names.items()})
        self._smoke()
        self.explainer = self._explainer()

    def inputs(self, records: Sequence[Record]) -> Inputs:
        """Records as the graph's inputs, one row each: float32 numbers, text categories, float64 seconds since 1970."""
        if self._left_out:
            records = [{**self._left_out, **record} for record in records]
        take, packed = self._take, {}
        if "number" in take:
            packed["numbers"] = np.array([take["number"](record) for record in records], np.float32)
        if "category" in take:
            texts = [take["category"](record) for record in records]
            texts = [tuple(text or "" for text in row) if None in row else row for row in texts]
            packed["categories"] = np.array(texts, object)
        if "datetime" in take:
            rows = [[seconds(value) for value in take["datetime"](record)] for record in records]
            packed["datetimes"] = np.array(rows, np.float64)
        return packed

    def have_all_columns(self, records: Sequence[Record]) -> bool:
        """Whether each of the records, which were checked, has a field for each column."""
        count = len(self.records.columns)
        return all(len(record) == count for record in records)

    def to_columns(self, records: Sequence[Record]) -> ColumnBatch:
        """Records that have all columns, by column."""
        return from_records(self.artifact.schema.columns, records)

    def column_inputs(self, batch: ColumnBatch) -> Inputs:
        """Records by column as the graph's inputs: the same as ``inputs`` of the same records."""
        packed: Inputs = {}
        if names := self._names.get("number"):
            places = [names.index(name) for name in batch.number_names]
            packed["numbers"] = np.full((batch.rows, len(names)), np.nan, np.float32)
            packed["numbers"][:, places] = batch.matrix.T
        if names := self._names.get("category"):
            packed["categories"] = np.full((batch.rows, len(names)), "", object)
            for place, name in enumerate(names):
                if column := batch.categories.get(name):
                    packed["categories"][:, place] = np.array([text or "" for text in column.texts], object)[column.codes]
        if names := self._names.get("datetime"):
            packed["datetimes"] = np.full((batch.rows, len(names)), np.nan)
            for place, name in enumerate(names):
                if name in batch.datetimes:
                    packed["datetimes"][:, place] = batch.datetimes[name].seconds
        return packed

    def column_warnings(self, batch: ColumnBatch, inputs: Inputs) -> WarningTable:
        """What is unlike the training table: the same as ``warnings`` of the same records."""
        found: list[Iterable[Found]] = []
        if training := self._training.get("number"):
            found.append(training.number_columns(inputs["numbers"]))
        if training := self._training.get("category"):
            nothing = Categories(np.zeros(batch.rows, np.intp), [None])
            columns = [batch.categories.get(name, nothing) for name in self._names["category"]]
            found.append(training.category_columns(columns))
        if training := self._training.get("datetime"):
            found.append(training.date_columns(inputs["datetimes"]))
        return WarningTable.join(chain.from_iterable(found))

    def probabilities(self, inputs: Inputs) -> npt.NDArray[np.float64]:
        """The probability [n] of each row."""
        return parallel_run.run(self._run, inputs)

    def _run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
        (result,) = self._session.run([OUTPUT], inputs)
        return np.asarray(result, np.float64)

    def warnings(self, inputs: Inputs) -> dict[int, Warnings]:
        """What is unlike the training table, by row; rows without a warning are left out."""
        warnings: dict[int, Warnings] = {}
        for kind, training in self._training.items():
            for row, warning in training.warnings(inputs[INPUTS[kind]]):
                warnings.setdefault(row, []).append(warning)
        return warnings

    def example(self) -> Record:
        """A record of the schema's own examples, with null where it has none."""
        return {column.name: _parsed(column, column.example) for column in self.artifact.schema.columns}

    def _explainer(self) -> Explainer | None:
        """What gives the reasons of predictions; None where not all columns have a topic."""
        columns = self.artifact.schema.columns
        topics = {column.topic for column in columns}
        if None in topics:
            return None
        if len(topics) > MOST_TOPICS:
            raise InvalidModel(
                f"{SCHEMA} should have at most {MOST_TOPICS} topics; it has {len(topics)}. Reproduce the model."
            )
        by_input = {INPUTS[kind]: [self.records.columns[name] for name in names] for kind, names in self._names.items()}
        try:
            typical = {column.name: _parsed(column, column.typical) for column in columns}
            return Explainer(by_input, typical, self.inputs, self.probabilities)
        except (TypeError, ValueError) as error:
            raise InvalidModel(
                f"{SCHEMA} should have a typical value of each column; {error}. Reproduce the model."
            ) from error

    def _smoke(self) -> None:
        try:
            inputs, two = self.inputs([self.example()]), self.inputs([self.example()] * 2)
            for _ in range(WARM_RUNS):
                probabilities = self.probabilities(inputs)
            shapes = probabilities.shape, self.probabilities(two).shape
        except Exception as error:
            raise InvalidModel(
                f"{GRAPH} should give one probability for the schema's own example; it failed: "
                f"{' '.join(str(error).split())}. Reproduce the model."
            ) from error
        if shapes != ((1,), (2,)):
            raise InvalidModel(
                f"{GRAPH} should give one probability a row; its shapes for one row and two are {shapes}. Reproduce it."
            )
        (probability,) = probabilities.tolist()
        if not 0 <= probability <= 1:
            raise InvalidModel(
                f"{GRAPH} should give a probability; for the schema's own example it gives {probability}. Reproduce it."
            )


def _parsed(column: Column, value: float | str | None) -> Any:
    """A value of the schema as a record holds it."""
    return datetime.fromisoformat(str(value)) if column.kind == "datetime" and value else value


def _taker(names: list[str]) -> Any:
    """A function that takes these fields of a record as a tuple, also where there is only one."""
    if len(names) == 1:
        only = names[0]
        return lambda record: (record[only],)
    return itemgetter(*names)


def _session(graph: bytes, widths: dict[str, int]) -> onnxruntime.InferenceSession:
    """The graph with one thread a call: for a record or a thousand, waking others costs more than they bring."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InvalidModel(
            f"{GRAPH} is no graph that ONNX Runtime {onnxruntime.__version__} opens: {error}. Reproduce it."
        ) from error
    inputs = {node.name: node.shape[-1] if node.shape else None for node in session.get_inputs()}
    outputs = [node.name for node in session.get_outputs()]
    if inputs != widths or OUTPUT not in outputs:
        raise InvalidModel(
            f"{GRAPH} should take {widths} and give {OUTPUT}; it takes {inputs} and gives {', '.join(outputs)}. "
            "Reproduce it."
        )
    return session
