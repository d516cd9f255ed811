"""Replays the test rows against the running services, in the order of time, and compares the scores with the pipeline's.

python -m pipeline.replay             all test rows, a day at a time: predictions first, the outcomes a day later
python -m pipeline.replay --days 5    only the first days
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.clients import services
from pipeline.clients.services import DataService, PredictionService
from pipeline.config.params_file import load_dataset, load_params
from pipeline.config.paths import DATASET, MODEL, TEST_TABLE
from pipeline.config.settings import Columns, Dataset, Split, TimeSplit
from pipeline.data import model_inputs, table_io
from pipeline.files.digests import sha256
from pipeline.modeling import artifact
from pipeline.replay import batches, comparison, playback
from pipeline.replay.batches import Day
from pipeline.replay.comparison import Floats, Scores
from pipeline.support import console, console_table
from pipeline.support.errors import OntimeError


class ReplayImpossible(OntimeError):
    """There is no test table, or the services are not set up for a replay."""


def main() -> None:
    """Replays, prints the scores of both sides, and raises where they differ."""
    parser = console.parser(__spec__, __doc__, services.help_text())
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--days", type=_positive, help="only the first days (of a random split: parts of 1000 rows)")
    part.add_argument("--rows", type=_positive, help="only the first rows")
    arguments = parser.parse_args()
    data, bins = _load_dataset(), load_params().evaluate.calibration_bins
    prediction, store = services.from_environment(os.environ)
    with console.step("look at the services"):
        metadata = check(prediction, store)
    with console.step("score the test rows offline"):
        table, days = _select(table_io.read(TEST_TABLE), data.split, arguments.days, arguments.rows)
        truth, probability = table[data.target.name].to_numpy(np.float64), predict_offline(table, days, data.columns)
        offline = comparison.offline(truth, probability, metadata["threshold"], bins)
    period = f", {days[0].name} to {days[-1].name}" if isinstance(data.split, TimeSplit) else f" in {len(days)} parts"
    with console.step(f"replay {len(table):,} rows{period}", len(days)) as advance:
        answers = playback.replay(table, data, days, prediction, store, advance)
    with console.step("wait until the outbox has delivered"):
        performance = playback.wait_until_settled(answers, prediction, store, bins)
    live = comparison.live(performance["overall"])
    _show(live, offline, performance["groups"])
    live_probability = np.array([answer["probability"] for answer in answers])
    comparison.refuse_difference(live, offline, np.abs(live_probability - probability).max())


def check(prediction: PredictionService, store: DataService) -> dict[str, Any]:
    """The metadata of data/model. Raises ReplayImpossible where the services cannot give the scores of this model."""
    metadata, model = artifact.read_metadata(MODEL), prediction.model()
    ours = {name: sha256(MODEL / name) for name in artifact.file_names(MODEL)}
    other = [name for name, digest in model["sha256"].items() if ours.get(name) != digest]
    if other:
        raise ReplayImpossible(
            f"{prediction.url} should serve the model in {MODEL}; it serves version {model['version']}, "
            f"of which {', '.join(other)} differ. Start it with MODEL_URI={MODEL}, or POST /reload."
        )
    if prediction.delivery() == "off":
        raise ReplayImpossible(
            f"{prediction.url} should deliver its predictions to {store.url}; it delivers nowhere. "
            f"Start it with DATA_API_URL={store.url} and DATA_API_KEY."
        )
    store.log_in()
    return metadata


def predict_offline(table: pd.DataFrame, days: Sequence[Day], columns: Columns) -> Floats:
    """The pipeline's own probability [n], in the batches of the replay.

    The last bit of a row may depend on the size of its batch, and one bit can break a tie.
    """
    arrays = model_inputs.to_arrays(model_inputs.pack(table, columns), columns)
    model = artifact.session(MODEL / artifact.GRAPH)
    row_batches = [batch for day in days for batch in day.batches]
    parts = [artifact.probability(model, {name: array[rows] for name, array in arrays.items()}) for rows in row_batches]
    return np.concatenate(parts)


def _load_dataset() -> Dataset:
    if not TEST_TABLE.is_file() or not DATASET.is_file():
        raise ReplayImpossible(f"{TEST_TABLE} should hold the rows to replay; it is not there. Type `make repro`.")
    return load_dataset(DATASET)


def _select(
    test: pd.DataFrame, settings: Split, most_days: int | None, most_rows: int | None
) -> tuple[pd.DataFrame, list[Day]]:
    """The rows to replay in the order of their time, and their days."""
    table = batches.sort_by_time(test, settings)[:most_rows]
    days = batches.days(table, settings)[:most_days]
    return table[: sum(map(len, days))], days


def _show(live: Scores, offline: Scores, groups: Sequence[Mapping[str, Any]]) -> None:
    """Prints both sides of each score, and the scores of each model version where more than one answered."""
    differences = {name: comparison.difference(live[name], offline[name]) for name in live}
    lines = ([name, _text(live[name]), _text(offline[name]), f"{d:.1e}" if d else "0"] for name, d in differences.items())
    console_table.show(["score", "live", "offline", "difference"], lines)
    if len(groups) > 1:
        by_version = [comparison.live(group) for group in groups]
        rows = ([name, *(_text(scores[name]) for scores in by_version)] for name in comparison.NAMES)
        console_table.show(["of model version", *(str(group["group"]) for group in groups)], rows)


def _text(score: float | None) -> str:
    return "undefined" if score is None else f"{score:,}" if isinstance(score, int) else f"{score:.6f}"


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("it should be 1 or more")
    return number


if __name__ == "__main__":
    console.run(main)
