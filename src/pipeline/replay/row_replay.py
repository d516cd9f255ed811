"""Replays rows: predictions day by day, their outcomes a day later, and the scores of both sides."""

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.clients import services
from pipeline.config.paths import MODEL
from pipeline.config.settings import Columns, Dataset, Split, TimeSplit
from pipeline.data import model_inputs
from pipeline.modeling import artifact
from pipeline.replay import batches, comparison, playback, score_table
from pipeline.replay.batches import Day
from pipeline.replay.comparison import Floats
from pipeline.replay.preconditions import check
from pipeline.support import console


def replay(test: pd.DataFrame, data: Dataset, bins: int, most_days: int | None, most_rows: int | None) -> None:
    """Replays test rows, prints the scores of both sides, and raises where they differ."""
    prediction, store = services.from_environment(os.environ)
    with console.step("look at the services"):
        metadata = check(prediction, store)
    with console.step("score the test rows offline"):
        table, days = _select(test, data.split, most_days, most_rows)
        truth, probability = table[data.target.name].to_numpy(np.float64), predict_offline(table, days, data.columns)
        offline = comparison.offline(truth, probability, metadata["threshold"], bins)
    period = f", {days[0].name} to {days[-1].name}" if isinstance(data.split, TimeSplit) else f" in {len(days)} parts"
    with console.step(f"replay {len(table):,} rows{period}", len(days)) as advance:
        answers = playback.replay(table, data, days, prediction, store, advance)
    with console.step("wait until the outbox has delivered"):
        performance = playback.wait_for_answers(answers, prediction, store, bins)
    live = comparison.live(performance["overall"])
    score_table.show(live, offline, performance["groups"])
    live_probability = np.array([answer["probability"] for answer in answers])
    comparison.refuse_difference(live, offline, np.abs(live_probability - probability).max())


def predict_offline(table: pd.DataFrame, days: Sequence[Day], columns: Columns) -> Floats:
    """The pipeline's own probability [n], in the batches of the replay.

    The last bit of a row may depend on the size of its batch, and one bit can break a tie.
    """
    arrays = model_inputs.to_arrays(model_inputs.pack(table, columns), columns)
    model = artifact.session(MODEL / artifact.GRAPH)
    row_batches = [batch for day in days for batch in day.batches]
    parts = [artifact.probability(model, {name: array[rows] for name, array in arrays.items()}) for rows in row_batches]
    return np.concatenate(parts)


def _select(
    test: pd.DataFrame, settings: Split, most_days: int | None, most_rows: int | None
) -> tuple[pd.DataFrame, list[Day]]:
    """The rows to replay in the order of their time, and their days."""
    table = batches.sort_by_time(test, settings)[:most_rows]
    days = batches.days(table, settings)[:most_days]
    return table[: sum(map(len, days))], days
