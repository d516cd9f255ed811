"""The outbox: predictions on local disk before their answers leave, until the data service has them.

A folder of segments, files to which lines are only ever appended, and a cursor that says up to which line they were
delivered. A segment is named after the number of its first line. A line is a checksum and a JSON object. A torn last line,
which only a death in the middle of a write can leave, was never acknowledged and is cut. The cursor is written after a
delivery: a death between the two delivers again, and the ids of the predictions make that harmless.

SQLite in WAL mode was measured in its place (tests/bench/outbox.py, ``sync=process``): an append takes 4 to 6 times as long,
an append of 1,000 lines 2.4 to 3.8 times, the whole answer to a micro-batch 1.3 to 1.7 times; with ``full`` the disk
decides, and both take the same time. One damaged byte in a write-ahead log also loses all lines after it without a word.
"""

import asyncio
import fcntl
import json
import logging
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from prediction_api.errors import OutboxLocked, OutboxUnavailable, OutboxUnusable
from prediction_api.logs import LOGGER

SEGMENT_BYTES = 16 * 2**20
BATCH_BYTES, FIRST_BYTES, FIRST_LINES = 4 * 2**20, 2**16, 10
CURSOR, LOCK, REFUSED = "cursor.json", "lock", "refused.ndjson"
MOST_SHARED = 100  # replicas on one machine
CHECKSUM_CHARACTERS = 9  # eight hexadecimal digits and a space
Sync = Literal["process", "full"]
logger = logging.getLogger(LOGGER)


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Cursor:
    """Up to where lines were delivered: a segment, the byte at which the next line begins there, and that line's number."""

    segment: int
    offset: int
    line: int


@dataclass(frozen=True)
class OutboxBatch:
    """Lines to deliver together, as JSON objects, where the cursor stands once they are, and how many were unreadable."""

    lines: list[bytes]
    after: Cursor
    damaged: int


class Outbox:
    """The outbox of one process, used from one event loop; with ``full``, requests wait for the disk in a thread.

    What happens once a segment (a new file, the old one put on disk) is done at once.
    """

    def __init__(
        self, folder: Path, sync: Sync = "process", most_bytes: int = 2**30, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        """Opens the folder, cuts a torn last line and finds the cursor; raises OutboxUnusable."""
        self.folder, self.most_bytes = folder, most_bytes
        self.failure: str | None = None
        self._full_sync, self._segment_bytes = sync == "full", segment_bytes
        self._lost_line, self._torn = 0, False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder)
        except OSError as error:
            raise _unusable(folder, error) from error
        try:
            self._sizes = {int(path.stem): path.stat().st_size for path in sorted(folder.glob("[0-9]" * 20 + ".log"))}
            self._cursor = self._read_cursor()
            self._next_line = self._recovered()
            self._current = max(self._sizes, default=self._next_line)
            self._file = self._opened(self._current)
            self._cursor = self._settled(self._cursor)
        except OSError as error:
            os.close(self._lock)
            raise _unusable(folder, error) from error
        self._synced_line = self._next_line
        self._syncing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "outbox-sync")
        self._drop_delivered()

    @property
    def depth(self) -> int:
        """How many lines wait to be delivered."""
        if self._cursor.segment == self._current and self._cursor.offset == self._sizes[self._current]:
            return 0
        return max(1, self._next_line - self._cursor.line)

    @property
    def size(self) -> int:
        """Bytes of the lines that wait."""
        return sum(size for first, size in self._sizes.items() if first >= self._cursor.segment) - self._cursor.offset

    @property
    def full(self) -> bool:
        """Whether the outbox holds as much as it may."""
        return self.size >= self.most_bytes

    def oldest(self) -> str | None:
        """When the first line that waits was written: its ``time``, ISO 8601; None where none waits."""
        batch = self.peek(FIRST_LINES, FIRST_BYTES)
        return json.loads(batch.lines[0])["time"] if batch and batch.lines else None

    async def append(self, lines: Sequence[bytes]) -> None:
        """Makes lines durable, each a JSON object without a line break; raises OutboxUnavailable where it cannot.

        Against the death of this process it is enough that the kernel has them. Against loss of power (``full``) the disk
        must: all who wait for it share one sync, and who comes meanwhile shares the next.
        """
        self._write(lines)
        if self._full_sync:
            await self._on_disk(self._next_line)

    def peek(self, most_lines: int, most_bytes: int = BATCH_BYTES) -> OutboxBatch | None:
        """The next lines to deliver, the same again until ``delivered`` was told, or None where none waits."""
        if not self.depth:
            return None
        here = self._cursor
        content = self._read(here, most_bytes)
        if b"\n" not in content:  # one line longer than most_bytes, or one whose end is damaged
            content = self._read(here, self._sizes[here.segment])
        ended = content[: content.rfind(b"\n") + 1] or content
        lines = [line + b"\n" for line in ended.removesuffix(b"\n").split(b"\n", most_lines)[:most_lines]]
        after = Cursor(
            here.segment, min(here.offset + sum(map(len, lines)), self._sizes[here.segment]), here.line + len(lines)
        )
        whole = [line[CHECKSUM_CHARACTERS:-1] for line in lines if _intact(line)]
        return OutboxBatch(whole, after, damaged=len(lines) - len(whole))

    def ack(self, after: Cursor) -> None:
        """Remembers that everything before ``after`` has arrived, and removes segments that nobody needs any more."""
        after = self._settled(after)
        self._cursor = after
        try:
            temporary = self.folder / f"{CURSOR}.new"
            temporary.write_text(json.dumps(asdict(after)))
            temporary.replace(self.folder / CURSOR)
        except OSError as error:  # what was delivered is delivered again after a restart, and recorded once
            logger.warning("the cursor cannot be written", extra={"reason": str(error)})
            return
        self._drop_delivered()

    def dead_letter(self, lines: Sequence[bytes]) -> None:
        """Keeps lines that the data service refuses for good in ``refused.ndjson``, for a person to look at."""
        with (self.folder / REFUSED).open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def look(self) -> None:
        """After a failed write, sees whether the disk takes something again, so that no prediction has to try it."""
        if self.failure is None:
            return
        probe = self.folder / "probe"
        try:
            probe.write_bytes(bytes(FIRST_BYTES))
            self.failure = None
        except OSError as error:
            self.failure = f"{self.folder} cannot be written: {error.strerror}"
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)

    async def close(self) -> None:
        """Puts everything on disk and lets the folder go."""
        while self._syncing:
            await asyncio.wait([self._syncing])
        self._thread.shutdown()
        with suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)
        os.close(self._lock)

    def _write(self, lines: Sequence[bytes]) -> None:
        if self.full:
            raise OutboxUnavailable(
                f"The outbox holds {self.size:,} bytes and may hold {self.most_bytes:,} (OUTBOX_MAX_BYTES): "
                f"{self.depth:,} predictions wait for the data service. Try again once it takes them."
            )
        content = b"".join([b"%08x %b\n" % (zlib.crc32(line), line) for line in lines])
        try:
            self._cut()
            if self._sizes[self._current] and self._sizes[self._current] + len(content) > self._segment_bytes:
                self._begin_segment()
            _write_all(self._file, content)
        except OSError as error:
            self.failure = f"{self.folder} cannot be written: {error.strerror}"
            self._torn = True
            with suppress(OSError):
                self._cut()
            raise OutboxUnavailable(f"The outbox cannot keep the prediction. {self.failure}.") from error
        self.failure = None
        self._sizes[self._current] += len(content)
        self._next_line += len(lines)

    def _cut(self) -> None:
        """Cuts half a line, which would make the next one unreadable; nothing else is written before that is done."""
        if self._torn:
            os.ftruncate(self._file, self._sizes[self._current])
            self._torn = False

    async def _on_disk(self, line: int) -> None:
        while self._synced_line < line:
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync())
            await asyncio.shield(self._syncing)
        if line <= self._lost_line:  # the disk says only once that it lost something
            raise OutboxUnavailable(f"The outbox cannot keep the prediction. {self.failure or 'The disk lost it'}.")

    async def _sync(self) -> None:
        line, file = self._next_line, os.dup(self._file)  # a file of its own: the segment may be closed meanwhile
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, os.fdatasync, file)
            self._synced_line = line
        except OSError as error:
            raise self._lost(error) from error
        finally:
            os.close(file)
            self._syncing = None

    def _lost(self, error: OSError) -> OutboxUnavailable:
        """After a failed sync nobody knows what of the lines so far is on disk: nothing of them may be promised."""
        self._lost_line = self._next_line
        self.failure = f"{self.folder} cannot be put on disk: {error.strerror}"
        return OutboxUnavailable(f"The outbox cannot keep the prediction. {self.failure}.")

    def _begin_segment(self) -> None:
        if self._full_sync:
            try:
                os.fsync(self._file)
            except OSError as error:
                raise self._lost(error) from error
        old, self._file = self._file, self._opened(self._next_line)
        self._current = self._next_line
        os.close(old)
        self._cursor = self._settled(self._cursor)

    def _opened(self, first_line: int) -> int:
        file = os.open(self._path(first_line), os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            if self._full_sync:
                sync_folder(self.folder)
        except OSError:
            os.close(file)
            raise
        self._sizes.setdefault(first_line, 0)
        return file

    def _path(self, first_line: int) -> Path:
        return self.folder / f"{first_line:020d}.log"

    def _settled(self, cursor: Cursor) -> Cursor:
        """The place among the segments that are there: the end of one is the beginning of the next.

        Names of segments count lines; a damaged segment may hold more line breaks than it should, or fewer.
        """
        if cursor.segment not in self._sizes:
            first = min((one for one in self._sizes if one > cursor.segment), default=self._current)
            cursor = Cursor(first, 0, first)
        for after in sorted(one for one in self._sizes if one > cursor.segment):
            if cursor.offset < self._sizes[cursor.segment]:
                break
            cursor = Cursor(after, 0, after)
        if cursor.offset >= self._sizes[cursor.segment]:
            return Cursor(cursor.segment, self._sizes[cursor.segment], self._next_line)
        return cursor

    def _read(self, here: Cursor, most: int) -> bytes:
        with self._path(here.segment).open("rb") as file:
            file.seek(here.offset)
            return file.read(min(most, self._sizes[here.segment] - here.offset))

    def _read_cursor(self) -> Cursor:
        try:
            return TypeAdapter(Cursor).validate_json((self.folder / CURSOR).read_bytes(), strict=True)
        except FileNotFoundError:
            return self._first()
        except ValidationError as error:  # a loss of power can leave it empty
            logger.warning(
                "the cursor is unreadable: what is in the outbox is delivered again, and recorded once",
                extra={"path": str(self.folder / CURSOR), "reason": error.errors()[0]["msg"]},
            )
            return self._first()

    def _first(self) -> Cursor:
        first = min(self._sizes, default=0)
        return Cursor(first, 0, first)

    def _recovered(self) -> int:
        """The number of the next line, after what follows the last whole line of the last segment was cut."""
        if not self._sizes:
            return self._cursor.line
        last = max(self._sizes)
        content = self._path(last).read_bytes()
        self._sizes[last] = content.rfind(b"\n") + 1
        os.truncate(self._path(last), self._sizes[last])
        return last + content.count(b"\n")

    def _drop_delivered(self) -> None:
        for first in [one for one in self._sizes if one < self._cursor.segment]:
            self._path(first).unlink(missing_ok=True)
            del self._sizes[first]


def open_exclusively(shared: Path, sync: Sync = "process", most_bytes: int = 2**30) -> Outbox:
    """The first outbox in a folder of numbered ones that no process holds: who starts anew takes up what waits there.

    Raises OutboxUnusable.
    """
    for number in range(MOST_SHARED):
        with suppress(OutboxLocked):
            return Outbox(shared / str(number), sync, most_bytes)
    raise OutboxUnusable(f"OUTBOX_DIR={shared} should hold an outbox that is free; all {MOST_SHARED} are taken. Stop some.")


def orphaned_outboxes(shared: Path, own: Path) -> Iterator[Outbox]:
    """The outboxes in a folder of numbered ones in which something waits and that no process holds any more, each opened."""
    for folder in sorted(shared.iterdir()):
        if folder.name.isdecimal() and folder != own:
            with suppress(OutboxUnusable):
                yield Outbox(folder)


def _unusable(folder: Path, error: OSError) -> OutboxUnusable:
    return OutboxUnusable(
        f"OUTBOX_DIR={folder} should be a folder that this process may write; it says {error.strerror or error}. "
        "Allow it, or choose another."
    )


def _locked(folder: Path) -> int:
    """A lock on the folder that ends with this process, however it ends."""
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise OutboxLocked(
            f"OUTBOX_DIR={folder} belongs to another process that is running. Give each its own folder "
            "(OUTBOX_SHARED=true does), or stop the other."
        ) from error
    return lock


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on disk: that of a new file is there only then."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _intact(line: bytes) -> bool:
    return line[: CHECKSUM_CHARACTERS - 1] == b"%08x" % zlib.crc32(line[CHECKSUM_CHARACTERS:-1])


def _write_all(file: int, content: bytes) -> None:
    while written := os.write(file, content):
        if written == len(content):
            return
        content = content[written:]
