"""The model directory as it arrives: three files whose digests agree, and a schema that this service understands."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from column_types.table_format import TableFormat
from prediction_api.errors import InvalidModel

GRAPH, SCHEMA, METADATA = FILES = ("model.onnx", "schema.json", "metadata.json")
OLD_METADATA = "about.json"  # what models that were registered before the renaming call it
MOST_QUESTION = 1000  # characters, which is what the data service takes
VERSION_CHARACTERS = 12
CHECKED = ConfigDict(extra="ignore", strict=True)


@checked_dataclass(frozen=True, config=CHECKED)
class TrainingRange:
    """What the training table held: the categories, or the lowest and highest number or ISO 8601 datetime."""

    categories: tuple[str, ...] | None = None
    minimum: float | str | None = None
    maximum: float | str | None = None


@checked_dataclass(frozen=True, config=CHECKED)
class Column:
    """One column that a record holds; ``minimum``, ``maximum`` and ``categories`` are bounds, ``seen`` is experience."""

    name: str
    kind: Literal["number", "category", "datetime"]
    required: bool
    nullable: bool
    description: str = ""
    unit: str | None = None
    available_from: str = ""
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] | None = None
    example: float | str | None = None
    topic: str | None = None  # by which the reasons of a prediction are counted; None in models from before there were any
    typical: float | str | None = None
    format: str | None = None  # of a datetime in a CSV file
    time_zone: str | None = None  # UTC where the datetimes have an offset, and so must those of a request
    seen: TrainingRange = TrainingRange()
    reference: dict[str, Any] | None = None

    @property
    def known_categories(self) -> tuple[str, ...]:
        """The categories that were declared, or else those that the training table held."""
        return self.categories or self.seen.categories or ()


@checked_dataclass(frozen=True, config=CHECKED)
class Target:
    """What is predicted, and its share of the training rows."""

    name: str
    description: str = ""
    rate: float | None = None


@checked_dataclass(frozen=True, config=CHECKED)
class Source:
    """The recipe that computes the columns from events, its options, and the source tables whose rows events change."""

    recipe: str
    options: dict[str, Any]
    tables: dict[str, dict[str, Any]]


@checked_dataclass(frozen=True, config=CHECKED)
class Schema:
    """The columns of a record, in the order in which the graph takes them, and the target.

    ``source`` is None where callers give the columns themselves, and in models from before there was an event log.
    """

    name: str
    target: Target
    columns: tuple[Column, ...]
    rows: int | None = None
    probability: dict[str, Any] | None = None
    table_format: TableFormat = TableFormat()
    source: Source | None = None


@checked_dataclass(frozen=True, config=CHECKED)
class ModelMetadata:
    """Where the model came from, and from which probability its label is true; ``data``, ``sha256``: digests by file."""

    name: str
    threshold: float
    sha256: dict[str, str]
    data: dict[str, str]
    parameters: dict[str, Any]
    versions: dict[str, str]
    question: dict[str, Any]
    metrics: dict[str, float] = Field(default_factory=dict)
    card: dict[str, Any] | None = None  # texts in Markdown about what the model is for; models from before have none


@dataclass(frozen=True)
class ModelArtifact:
    """A checked model directory, in memory: later changes of the files cannot reach it."""

    graph: bytes
    schema: Schema
    metadata: ModelMetadata
    files: Mapping[str, Any]  # schema.json and metadata.json as they were parsed
    sha256: Mapping[str, str]

    @property
    def reference(self) -> dict[str, Any] | None:
        """The distributions that drift is measured against: of columns in training, and of the probability.

        None where nobody wrote them. Datetimes have none: time moves by nature.
        """
        columns = {column.name: column.reference for column in self.schema.columns if column.kind != "datetime"}
        if not all(columns.values()):
            return None
        return {"columns": columns, "probability": (self.schema.probability or {}).get("reference")}

    @property
    def question(self) -> str:
        """What the model predicts, in a line: models of one data set with the same question can be scored together."""
        target = self.files["schema.json"]["target"]
        options = ", ".join(f"{name}: {value}" for name, value in sorted(self.metadata.question.items()))
        positive = "" if target.get("positive") is None else f" is {target['positive']}"
        return f"{target['name']}{positive}{f' ({options})' if options else ''}"[:MOST_QUESTION]

    @property
    def version(self) -> str:
        """The first characters of the digest of metadata.json, which holds the digests of everything else."""
        return self.metadata_sha256[:VERSION_CHARACTERS]

    @property
    def metadata_sha256(self) -> str:
        """The digest of metadata.json, by whichever name the directory holds that file."""
        return next(self.sha256[name] for name in (METADATA, OLD_METADATA) if name in self.sha256)


def file_names(folder: Path) -> tuple[str, str, str]:
    """The names of graph, schema and metadata in ``folder``: an older directory calls its metadata about.json."""
    is_old = not (folder / METADATA).exists() and (folder / OLD_METADATA).is_file()
    return GRAPH, SCHEMA, OLD_METADATA if is_old else METADATA


def read(folder: Path, expected: Mapping[str, str] | None = None) -> ModelArtifact:
    """The model in ``folder``; ``expected`` are digests that its sender gave, by file.

    Raises InvalidModel where a file is absent, altered or foreign.
    """
    _, _, metadata_name = names = file_names(folder)
    content = {name: _bytes(folder, name) for name in names}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    metadata = _parse(ModelMetadata, content[metadata_name], folder / metadata_name)
    promised = [*((name, metadata.sha256.get(name, "no digest")) for name in (GRAPH, SCHEMA)), *(expected or {}).items()]
    if altered := [
        f"{name} ({digests[name][:12]}, not {digest[:12]})" for name, digest in promised if digests[name] != digest
    ]:
        raise InvalidModel(
            f"The files in {folder} should have the sha256 that came with them; {', '.join(altered)} has not. "
            f"Fetch the model again (`dvc checkout --force {folder}`), or reproduce it."
        )
    schema = _parse(Schema, content[SCHEMA], folder / SCHEMA)
    if doubled := [name for name, count in Counter(column.name for column in schema.columns).items() if count > 1]:
        raise InvalidModel(
            f"{folder / SCHEMA} should name each column once; it names {', '.join(doubled)} twice. Reproduce it."
        )
    if not schema.columns or schema.name != metadata.name or not 0 <= metadata.threshold <= 1:
        raise InvalidModel(
            f"{folder} should hold one model: {SCHEMA} is of {schema.name!r} with {len(schema.columns)} columns, "
            f"{metadata_name} of {metadata.name!r} with the threshold {metadata.threshold:g}. Reproduce it."
        )
    whole = {name: TypeAdapter(dict[str, Any]).validate_json(content[name]) for name in (SCHEMA, metadata_name)}
    return ModelArtifact(content[GRAPH], schema, metadata, whole, digests)


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise InvalidModel(
            f"{folder} should hold {', '.join(FILES)}; {name} cannot be read ({error.strerror}). "
            "Type `make repro` to make the model, or `dvc pull` to fetch it, or point MODEL_URI at another."
        ) from error


def _parse(kind: type, content: bytes, path: Path) -> Any:
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InvalidModel(f"{path} is not a file of this kind of model: {where}: {first['msg']}. Reproduce it.") from error
