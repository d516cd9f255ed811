"""Follows a CSV file that grows: sends each complete line once it is there, until Ctrl-C."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pipeline.clients.services import DataService, ServiceRejected, ServiceUnavailable
from pipeline.send_events.sending import RowsRefused, Sent, send
from pipeline.send_events.table_events import DeclaredTable
from pipeline.support import console
from pipeline.support.errors import TableInvalid

POLL_SECONDS = 1.0
MOST_BYTES = 4 << 20  # that are read and sent at once
PASSING = {409, 503}  # refusals that pass: no model has been reported yet, or the database is away


class GrowingFile:
    """The complete lines of a CSV file; a line is read once its line break is there."""

    def __init__(self, path: Path, header_lines: int) -> None:
        self._path, self._header_lines = path, header_lines
        self.header, self.rows = b"", 0
        self._position = 0

    def read(self) -> list[bytes]:
        """The next lines after the header, up to MOST_BYTES; none while there are no more.

        A file that became shorter was replaced, and is read from its beginning.
        """
        with self._path.open("rb") as file:
            if file.seek(0, 2) < self._position:
                console.warn(f"{self._path} became shorter, so it is read again from its beginning.")
                self.header, self.rows, self._position = b"", 0, 0
            file.seek(self._position)
            lines = file.read(MOST_BYTES).splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        if not self.header:
            if len(lines) < self._header_lines:
                return []
            self.header = b"".join(lines[: self._header_lines])
            self._position = len(self.header)
            lines = lines[self._header_lines :]
        return lines

    def done(self, lines: Sequence[bytes]) -> None:
        """Goes on behind these lines, which `read` gave."""
        self.rows += len(lines)
        self._position += sum(map(len, lines))


def follow(path: Path, table: DeclaredTable, store: DataService) -> Sent:
    """Sends the lines of a growing file until Ctrl-C. A row that is refused is named and left out; the others are sent.

    While the data service is away, or knows no model yet, it waits. Raises TableInvalid where the header is not that of the
    table, ServiceRejected where the caller may not send any row.
    """
    file, sent, header, away = GrowingFile(path, table.declared.skip_rows + 1), Sent(), b"", ""
    with _until_interrupted() as interrupted:
        while not interrupted.is_set():
            lines = file.read()
            try:
                if file.header and file.header != header:
                    header = file.header
                    table.check_header(header, path)
                new = _send(lines, file, path, table, store)
            except (ServiceUnavailable, ServiceRejected) as error:
                if isinstance(error, ServiceRejected) and error.status not in PASSING:
                    raise
                if str(error) != away:  # warns once, however often it tries
                    console.warn(f"{error} The rows wait.")
                away = str(error)
            else:
                sent, away = sent.plus(new), ""
                file.done(lines)
                if sum(new):
                    console.say(f"up to row {file.rows:,}: {new.new:,} new events, {new.known:,} known before")
                if lines:
                    continue
            interrupted.wait(POLL_SECONDS)
    return sent


def _send(
    lines: Sequence[bytes], file: GrowingFile, path: Path, table: DeclaredTable, store: DataService, skipped: int = 0
) -> Sent:
    """Sends lines together; where some are refused, each half by itself, down to the lines at fault, which are left out."""
    if not lines:
        return Sent()
    try:
        return send(table.read_lines(file.header, lines, path, file.rows + skipped), path, store)
    except (TableInvalid, RowsRefused) as error:
        if len(lines) == 1:
            console.warn(f"{error} This row is left out.")
            return Sent()
        half = len(lines) // 2
        first = _send(lines[:half], file, path, table, store, skipped)
        return first.plus(_send(lines[half:], file, path, table, store, skipped + half))


@contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; the second one ends the process."""
    interrupted = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(_number: int, _frame: FrameType | None) -> None:
        interrupted.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
