"""Trees that LightGBM grows from partitions, which it reads one after another into bins of 8 bits.

Imported only for a model that names LightGBM, which wants OpenMP from the system.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from pipeline.config.settings import Columns, Model
from pipeline.data.schema import feature_names
from pipeline.modeling import classifier, estimator
from pipeline.modeling.boosted_trees import BoostedTrees
from pipeline.modeling.parts import Parts
from pipeline.support.errors import ParamsInvalid, first_line

# By columns, each thread adds up the rows of its own columns, in their order: the same sums for any number of threads.
FIXED = {"objective": "binary", "deterministic": True, "force_col_wise": True, "verbosity": -1}
BATCH_ROWS = 65_536
Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Survey:
    """What one pass over the parts learns of each fold: which columns have values, and the categories of the others."""

    names: tuple[str, ...]
    has_values: npt.NDArray[np.bool_]  # [folds, columns]
    categories: list[dict[str, set[str]]]

    @classmethod
    def of(cls, parts: Parts, folds: npt.NDArray[np.intp], columns: Columns) -> "Survey":
        """Reads each part once; ``folds`` [n] numbers the fold of each row."""
        names = tuple(name for kind in ("number", "category", "datetime") for name in feature_names(columns, kind))
        texts, count = feature_names(columns, "category"), int(folds.max()) + 1
        has_values = np.zeros((count, len(names)), bool)
        categories: list[dict[str, set[str]]] = [{name: set() for name in texts} for _ in range(count)]
        for span, packed in parts:
            for fold in np.unique(folds[span]):
                rows = packed[folds[span] == fold]
                has_values[fold] |= rows.notna().any().to_numpy()
                for name in texts:
                    categories[fold][name].update(rows[name].unique())
        return cls(names, has_values, categories)

    def empty(self, without: int | None) -> list[str]:
        """The columns that have no value in the rows of all folds but this one."""
        others = np.arange(len(self.has_values)) != (-1 if without is None else without)
        return [name for name, values in zip(self.names, self.has_values[others].T, strict=True) if not values.any()]

    def example(self, without: int | None) -> pd.DataFrame:
        """Packed rows that hold each category of the other folds, from which an encoder learns them."""
        folds = [categories for fold, categories in enumerate(self.categories) if fold != without]
        values = {name: sorted(set().union(*(fold[name] for fold in folds))) for name in self.categories[0]}
        rows = max((len(texts) for texts in values.values()), default=1)
        padded = {name: np.array((texts * rows)[:rows], object) for name, texts in values.items()}
        return pd.DataFrame({name: padded.get(name, np.zeros(rows)) for name in self.names})


class BoostingLearner:
    """Fits boosted trees to the rows of ``parts``, of which one at a time is in memory."""

    def __init__(
        self,
        model: Model,
        parts: Parts,
        truth: npt.NDArray[np.int8],
        folds: npt.NDArray[np.intp],
        columns: Columns,
        seed: int,
    ) -> None:
        self.model, self.parts, self.truth, self.folds, self.columns, self.seed = model, parts, truth, folds, columns, seed
        self.survey = Survey.of(parts, folds, columns)

    def empty_columns(self, without: int | None) -> list[str]:
        """The numbers and datetimes that have no value in the rows of all folds but this one."""
        return self.survey.empty(without)

    def fit(self, without: int | None) -> Pipeline:
        """Columns encoded as for histogram boosting, and trees fitted to the rows of all folds but this one.

        Raises TableInvalid where all columns are empty, ParamsInvalid where LightGBM finds that the parameters do not go
        together.
        """
        kept = np.ones(len(self.folds), bool) if without is None else self.folds != without
        example = self.survey.example(without)
        ignored = estimator.ignored_positions(self.empty_columns(without), list(self.survey.names), int(kept.sum()))
        encoder = estimator.encoder(self.model, self.columns, ignored).fit(example)

        @lru_cache(maxsize=1)
        def encoded(number: int) -> Matrix:
            rows = self.parts.load(number)[kept[self.parts.spans()[number]]]
            return np.ascontiguousarray(encoder.transform(rows), np.float32)

        sizes = [int(kept[span].sum()) for span in self.parts.spans()]
        rows = [PartOfRows(partial(encoded, number), size) for number, size in enumerate(sizes) if size]
        return Pipeline([("columns", encoder), ("classifier", BoostedTrees(self._train(rows, self.truth[kept])))])

    def _train(self, rows: list["PartOfRows"], truth: npt.NDArray[np.int8]) -> lightgbm.Booster:
        parameters = {**FIXED, "seed": self.seed, **classifier.for_table(self.model, len(truth))}
        try:
            data = lightgbm.Dataset(rows, truth, params=parameters)
            return lightgbm.train(parameters, data)
        except lightgbm.basic.LightGBMError as error:
            raise ParamsInvalid(
                f"The parameters of {self.model.name} should go together; {first_line(error)}. Correct "
                f"conf/model/{self.model.name}.yaml."
            ) from error


class PartOfRows(lightgbm.Sequence):
    """The encoded rows of one part, which are loaded where LightGBM asks for them: it does so part by part."""

    batch_size = BATCH_ROWS

    def __init__(self, load: Callable[[], Matrix], size: int) -> None:
        self.load, self.size = load, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, rows: Any) -> npt.NDArray[np.floating]:
        """Rows to be binned, or one of those from which LightGBM finds the bins: these it takes in double precision only."""
        matrix = self.load()
        return matrix[rows] if isinstance(rows, slice) else matrix[rows].astype(np.float64)
