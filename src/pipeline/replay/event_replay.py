"""Replays events: the services predict by themselves, and are held to the pipeline's probabilities and scores."""

import os
import time
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from pipeline.clients import board as board_client
from pipeline.clients import services
from pipeline.clients.board import BoardService
from pipeline.clients.services import DataService
from pipeline.config.paths import MODEL, RAW
from pipeline.config.settings import Dataset, TimeSplit
from pipeline.data import model_inputs, table_io
from pipeline.modeling import artifact
from pipeline.recipes import loader
from pipeline.replay import comparison, event_playback, expectation, official, playback, score_table
from pipeline.replay.comparison import Floats, Scores
from pipeline.replay.event_playback import Pace
from pipeline.replay.expectation import MINUTE, Expectation, Tables
from pipeline.replay.preconditions import ReplayImpossible, check, check_log
from pipeline.support import console

DAY = timedelta(days=1)
OUTCOMES_LATEST = timedelta(days=7)  # after the last prediction of the test period
SAME = 1e-12  # probabilities that differ by less are equal but for the last bits, which depend on the size of a batch


def replay(data: Dataset, bins: int, most_days: int | None, speed: float | None) -> None:
    """Sends the look back and the test period, waits for what the services make of it, and compares it with the pipeline's.

    Prints the scores of both sides, and raises where they, a probability, a column or an outcome differ.
    """
    if not isinstance(data.split, TimeSplit):
        raise ReplayImpossible("Events are replayed in the order of time; data.split should be `by: time`, and is not.")
    prediction, store = services.from_environment(os.environ)
    board = board_client.from_environment(os.environ)
    with console.step("look at the services"):
        metadata, version = check(prediction, store), prediction.model()["version"]
        board.check()
    with console.step("compute columns and probabilities offline"):
        tables = {name: table_io.read(RAW / name) for name in data.tables}
        whole = expectation.expect(data, tables, data.split)
        expected = whole.first_days(most_days)
        probability = predict_offline(expected, data)
    start = whole.begins - timedelta(days=loader.load_recipe(data.recipe).HISTORY_DAYS)
    check_log(store.event_log(), start, whole.ends + OUTCOMES_LATEST, store.url)
    began = time.monotonic()
    _send(data, tables, expected, start, store, speed)
    performance = _wait(expected, store, board, bins)
    seconds = time.monotonic() - began
    console.say(
        f"{len(expected):,} predictions in {seconds:.0f} s with the look back, {len(expected) / seconds:,.0f} a second"
    )
    with console.step("compare each prediction"):
        stored = store.official_predictions(expected.begins, expected.ends)
        found = official.arrange(stored, expected.subjects, expected.features, data.columns, version)
    live = comparison.live(performance["overall"])
    offline = _score(expected, probability, found.probability, metadata["threshold"], bins)
    score_table.show(live, offline, performance["groups"], official.rows(found, probability, expected.outcomes))
    official.refuse_difference(found, probability, expected.outcomes)
    comparison.refuse_difference(live, offline, official.largest_difference(found.probability, probability))


def predict_offline(expected: Expectation, data: Dataset) -> Floats:
    """The pipeline's own probability [n]."""
    arrays = model_inputs.to_arrays(model_inputs.pack(expected.features, data.columns), data.columns)
    return artifact.probability(artifact.session(MODEL / artifact.GRAPH), arrays)


def _send(
    data: Dataset, tables: Tables, expected: Expectation, start: datetime, store: DataService, speed: float | None
) -> None:
    end = expectation.last_event(data, tables, expected) + MINUTE
    events = loader.load_part(data.recipe, "events").events(tables, data.tables, start, end)
    pace = Pace(expected.begins, speed) if speed else None
    days, sent = (end - start) // DAY + 1, 0
    with console.step(f"send the events of {days} days, from {start:%Y-%m-%d} on", days) as advance:

        def advance_to(moment: datetime) -> None:
            nonlocal sent
            while sent < (moment - start) // DAY:
                sent += 1
                advance()

        new, known = event_playback.send(events, store, advance_to, pace)
    console.say(
        f"{new:,} new events, {known:,} known before"
        if new
        else f"The log held all {known:,} events before: repeating the replay changes nothing."
    )


def _wait(expected: Expectation, store: DataService, board: BoardService, bins: int) -> dict[str, Any]:
    """GET /performance of the moments of the test period, once each subject has its prediction and its outcome."""
    count, outcomes = len(expected), int(np.isfinite(expected.outcomes).sum())
    period = (expected.begins, expected.ends)
    with console.step(f"wait for {count:,} predictions and {outcomes:,} outcomes", count) as advance:
        return playback.wait_until_settled(count, outcomes, period, store, bins, board.state, advance)


def _score(expected: Expectation, probability: Floats, live: Floats, threshold: float, bins: int) -> Scores:
    """The offline scores of subjects with an outcome, with the live last bits of probabilities, which could break a tie."""
    has_outcome = np.isfinite(expected.outcomes)
    same_bits = np.where(np.abs(probability - live) <= SAME, live, probability)
    scores = comparison.offline(expected.outcomes[has_outcome], same_bits[has_outcome], threshold, bins)
    return {**scores, "predictions": len(expected)}
