"""Sends the rows of a CSV or Parquet file as events to the data service, in the order in which they became known.

python -m pipeline.send_events departures.csv --table flights             sends the file
python -m pipeline.send_events departures.csv --table flights --follow    sends it, and then each line that is added to it

The file has a column `known_at`, the moment at which each row became known, with its offset from UTC; the columns of the
table's key; and any other columns of the table, as conf/data/ declares them. An empty cell says nothing of its column, and
columns that the table does not have are left out.
Sending a file again changes nothing.
"""

import argparse
import os
from datetime import datetime
from pathlib import Path

from column_types import csv_format
from pipeline.clients import services
from pipeline.clients.services import DataService
from pipeline.config.params_file import load_params
from pipeline.send_events.follow import follow
from pipeline.send_events.sending import Sent, batches, send
from pipeline.send_events.table_events import DeclaredTable, declared_table
from pipeline.support import console
from pipeline.support.errors import OntimeError


class FileMissing(OntimeError):
    """There is no file to send, or none that can be followed."""


def main() -> None:
    """Sends a file, and prints how many of its events are new."""
    parser = console.parser(__spec__, __doc__, services.help_text())
    parser.add_argument("file", type=Path, help="a CSV or Parquet file with a column known_at")
    parser.add_argument("--table", required=True, help="the source table whose rows these are, such as flights")
    parser.add_argument(
        "--follow", action="store_true", help="go on sending lines that are added to a CSV file; ends by Ctrl-C"
    )
    parser.add_argument(
        "--known-at", type=_moment, help="when all rows became known, such as 2026-11-24T12:00:00Z, in place of the column"
    )
    arguments = parser.parse_args()
    path: Path = arguments.file
    if not path.name:
        raise FileMissing("No file is named. Type for example `make events FILE=departures.csv TABLE=flights`.")
    if not path.exists():
        raise FileMissing(f"{path} should be a CSV or Parquet file with the column known_at; there is no such file.")
    table = declared_table(load_params().data, arguments.table, arguments.known_at)
    _, store = services.from_environment(os.environ)
    sent = _follow(path, table, store) if arguments.follow else _send(path, table, store)
    console.answer(f"{sent.new:,} new events of {table.name}, {sent.known:,} known before")


def _send(path: Path, table: DeclaredTable, store: DataService) -> Sent:
    with console.step(f"read {path}"):
        events = table.read(path)
    with console.step(f"send {len(events):,} events", len(batches(events))) as advance:
        return send(events, path, store, advance)


def _follow(path: Path, table: DeclaredTable, store: DataService) -> Sent:
    if not path.name.lower().endswith(csv_format.CSV_NAMES):
        raise FileMissing(
            f"--follow takes a file of lines, {', '.join(csv_format.CSV_NAMES)}; {path} is not one. Leave --follow out, or "
            "write the rows to a CSV file."
        )
    console.say(f"following {path}; Ctrl-C ends it")
    return follow(path, table, store)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"it should be a moment, such as 2026-11-24T12:00:00Z; it is {text!r}") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("it should have an offset from UTC, such as Z")
    return moment


if __name__ == "__main__":
    console.run(main)
