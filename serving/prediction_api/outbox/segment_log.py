"""A log on disk: lines are appended at its end, read from a cursor, and removed once they were acknowledged.

A folder holds segments, files to which lines are only ever appended. A line holds one prediction, or a batch of them
packed; a segment is named after the number of its first prediction. Only a crash in the middle of a write can leave half a
line at the end; nobody was told that it is kept, and the next start cuts it. The cursor is written after the lines before it
were delivered: a crash between the two delivers them again.

SQLite in WAL mode was measured in its place (tests/bench/outbox.py, ``sync=process``): an append takes 4 to 6 times as long,
an append of 1,000 lines 2.4 to 3.8 times, the whole answer to a micro-batch 1.3 to 1.7 times; with ``full`` the disk
decides, and both take the same time. One damaged byte in a write-ahead log also loses all lines after it without a word.
"""

import json
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import compress
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from prediction_api.logs import LOGGER
from prediction_api.outbox.log_lines import content_of, is_intact, prediction_count, with_checksum

SEGMENT_BYTES, BATCH_BYTES = 16 * 2**20, 4 * 2**20
CURSOR = "cursor.json"
logger = logging.getLogger(LOGGER)


class SegmentNotSynced(OSError):
    """The disk failed to take a finished segment."""


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Cursor:
    """The first line that was not acknowledged: its segment, its first byte there, the number of its first prediction."""

    segment: int
    offset: int
    line: int


@dataclass(frozen=True)
class OutboxBatch:
    """Contents of lines to deliver together, where the cursor stands then, and how many more predictions were damaged."""

    lines: list[bytes]
    after: Cursor
    damaged: int


class SegmentLog:
    """The log in a folder that this process has for itself."""

    def __init__(self, folder: Path, full_sync: bool, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Cuts half a line at the end, and finds the cursor; raises OSError."""
        self.folder, self._full_sync, self._segment_bytes = folder, full_sync, segment_bytes
        self._sizes = {int(path.stem): path.stat().st_size for path in sorted(folder.glob("[0-9]" * 20 + ".log"))}
        self._cursor = self._read_cursor()
        self.next_line = self._recover()
        self._current = max(self._sizes, default=self.next_line)
        self._file = self._open_segment(self._current)
        self._has_half_line = False
        self._cursor = self._within_segments(self._cursor)
        self._remove_acknowledged()

    @property
    def depth(self) -> int:
        """How many predictions wait."""
        if self._cursor.segment == self._current and self._cursor.offset == self._sizes[self._current]:
            return 0
        return max(1, self.next_line - self._cursor.line)

    @property
    def size(self) -> int:
        """Bytes of the lines that wait."""
        return sum(size for first, size in self._sizes.items() if first >= self._cursor.segment) - self._cursor.offset

    def write(self, lines: Sequence[bytes]) -> None:
        """Gives all lines to the system or none, each without a line break. Raises OSError, or SegmentNotSynced."""
        content = b"".join(map(with_checksum, lines))
        try:
            self._cut_half_line()
            if self._sizes[self._current] and self._sizes[self._current] + len(content) > self._segment_bytes:
                self._begin_segment()
            _write_all(self._file, content)
        except OSError:
            self._has_half_line = True
            with suppress(OSError):
                self._cut_half_line()
            raise
        self._sizes[self._current] += len(content)
        self.next_line += sum(map(prediction_count, lines))

    def peek(self, most_lines: int, most_bytes: int = BATCH_BYTES) -> OutboxBatch | None:
        """The first lines that wait, the same again until they are acknowledged, or None where none waits.

        They hold ``most_lines`` predictions or fewer, or are a single line that holds more.
        """
        if not self.depth:
            return None
        cursor, segment_end = self._cursor, self._sizes[self._cursor.segment]
        content = self._read(most_bytes)
        while b"\n" not in content and most_bytes < segment_end:  # a longer line, or one whose end is damaged
            most_bytes *= 4
            content = self._read(most_bytes)
        content = content[: content.rfind(b"\n") + 1] or content
        lines = _first_lines(content, most_lines)
        counts, intact = [prediction_count(content_of(line)) for line in lines], [is_intact(line) for line in lines]
        after = Cursor(cursor.segment, min(cursor.offset + sum(map(len, lines)), segment_end), cursor.line + sum(counts))
        damaged = sum(count for count, is_whole in zip(counts, intact, strict=True) if not is_whole)
        return OutboxBatch([content_of(line) for line in compress(lines, intact)], after, damaged)

    def last_line(self) -> bytes | None:
        """The line that was appended last, whether or not it was acknowledged; None where it is not there any more."""
        content = self._path(self._current).read_bytes()[: self._sizes[self._current]]
        line = content[content.rfind(b"\n", 0, -1) + 1 :]
        return content_of(line) if line and is_intact(line) else None

    def ack(self, after: Cursor) -> None:
        """Remembers that everything before ``after`` has arrived, and removes segments that nobody needs any more."""
        self._cursor = self._within_segments(after)
        new = self.folder / f"{CURSOR}.new"
        try:
            new.write_text(json.dumps(asdict(self._cursor)))
            new.replace(self.folder / CURSOR)
        except OSError as error:  # what was delivered is delivered again after a restart, and recorded once
            logger.warning("the cursor cannot be written", extra={"reason": str(error)})
            return
        self._remove_acknowledged()

    def duplicate_file(self) -> int:
        """A file descriptor of the current segment to sync and to close; the segment may be closed meanwhile."""
        return os.dup(self._file)

    def close_segment(self) -> None:
        """Puts everything on the disk."""
        with suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)

    def _cut_half_line(self) -> None:
        """Half a line would make the next one unreadable; nothing is written before it is cut."""
        if self._has_half_line:
            os.ftruncate(self._file, self._sizes[self._current])
            self._has_half_line = False

    def _begin_segment(self) -> None:
        if self._full_sync:
            try:
                os.fsync(self._file)
            except OSError as error:
                raise SegmentNotSynced(error.errno, error.strerror) from error
        finished, self._file = self._file, self._open_segment(self.next_line)
        self._current = self.next_line
        os.close(finished)
        self._cursor = self._within_segments(self._cursor)

    def _open_segment(self, first_line: int) -> int:
        file = os.open(self._path(first_line), os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            if self._full_sync:
                _sync_folder(self.folder)
        except OSError:
            os.close(file)
            raise
        self._sizes.setdefault(first_line, 0)
        return file

    def _path(self, first_line: int) -> Path:
        return self.folder / f"{first_line:020d}.log"

    def _read(self, most_bytes: int) -> bytes:
        with self._path(self._cursor.segment).open("rb") as file:
            file.seek(self._cursor.offset)
            return file.read(min(most_bytes, self._sizes[self._cursor.segment] - self._cursor.offset))

    def _within_segments(self, cursor: Cursor) -> Cursor:
        """The same place among the segments that are there: the end of one is the beginning of the next.

        Names of segments count lines; a damaged segment may hold more line breaks than it should, or fewer.
        """
        if cursor.segment not in self._sizes:
            next_segment = min((first for first in self._sizes if first > cursor.segment), default=self._current)
            cursor = Cursor(next_segment, 0, next_segment)
        for next_segment in sorted(first for first in self._sizes if first > cursor.segment):
            if cursor.offset < self._sizes[cursor.segment]:
                break
            cursor = Cursor(next_segment, 0, next_segment)
        if cursor.offset >= self._sizes[cursor.segment]:
            return Cursor(cursor.segment, self._sizes[cursor.segment], self.next_line)
        return cursor

    def _read_cursor(self) -> Cursor:
        """The cursor on disk; the first line where there is none, or where a loss of power left half of it."""
        first_segment = min(self._sizes, default=0)
        try:
            return TypeAdapter(Cursor).validate_json((self.folder / CURSOR).read_bytes(), strict=True)
        except FileNotFoundError:
            pass
        except ValidationError as error:
            logger.warning(
                "the cursor is unreadable: what is in the outbox is delivered again, and recorded once",
                extra={"path": str(self.folder / CURSOR), "reason": error.errors()[0]["msg"]},
            )
        return Cursor(first_segment, 0, first_segment)

    def _recover(self) -> int:
        """Cuts what follows the last whole line of the last segment; gives the number of the next line."""
        if not self._sizes:
            return self._cursor.line
        last = max(self._sizes)
        content = self._path(last).read_bytes()
        self._sizes[last] = content.rfind(b"\n") + 1
        os.truncate(self._path(last), self._sizes[last])
        return last + sum(prediction_count(content_of(line)) for line in content[: self._sizes[last]].split(b"\n")[:-1])

    def _remove_acknowledged(self) -> None:
        for first in [first for first in self._sizes if first < self._cursor.segment]:
            self._path(first).unlink(missing_ok=True)
            del self._sizes[first]


def _first_lines(content: bytes, most: int) -> list[bytes]:
    """The first lines, with their line breaks, that hold together no more predictions; at least one."""
    lines, count = list[bytes](), 0
    for line in [part + b"\n" for part in content.removesuffix(b"\n").split(b"\n", most)[:most]]:
        count += prediction_count(content_of(line))
        if lines and count > most:
            break
        lines.append(line)
    return lines


def _sync_folder(folder: Path) -> None:
    """Puts the names in a folder on the disk: a new file survives a loss of power only then."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(file: int, content: bytes) -> None:
    while written := os.write(file, content):
        if written == len(content):
            return
        content = content[written:]
