"""The settings of params.yaml as frozen, closed types: an unknown key, a wrong type or a bad value has no way in."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from pipeline.config.flatten import leaves
from pipeline.support.errors import ParamsInvalid

CLOSED = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what numpy and scikit-learn take
Kind = Literal["number", "category", "datetime"]
# Text that composition should have replaced: a value nobody gave, or an interpolation nobody resolved.
UNRESOLVED = ("???", "${")
PARAMS_NAME = "params.yaml"
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


Columns = dict[str, Column]


@dataclass(frozen=True, config=CLOSED)
class Source:
    """Where the raw tables come from: the file at ``path``, or an installed package that ``path`` (a lock) pins."""

    path: str
    package: str | None = None


@dataclass(frozen=True, config=CLOSED)
class RawTable:
    """One raw table: its file in the source, the digest that file must have, and its declared columns."""

    file: str
    columns: Columns
    sha256: str | None = None
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "NULL", "null")  # what a CSV file writes for no value


@dataclass(frozen=True, config=CLOSED)
class Target:
    """What is predicted: column ``name`` of the examples, 1 where the raw value equals ``positive``."""

    name: str
    description: str = ""
    positive: str | int | float | bool | None = None


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


@dataclass(frozen=True, config=CLOSED)
class Data:
    """One data set: where it comes from, what its columns are, how it is split and reported."""

    name: str
    recipe: str
    source: Source
    tables: dict[str, RawTable]
    target: Target
    columns: Columns
    split: Split
    slices: tuple[str, ...] = ()
    resample_by: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    def dataset(self) -> Dataset:
        """The part that travels with the examples."""
        return Dataset(self.name, self.target, self.columns, self.split, self.options)


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


@dataclass(frozen=True, config=CLOSED)
class HistGradientBoosting:
    """Gradient-boosted trees on histograms (scikit-learn's HistGradientBoostingClassifier)."""

    name: Literal["hgb"]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    trees: Annotated[int, Field(ge=1, le=5000)]
    leaves: Annotated[int, Field(ge=2, le=1024)]
    rows_per_leaf: Annotated[int, Field(ge=1)]
    l2: Annotated[float, Field(ge=0)]
    columns_per_split: Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, config=CLOSED)
class Logistic:
    """Logistic regression on scaled numbers and one-hot categories: the baseline."""

    name: Literal["logistic"]
    inverse_penalty: Annotated[float, Field(gt=0)]
    iterations: Annotated[int, Field(ge=1)]


Model = Annotated[HistGradientBoosting | Logistic, Field(discriminator="name")]


@dataclass(frozen=True, config=CLOSED)
class Ingest:
    """How the source tables are checked on arrival."""

    invalid_rows_allowed: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config=CLOSED)
class Preprocess:
    """How examples are checked before they are written."""

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
    ingest: Ingest
    preprocess: Preprocess
    train: Train
    evaluate: Evaluate


def read_params(values: Mapping[str, Any]) -> Params:
    """The typed settings of a params.yaml mapping; keys of ``data`` that only its recipe knows end in ``data.options``.

    Raises ParamsInvalid, which names every faulty key in full.
    """
    data = values.get("data")
    if isinstance(data, Mapping) and "options" not in data:
        common = {field.name for field in fields(Data)}
        shared = {key: value for key, value in data.items() if key in common}
        own = {key: value for key, value in data.items() if key not in common}
        values = {**values, "data": {**shared, "options": own}}
    params = parse_settings(Params, values)
    if faults := list(_contradictions(params.data)):
        raise ParamsInvalid(_sentence(faults))
    return params


def _contradictions(data: Data) -> Iterator[str]:
    """What is wrong between settings each of which could be right."""
    if not data.columns:
        yield "data.columns is empty; a model needs at least one column"
    if data.target.name in data.columns:
        yield f"data.columns.{data.target.name} is the target, which gives the model the answer"
    yield from _wrong_ranges(data.columns)
    for index, slice_name in enumerate(data.slices):
        yield from _unknown_column(f"data.slices[{index}]", slice_name, data)
    if data.resample_by:
        yield from _unknown_column("data.resample_by", data.resample_by, data)
    if isinstance(data.split, TimeSplit):
        if data.split.column not in data.columns or data.columns[data.split.column].kind != "datetime":
            yield f"data.split.column is {data.split.column}; it should be a datetime column of data.columns"
        if data.split.test_to and data.split.test_to <= data.split.test_from:
            yield "data.split.test_to should be after data.split.test_from"


def _wrong_ranges(columns: Columns) -> Iterator[str]:
    for name, column in columns.items():
        low, high = column.range or (None, None)
        if column.range and column.kind != "number":
            yield f"data.columns.{name}.range goes with `kind: number`, not with {column.kind}"
        if low is not None and high is not None and low > high:
            yield f"data.columns.{name}.range is [{low:g}, {high:g}]; the lower end comes first"


def _unknown_column(key: str, slice_name: str, data: Data) -> Iterator[str]:
    column, _, part = slice_name.partition(".")
    if column not in data.columns or (part and data.columns[column].kind != "datetime"):
        yield f"{key} is {slice_name}; it should be in data.columns, or a datetime in there with a part such as .month"


def parse_settings(kind: type[T], values: Any, prefix: str = "", file: str = PARAMS_NAME) -> T:
    """``values`` as a ``kind``, a closed dataclass; ``prefix`` is the key under which they stand in ``file``.

    Raises ParamsInvalid, which names every faulty key in full.
    """
    unresolved = [(key, text) for key, text in leaves(values, prefix) if isinstance(text, str)]
    faults = [
        f"{key} is still {t!r}, which nothing has replaced" for key, t in unresolved if any(m in t for m in UNRESOLVED)
    ]
    if faults:
        raise ParamsInvalid(_sentence(faults, file))
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        found = (_fault(one["type"], _full_key(one["loc"], values, prefix), one) for one in error.errors())
        raise ParamsInvalid(_sentence(list(dict.fromkeys(found)), file)) from error


def dump_settings(settings: Any) -> str:
    """Settings as JSON text, which ``parse`` reads back."""
    return TypeAdapter(type(settings)).dump_json(settings, indent=2, exclude_defaults=True).decode() + "\n"


def _sentence(faults: list[str], file: str = PARAMS_NAME) -> str:
    mend = (
        "Correct it in conf/ and type `make params`, or correct the -S of `dvc exp run`."
        if file == PARAMS_NAME
        else "Correct it there."
    )
    return f"{file} does not hold the settings that are read from it: {'; '.join(faults)}. {mend}"


def _full_key(location: tuple[int | str, ...], values: Any, prefix: str) -> str:
    """The dotted key of a fault, without the union tags that pydantic puts into its location."""
    key = prefix
    for part in location:
        if isinstance(part, str) and _is_tag(part, values):
            continue
        if part == "options" and isinstance(values, Mapping):
            values = values.get(part)
            continue
        key = f"{key}[{part}]" if isinstance(part, int) else f"{key}.{part}" if key else part
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            values = None
    return key


def _is_tag(part: str, values: Any) -> bool:
    """Whether pydantic names the member of a union here: the kind of a mapping, or the type of a plain value."""
    if isinstance(values, Mapping):
        return part not in values and part in (values.get("name"), values.get("by"))
    return values is not None and not isinstance(values, list | tuple)


def _fault(kind: str, key: str, error: Mapping[str, Any]) -> str:
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        near = get_close_matches(key.rpartition(".")[2], KNOWN_KEYS, n=1)
        return f"{key} is not a setting" + (f" (did you mean {near[0]}?)" if near else "")
    if kind in ("missing", "missing_argument"):
        return f"{key} is missing"
    if kind.startswith("union_tag"):
        which, known = str(error["ctx"]["discriminator"]).strip("'"), KINDS[key.rpartition(".")[2]]
        found = repr(error["ctx"]["tag"]) if "tag" in error["ctx"] else "missing"
        return f"{key}.{which} is {found}; it should be one of {', '.join(known)}"
    return f"{key} is {error['input']!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


KINDS = {"model": ("hgb", "logistic"), "split": ("time", "random")}
KNOWN_KEYS = sorted(
    {field.name for kind in list(globals().values()) if is_dataclass(kind) for field in fields(kind)} - {"options"}
)
