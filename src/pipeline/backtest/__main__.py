"""Predicts each period by a model of the rows before it, and shows the scores of all: evaluation on a rolling origin.

python -m pipeline.backtest                        each month of the training table, from the fourth on
python -m pipeline.backtest model=logistic         the same with other settings of conf/, as `make experiment` takes them
python -m pipeline.backtest --period week --initial 20
python -m pipeline.backtest --test                 the periods of the test table too

It says whether a change holds in every month, not only in the last ones. The test table is left out by default.
Settings that were chosen on the test table cannot be judged on it any more. Models are fitted, calibrated and given their
threshold as by `train`, with an expanding window (R. J. Hyndman and G. Athanasopoulos, "Forecasting: Principles and
Practice", 3rd edition, section 5.10, time series cross-validation). The folds are tasks of the engine: with DASK_WORKERS=2
two are fitted at a time. All Parquet files of the table are in memory, compressed, also in that of each worker.
Nothing is written but the file of --json, because an answer to a question is no output of a stage.
"""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pipeline import compute
from pipeline.backtest import fold_scores, folds, report
from pipeline.backtest.fold_scores import Scores
from pipeline.backtest.folds import PERIODS, BacktestImpossible, Plan
from pipeline.config.flatten import leaves
from pipeline.config.params_file import PARAMS, load_dataset, load_mapping, load_params, read_params
from pipeline.config.paths import DATASET, TEST_TABLE, TRAIN_TABLE
from pipeline.config.settings import Data, Dataset, Params
from pipeline.files import atomic_write
from pipeline.modeling import classifier
from pipeline.params import compose
from pipeline.support import console

QUESTION = ("name", "target", "split", "options")  # what the examples were made for
FREE = ("model.", "train.", "evaluate.")  # settings that do not change the examples


def main() -> None:
    """Runs the folds and prints their scores. Raises an OntimeError where it cannot."""
    arguments = _arguments()
    settings = _settings(arguments.overrides)
    with console.step("read the times of the examples"):
        data = _dataset(settings.data)
        tables = [TRAIN_TABLE, TEST_TABLE] if arguments.test else [TRAIN_TABLE]
        plan = folds.plan(data, tables, arguments.period, arguments.initial)
        others = report.read(arguments.against, plan.samples()) if arguments.against else []
    scores = _score(plan, data, settings, arguments.period)
    mean = report.mean(scores)
    report.show([*scores, mean], others)
    if arguments.json:
        content = {"data": data.name, "model": settings.model.as_declared(), "periods": scores, "mean": mean}
        atomic_write.write_text(json.dumps(content, indent=2) + "\n", arguments.json)


def _arguments() -> argparse.Namespace:
    parser = console.parser(__spec__, __doc__)
    parser.add_argument("overrides", nargs="*", help="settings of conf/, such as model=logistic or train.folds=5")
    parser.add_argument("--period", choices=PERIODS, default="month", help="how long a period is (default: %(default)s)")
    parser.add_argument("--initial", type=_positive, default=3, help="periods that only train (default: %(default)s)")
    parser.add_argument("--test", action="store_true", help="also the test table, on which nothing should be chosen")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores there, all metrics of each period")
    parser.add_argument("--against", type=Path, metavar="FILE", help="show by how much each score differs from this --json")
    return parser.parse_args()


def _settings(overrides: Sequence[str]) -> Params:
    """The settings of params.yaml, or with ``overrides`` those that conf/ then composes to.

    Raises BacktestImpossible where they are not the ones that data/processed was made with.
    """
    if not overrides:
        return load_params()
    values, current = compose.compose(overrides=overrides), dict(leaves(load_mapping(PARAMS)))
    composed = dict(leaves(values))
    keys = [key for key in {**composed, **current} if composed.get(key) != current.get(key) and not key.startswith(FREE)]
    if keys:
        raise BacktestImpossible(
            f"A backtest takes the examples in data/processed, so only {', '.join(FREE)} may differ from {PARAMS}; "
            f"{', '.join(keys[:3])} {'does' if len(keys) == 1 else 'do'} too. Type `make experiment SET=...` with these, "
            "then `make backtest`."
        )
    return read_params(values)


def _dataset(declared: Data) -> Dataset:
    """What `preprocess` wrote of the examples. Raises BacktestImpossible where there are none, or others than declared."""
    if not TRAIN_TABLE.is_dir() or not DATASET.is_file():
        raise BacktestImpossible(f"{TRAIN_TABLE} should hold the examples; it is not there. Type `make repro`.")
    data = load_dataset(DATASET)
    if others := [f"data.{name}" for name in QUESTION if getattr(data, name) != getattr(declared, name)]:
        raise BacktestImpossible(
            f"{TRAIN_TABLE} should hold the examples that {PARAMS} declares; it was made with other values of "
            f"{', '.join(others)}. Type `make repro`."
        )
    return data


def _score(plan: Plan, data: Dataset, settings: Params, period: str) -> list[Scores]:
    classifier.check(settings.model)
    first = next(iter(plan.periods))
    with (
        compute.open_engine() as engine,
        console.step(f"fit {settings.model.name} before each {period} from {first} on", len(plan)) as advance,
    ):
        scores = []
        for row in engine.map(partial(fold_scores.score, data, settings, plan.read()), plan.folds(), advance):
            console.say(f"{row['period']}: {row['rows']:,} rows predicted by a model of {row['trained_rows']:,}")
            scores.append(row)
        return scores


def _positive(text: str) -> int:
    if not (text.isdigit() and (number := int(text))):
        raise argparse.ArgumentTypeError(f"it should be a whole number from 1 on; it is {text}")
    return number


if __name__ == "__main__":
    console.run(main)
