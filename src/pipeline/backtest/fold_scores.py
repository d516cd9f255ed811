"""The scores of a fold: a model is fitted to the rows before the period, as `train` fits one, and predicts the period."""

import math
from collections.abc import Mapping
from contextlib import nullcontext

import numpy as np
import pandas as pd

from pipeline.backtest.folds import Fold
from pipeline.config.settings import LIGHTGBM, Dataset, Params
from pipeline.data import model_inputs, table_io
from pipeline.data.split import split_by_time
from pipeline.evaluation import metrics
from pipeline.modeling import fitting, onnx_export, sampling, scoring
from pipeline.modeling.training_rows import TrainingRows
from pipeline.support.errors import PeriodEmpty

Files = Mapping[str, bytes]  # the Parquet files of a table by their paths
Scores = dict[str, str | int | float | None]


def score(data: Dataset, settings: Params, files: Files, fold: Fold) -> Scores:
    """The period, the rows of both sides, the share of positives, the threshold, and each of METRICS in the period.

    Scores are of the exported graph, as those of `evaluate`; None where they need both classes and the period has one.
    Raises PeriodEmpty, which names the period, where the rows before it are too few to fit and calibrate a model.
    """
    rows, target = _training_rows(data, settings, files, fold), data.target.name
    try:
        folds = fitting.assign_folds(rows, target, fold.split, settings.train)
    except PeriodEmpty as error:
        raise PeriodEmpty(f"Before {fold.period} there are too few rows. {error} Or raise INITIAL.") from error
    truth, parts = rows[target].to_numpy(), rows.packed(data.columns)
    fitted = fitting.fit(parts, truth, folds, data.columns, settings.model, settings.train, lambda _: nullcontext())
    graph = onnx_export.to_graph(fitted.model, data.columns).SerializeToString()
    period = pd.concat([_read(files, path, fold, data)[1] for path in fold.files], ignore_index=True)
    arrays = model_inputs.to_arrays(model_inputs.pack(period, data.columns), data.columns)
    probability, truth = scoring.predict(graph, arrays).astype(np.float32), period[target].to_numpy()
    bins = settings.evaluate.calibration_bins
    scores = metrics.scores(metrics.RankedScores.from_scores(truth, probability, fitted.threshold, bins))
    counts = {"trained_rows": len(rows), "rows": len(period), "base_rate": round(float(truth.mean()), metrics.DECIMALS)}
    rounded = {metric: None if math.isnan(value) else round(value, metrics.DECIMALS) for metric, value in scores.items()}
    return {"period": fold.period, **counts, "threshold": fitted.threshold, **rounded}


def _training_rows(data: Dataset, settings: Params, files: Files, fold: Fold) -> TrainingRows:
    """The rows before the period as `train` would read them, had the table been split there."""

    def load(path: str, columns: list[str] | None = None) -> pd.DataFrame:
        return _read(files, path, fold, data, columns)[0]

    sizes = {path: size for path in fold.files if (size := len(load(path, [data.target.name])))}
    paths = list(sizes)
    rows = TrainingRows(tuple(sizes.values()), lambda part, columns: load(paths[part], columns), sum(sizes.values()))
    if (most := settings.train.max_rows) is not None and len(rows) > most:
        return TrainingRows.held(rows.take(sampling.draw_rows(len(rows), most, settings.train.seed)), len(rows))
    if settings.model.target == LIGHTGBM:
        return rows
    return TrainingRows.held(rows.select([*data.columns, data.target.name]), len(rows))


def _read(
    files: Files, path: str, fold: Fold, data: Dataset, columns: list[str] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a file before the period, and those in it; all columns, or these."""
    wanted = columns or [*data.columns, data.target.name]
    table = table_io.decode(files[path], path, list(dict.fromkeys([*wanted, fold.split.column]))).to_pandas()
    before, inside = split_by_time(table, fold.split)
    return before[wanted], inside[wanted]
