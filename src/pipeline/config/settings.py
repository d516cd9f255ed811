"""The settings of params.yaml as frozen, closed types: an unknown key, a wrong type or a bad value has no way in."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AliasChoices, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from column_types.table_format import TableFormat
from pipeline.config.flatten import leaves
from pipeline.support.errors import ParamsInvalid

CLOSED = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what numpy and scikit-learn take
Kind = Literal["number", "category", "datetime"]
Label = str | int | float | bool
UNRESOLVED = "???"  # what composition leaves where nobody gave a value
PARAMS_NAME = "params.yaml"
TABLE_RECIPE = "table"
RANDOM_SPLIT = {"by": "random", "test_share": 0.25, "seed": 7}  # where a table declares no split
TABLE_COLUMNS = re.compile(r"^data\.tables\.[^.]+\.columns\.")
# What a slice may take of a datetime, as pandas names it.
DATETIME_PARTS = {"year": "year", "month": "month", "date": "date", "weekday": "day_of_week", "hour": "hour"}
T = TypeVar("T")


@dataclass(frozen=True, config=CLOSED)
class Column:
    """One column: what it holds, in which unit and range, and from when on its value is available.

    ``required`` says whether a request must hold it; a table always must.
    """

    kind: Kind
    description: str = ""
    unit: str | None = None
    range: tuple[float | None, float | None] | None = None
    categories: tuple[str, ...] | None = None
    nullable: bool = True
    required: bool = True
    available_from: str = "as the table gives it"
    example: float | str | None = None
    format: str | None = None  # of a datetime that is text, such as "%d.%m.%Y"; without it ISO 8601


Columns = dict[str, Column]


@dataclass(frozen=True, config=CLOSED)
class Source:
    """Where the raw tables come from: the file at ``path``, or an installed package that ``path`` (a lock) pins."""

    path: str
    package: str | None = None


@dataclass(frozen=True, config=CLOSED, kw_only=True)
class RawTable(TableFormat):
    """One raw table: its file in the source, its format, the digest that it must have, and its declared columns."""

    file: str
    columns: Columns
    sha256: str | None = None


@dataclass(frozen=True, config=CLOSED)
class Target:
    """What is predicted: column ``name`` of the examples, 1 where the raw value is ``positive`` or one of these values.

    Of a number ``positive`` may also be a comparison, such as ">200".
    """

    name: str
    description: str = ""
    positive: Label | tuple[Label, ...] | None = None


@dataclass(frozen=True, config=CLOSED)
class TimeSplit:
    """Rows before ``test_from`` train, rows from then on test (to ``test_to``, exclusive, where it is given)."""

    by: Literal["time"]
    column: str
    test_from: Annotated[date, Field(strict=False)]
    test_to: Annotated[date | None, Field(strict=False)] = None


@dataclass(frozen=True, config=CLOSED)
class RandomSplit:
    """A seeded random split, by default with the same share of positives on both sides."""

    by: Literal["random"]
    test_share: Share
    seed: Seed
    stratify: bool = True


Split = Annotated[TimeSplit | RandomSplit, Field(discriminator="by")]


@dataclass(frozen=True, config=CLOSED)
class Dataset:
    """What travels with the examples: their columns, their target and how they were split."""

    name: str
    target: Target
    columns: Columns
    split: Split
    options: dict[str, Any] = Field(default_factory=dict)
    table_format: TableFormat = TableFormat()  # of the file whose columns these are; a file for `score` is read likewise


@dataclass(frozen=True, config=CLOSED, kw_only=True)
class Data(Dataset):
    """One data set: also where it comes from, and how it is reported."""

    recipe: str
    source: Source
    tables: dict[str, RawTable]
    slices: tuple[str, ...] = ()
    resample_by: str | None = None

    def with_columns(self, columns: Columns) -> "Data":
        """The same with these columns, also in the tables without any."""
        tables = {name: table if table.columns else replace(table, columns=columns) for name, table in self.tables.items()}
        return replace(self, columns=columns, tables=tables)

    def dataset(self) -> Dataset:
        """The part that travels with the examples."""
        (table, *others) = self.tables.values()
        read_as_it_is = not others and table.columns == self.columns
        form = TableFormat(**{field.name: getattr(table, field.name) for field in fields(TableFormat)})
        shared = {field.name: getattr(self, field.name) for field in fields(Dataset)}
        return Dataset(**{**shared, "table_format": form if read_as_it_is else TableFormat()})


@dataclass(frozen=True, config=CLOSED)
class Card:
    """What only a person knows of a model; each text is one paragraph or list item of Markdown in its card."""

    purpose: str = ""
    uses: tuple[str, ...] = ()
    not_for: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    contact: str = ""


# The classes that a YAML file may name: a class that is named is called, and any other could run any code that is installed.
# Of each, tests/pipeline/modeling/test_classifier.py shows that its ONNX graph gives the same probabilities. Forests are not
# among them: skl2onnx 1.20 sends missing values, and values beside a threshold, another way than scikit-learn does.
Classifier = Literal[
    "sklearn.ensemble.GradientBoostingClassifier",
    "sklearn.ensemble.HistGradientBoostingClassifier",
    "sklearn.linear_model.LogisticRegression",
    "sklearn.naive_bayes.GaussianNB",
    "sklearn.neural_network.MLPClassifier",
]


@dataclass(frozen=True, config=CLOSED)
class Model:
    """A classifier of scikit-learn: its class, how it takes the columns, and the class's own ``parameters``.

    ``encoding``: ``ordinal`` numbers the categories, and keeps missing values; ``one_hot`` gives each category a column of
    its own, scales numbers and fills in missing ones.
    """

    name: str
    target: Annotated[Classifier, Field(validation_alias=AliasChoices("_target_", "target"))]
    encoding: Literal["ordinal", "one_hot"]
    parameters: dict[str, Any] = Field(default_factory=dict)

    def as_declared(self) -> dict[str, Any]:
        """The model as its file in conf/model declares it."""
        return {"name": self.name, "_target_": self.target, "encoding": self.encoding, **self.parameters}


@dataclass(frozen=True, config=CLOSED)
class RowChecks:
    """How a table is checked before it is written: how many of its rows may break their declaration."""

    invalid_rows_allowed: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config=CLOSED)
class Train:
    """How a model is fitted, calibrated and given its threshold, on the training period alone."""

    seed: Seed
    folds: Annotated[int, Field(ge=2, le=20)]
    threshold: Literal["f1", "rate"] | Share


@dataclass(frozen=True, config=CLOSED)
class Evaluate:
    """How the test period is scored."""

    seed: Seed
    resamples: Annotated[int, Field(ge=20, le=10_000)]
    confidence: Share
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
    smallest_slice: Annotated[int, Field(ge=1)]
    importance_rows: Annotated[int, Field(ge=100)]


@dataclass(frozen=True, config=CLOSED)
class Params:
    """All of params.yaml."""

    data: Data
    model: Model
    ingest: RowChecks
    preprocess: RowChecks
    train: Train
    evaluate: Evaluate


# Blocks with keys that only their recipe or class knows: these keys are gathered, for it to check, under the second name.
OPEN_BLOCKS = (
    ("data", "options", [field.name for field in fields(Data) if field.name != "options"]),
    ("model", "parameters", ["name", "_target_", "encoding"]),
)


def read_params(values: Mapping[str, Any]) -> Params:
    """The typed settings of a params.yaml mapping.

    Keys of ``data`` that only its recipe knows become ``data.options``, those of ``model`` that only its class knows
    ``model.parameters``.

    Raises ParamsInvalid, which names every faulty key in full.
    """
    gathered = {name: _with_defaults(block) if name == "data" else block for name, block in values.items()}
    for name, rest, declared in OPEN_BLOCKS:
        if isinstance(block := gathered.get(name), Mapping):
            others = {key: value for key, value in block.items() if key not in declared}
            gathered[name] = {**{key: block[key] for key in declared if key in block}, rest: others}
    params = parse_settings(Params, gathered)
    refuse_contradictions(params.data)
    return params


def refuse_contradictions(data: Data) -> None:
    """Raises ParamsInvalid where settings, each of which could be right, do not go together."""
    if faults := list(_contradictions(data)):
        raise ParamsInvalid(faults_sentence(faults))


def _with_defaults(data: Any) -> Any:
    """The block ``data`` with what may be left out where the file at ``source.path`` is the only table."""
    if not isinstance(data, Mapping):
        return data
    source = data.get("source")
    path = str(source.get("path")) if isinstance(source, Mapping) else ""
    defaults = {
        "name": Path(path).name.partition(".")[0],
        "recipe": TABLE_RECIPE,
        "tables": {"table": {"file": path, "columns": data.get("columns") or {}}},
        "columns": {},
        "split": RANDOM_SPLIT,
    }
    return defaults | {key: value for key, value in data.items() if value is not None and (key, value) != ("tables", {})}


def _contradictions(data: Data) -> Iterator[str]:
    if not data.columns and (data.recipe != TABLE_RECIPE or len(data.tables) != 1):
        yield "data.columns is empty; a model needs at least one column, and only those of a single table are inferred"
    if data.source.path.startswith("~"):
        yield f"data.source.path is {data.source.path}; DVC takes ~ for a folder of that name, so write the whole path"
    if data.target.name in data.columns:
        yield f"data.columns.{data.target.name} is the target, which gives the model the answer"
    yield from _wrong_columns(data.columns)
    if not data.columns:
        return  # the stage ingest infers them, and asks again
    for index, slice_name in enumerate(data.slices):
        yield from _unknown_column(f"data.slices[{index}]", slice_name, data)
    if data.resample_by:
        yield from _unknown_column("data.resample_by", data.resample_by, data)
    if isinstance(data.split, TimeSplit):
        if data.split.column not in data.columns or data.columns[data.split.column].kind != "datetime":
            yield f"data.split.column is {data.split.column}; it should be a datetime column of data.columns"
        if data.split.test_to and data.split.test_to <= data.split.test_from:
            yield "data.split.test_to should be after data.split.test_from"


def _wrong_columns(columns: Columns) -> Iterator[str]:
    for name, column in columns.items():
        if column.example is not None and not _is_example(column.kind, column.example):
            yield f"data.columns.{name}.example is {column.example!r}; it should be a {column.kind}"
        low, high = column.range or (None, None)
        if column.range and column.kind != "number":
            yield f"data.columns.{name}.range goes with `kind: number`, not with {column.kind}"
        if low is not None and high is not None and low > high:
            yield f"data.columns.{name}.range is [{low:g}, {high:g}]; the lower end comes first"


def _is_example(kind: Kind, value: float | str) -> bool:
    if kind != "datetime":
        return isinstance(value, float) == (kind == "number")
    try:
        return bool(datetime.fromisoformat(str(value)))
    except ValueError:
        return False


def _unknown_column(key: str, slice_name: str, data: Data) -> Iterator[str]:
    column, _, part = slice_name.rpartition(".")
    is_part = column in data.columns and data.columns[column].kind == "datetime" and part in DATETIME_PARTS
    if slice_name not in data.columns and not is_part:
        parts = ", .".join(DATETIME_PARTS)
        yield f"{key} is {slice_name}; it should be in data.columns, or a datetime in there with a part (.{parts})"


def parse_settings(kind: type[T], values: Any, prefix: str = "", file: str = PARAMS_NAME) -> T:
    """``values`` as a ``kind``, a closed dataclass; ``prefix`` is the key under which they stand in ``file``.

    Raises ParamsInvalid, which names every faulty key in full.
    """
    is_missing = (key for key, text in leaves(values, prefix) if text == UNRESOLVED and not key.endswith("]"))
    if unresolved := [f"{key} is still {UNRESOLVED!r}, which nothing has replaced" for key in is_missing]:
        raise ParamsInvalid(faults_sentence(unresolved, file))
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        details: dict[str, Mapping[str, Any]] = {}
        for detail in error.errors():
            by = ".by" if detail["type"].startswith("union_tag") else ""
            details.setdefault(_full_key(detail["loc"], values, prefix) + by, detail)
        raise ParamsInvalid(faults_sentence(_describe_all(details), file)) from error


def dump_settings(settings: Any) -> str:
    """Settings as JSON text, which ``parse`` reads back."""
    return TypeAdapter(type(settings)).dump_json(settings, indent=2, exclude_defaults=True).decode() + "\n"


def faults_sentence(faults: Iterable[str], file: str = PARAMS_NAME) -> str:
    """All faults of a file in one sentence, with what to do."""
    in_conf = "Correct it in conf/ and type `make params`, or correct the -S of `dvc exp run`."
    cure = in_conf if file == PARAMS_NAME else "Correct it there."
    return f"{file} does not hold the settings that are read from it: {'; '.join(dict.fromkeys(faults))}. {cure}"


def not_a_setting(key: str, names: Iterable[str]) -> str:
    """Says that ``key`` is unknown, beside the nearest of the known ``names``."""
    near = get_close_matches(key.rpartition(".")[2], names, n=1)
    return f"{key} is not a setting" + (f" (did you mean {near[0]}?)" if near else "")


def _describe_all(errors: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Pydantic's errors, by full key, as clauses; keys with the same error share one.

    A table may take over its columns from ``data.columns``, so an error in these is not told of the table again.
    """
    keys_by_clause: dict[str, list[str]] = {}
    for key, error in errors.items():
        shared = TABLE_COLUMNS.sub("data.columns.", key)
        if shared == key or shared not in errors:
            keys_by_clause.setdefault(_describe(key, error), []).append(key)
    for clause, (first, *others) in keys_by_clause.items():
        yield f"{first} {clause}" + (f" (likewise {', '.join(others)})" if others else "")


def _describe(key: str, error: Mapping[str, Any]) -> str:
    """One of pydantic's errors as a clause about its key."""
    kind = error["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return not_a_setting(key, SETTING_NAMES).removeprefix(f"{key} ")
    if kind in ("missing", "missing_argument", "union_tag_not_found"):
        return "is missing"
    if kind == "union_tag_invalid":
        kinds = error["ctx"]["expected_tags"].replace("'", "")
        return f"is {error['ctx']['tag']!r}; it should be one of {kinds}"
    return f"is {error['input']!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _full_key(location: tuple[int | str, ...], values: Any, prefix: str) -> str:
    """The dotted key of an error, without the members of unions that pydantic puts into its location."""
    key = prefix
    for part in location:
        if isinstance(part, int):
            key, values = f"{key}[{part}]", (values[part : part + 1] or [None])[0]
        elif isinstance(values, Mapping) and (part in values or part != values.get("by")):
            key, values = f"{key}.{part}".lstrip("."), values.get(part)
    return key


SETTING_NAMES = sorted({field.name for kind in list(globals().values()) if is_dataclass(kind) for field in fields(kind)})
