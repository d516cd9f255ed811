"""The settings of params.yaml as frozen, closed types: an unknown key, a wrong type or a bad value has no way in."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ConfigDict, Field
from pydantic.dataclasses import dataclass

from column_types.table_format import DatetimeFormat, TableFormat

CLOSED = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Share = Annotated[float, Field(gt=0, lt=1)]
Topic = Annotated[str, Field(min_length=1, max_length=60)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what numpy and scikit-learn take
Kind = Literal["number", "category", "datetime"]
Label = str | int | float | bool
TABLE_RECIPE = "table"
MOST_TOPICS = 8  # the reasons of a prediction take a run of the model for each set of topics: 256 of them
# What a slice may take of a datetime, as pandas names it.
DATETIME_PARTS = {"year": "year", "month": "month", "date": "date", "weekday": "day_of_week", "hour": "hour"}


@dataclass(frozen=True, config=CLOSED)
class Column:
    """One column: what it holds, in which unit and range, and from when on its value is available.

    ``required`` says whether a request must hold it; a table always must. The reasons of a prediction are counted by
    ``topic``.
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
    format: DatetimeFormat | None = None  # of a datetime that is text, such as "%d.%m.%Y"; without it ISO 8601
    topic: Topic | None = None  # what it is about, in words that can follow "because of"


Columns = dict[str, Column]


@dataclass(frozen=True, config=CLOSED)
class Source:
    """Where the raw tables come from: the file at ``path``, or an installed package that ``path`` (a lock) pins."""

    path: str
    package: str | None = None


@dataclass(frozen=True, config=CLOSED, kw_only=True)
class RawTable(TableFormat):
    """One raw table: its file in the source, its format, the digest that it must have, and its declared columns.

    No two rows have the same values in the columns of the ``key``, and none of them is missing there. It is kept in
    partitions: one for each month (UTC) of the column ``partition_by``, or for so many rows where that is not given.
    """

    file: str
    columns: Columns
    key: tuple[str, ...] = ()
    partition_by: str | None = None
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
    recipe: str = ""  # the one that computes the columns from events of these tables; none where there are no such events
    tables: dict[str, RawTable] = Field(default_factory=dict)


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

    def dataset(self, event_tables: Mapping[str, RawTable] | None = None) -> Dataset:
        """The part that travels with the examples; ``event_tables`` are those from whose events the recipe computes them."""
        (table, *others) = self.tables.values()
        read_as_it_is = not others and table.columns == self.columns
        form = TableFormat(**{field.name: getattr(table, field.name) for field in fields(TableFormat)})
        shared = {field.name: getattr(self, field.name) for field in fields(Dataset)}
        shared |= {"recipe": self.recipe if event_tables else "", "tables": dict(event_tables or {})}
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
LIGHTGBM = "lightgbm.Booster"
Classifier = Literal[
    "sklearn.ensemble.GradientBoostingClassifier",
    "sklearn.ensemble.HistGradientBoostingClassifier",
    "sklearn.linear_model.LogisticRegression",
    "sklearn.naive_bayes.GaussianNB",
    "sklearn.neural_network.MLPClassifier",
    "lightgbm.Booster",
]


@dataclass(frozen=True, config=CLOSED)
class Model:
    """A classifier of scikit-learn, or LightGBM's: its class, how it takes the columns, and the class's own ``parameters``.

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
    max_rows: Annotated[int, Field(ge=100)] | None = None


@dataclass(frozen=True, config=CLOSED)
class Evaluate:
    """How the test period is scored."""

    seed: Seed
    resamples: Annotated[int, Field(ge=20, le=10_000)]
    confidence: Share
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
    smallest_slice: Annotated[int, Field(ge=1)]
    importance_rows: Annotated[int, Field(ge=100)]
    reasons_rows: Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=CLOSED)
class Params:
    """All of params.yaml."""

    data: Data
    model: Model
    ingest: RowChecks
    preprocess: RowChecks
    train: Train
    evaluate: Evaluate
