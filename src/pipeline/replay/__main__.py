"""Replays the test period against the running services, in the order of time, and compares the scores with the pipeline's.

python -m pipeline.replay                       the whole test period, as fast as the services take it
python -m pipeline.replay --days 5              only its first days
python -m pipeline.replay --days 1 --speed 60   sixty minutes of it in a minute, for watching

Where the recipe has events, as that of the flights, they are sent to the event log: first those of the look back, then those
of the days. The board predicts each case when its moment has come, and records its outcome when that is known; the replay
then compares each prediction with the pipeline's. Repeating it changes nothing. Otherwise the test rows are sent to the
prediction service day by day, and their outcomes a day later.
"""

import argparse

from pipeline.clients import services
from pipeline.config.params_file import load_dataset, load_params
from pipeline.config.paths import DATASET, TEST_TABLE
from pipeline.config.settings import Dataset
from pipeline.data import table_io
from pipeline.replay import event_replay, row_replay
from pipeline.replay.preconditions import ReplayImpossible
from pipeline.support import console


def main() -> None:
    """Replays, prints the scores of both sides, and raises where they differ."""
    parser = console.parser(__spec__, __doc__, services.help_text())
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--days", type=_positive, help="only the first days (of a random split: parts of 1000 rows)")
    part.add_argument("--rows", type=_positive, help="only the first rows, sent as rows also where the recipe has events")
    parser.add_argument("--speed", type=_speed, help="seconds of the event log in a second, after the look back")
    arguments = parser.parse_args()
    data, bins = _load_dataset(), load_params().evaluate.calibration_bins
    if data.tables and arguments.rows is None:
        event_replay.replay(data, bins, arguments.days, arguments.speed)
    elif arguments.speed:
        raise ReplayImpossible("--speed is for events; rows are replayed as fast as possible. Leave it out.")
    else:
        row_replay.replay(table_io.read(TEST_TABLE), data, bins, arguments.days, arguments.rows)


def _load_dataset() -> Dataset:
    if not TEST_TABLE.is_dir() or not DATASET.is_file():
        raise ReplayImpossible(f"{TEST_TABLE} should hold the rows to replay; it is not there. Type `make repro`.")
    return load_dataset(DATASET)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("it should be 1 or more")
    return number


def _speed(text: str) -> float:
    if not 0 < (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError("it should be above 0")
    return number


if __name__ == "__main__":
    console.run(main)
