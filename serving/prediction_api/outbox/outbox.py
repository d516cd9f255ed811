"""The outbox: predictions on local disk before their answers leave, until the data service has them.

What was appended is delivered at least once, and recorded once, because the data service knows a prediction by its id. One
process has an outbox; replicas that share a folder have one each, in numbered folders.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal

from prediction_api.errors import OutboxLocked, OutboxUnavailable, OutboxUnusable
from prediction_api.outbox.packed_batch import time_of
from prediction_api.outbox.segment_log import SEGMENT_BYTES, SegmentLog, SegmentNotSynced

FIRST_BYTES, FIRST_LINES = 2**16, 10
LOCK, DEAD_LETTERS = "lock", "refused.ndjson"
MOST_SHARED = 100  # replicas on one machine
Sync = Literal["process", "full"]


class Outbox(SegmentLog):
    """The log of one process, which holds its folder, used from one event loop.

    With ``process`` a line survives the death of this process: the kernel has it. With ``full`` it survives a loss of power,
    and requests wait until the disk has it: all that wait share one sync in a thread, those that come meanwhile the next.
    """

    def __init__(
        self, folder: Path, sync: Sync = "process", most_bytes: int = 2**30, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        """Raises OutboxLocked, or OutboxUnusable where the folder cannot be written."""
        self.most_bytes = most_bytes
        self.failure: str | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(folder)
        except OSError as error:
            raise _unusable(folder, error) from error
        try:
            super().__init__(folder, sync == "full", segment_bytes)
        except OSError as error:
            os.close(self._lock)
            raise _unusable(folder, error) from error
        self._synced_line, self._lost_line = self.next_line, 0
        self._syncing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "outbox-sync")

    @property
    def full(self) -> bool:
        """Whether the outbox holds as much as it may."""
        return self.size >= self.most_bytes

    def oldest(self) -> str | None:
        """When the first prediction that waits was made: its ``time``, ISO 8601; None where none waits."""
        batch = self.peek(FIRST_LINES, FIRST_BYTES)
        return time_of(batch.lines[0]) if batch and batch.lines else None

    async def append(self, lines: Sequence[bytes]) -> None:
        """Makes lines durable, each JSON without a line break, or packed; raises OutboxUnavailable where it cannot."""
        if self.full:
            raise OutboxUnavailable(
                f"The outbox holds {self.size:,} bytes and may hold {self.most_bytes:,} (OUTBOX_MAX_BYTES): "
                f"{self.depth:,} predictions wait for the data service. Try again once it takes them."
            )
        try:
            self.write(lines)
        except SegmentNotSynced as error:
            raise self._lost(error) from error
        except OSError as error:
            self.failure = f"{self.folder} cannot be written: {error.strerror}"
            raise OutboxUnavailable(f"The outbox cannot keep the prediction. {self.failure}.") from error
        self.failure = None
        if self._full_sync:
            await self._until_synced(self.next_line)

    def dead_letter(self, lines: Sequence[bytes]) -> None:
        """Keeps lines that the data service refuses for good in ``refused.ndjson``, for a person to look at."""
        descriptor = os.open(self.folder / DEAD_LETTERS, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def probe(self) -> None:
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
        """Puts everything on the disk and lets the folder go."""
        while self._syncing:
            await asyncio.wait([self._syncing])
        self._thread.shutdown()
        self.close_segment()
        os.close(self._lock)

    async def _until_synced(self, line: int) -> None:
        while self._synced_line < line:
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync())
            await asyncio.shield(self._syncing)
        if line <= self._lost_line:  # the disk says only once that it lost something
            raise OutboxUnavailable(f"The outbox cannot keep the prediction. {self.failure or 'The disk lost it'}.")

    async def _sync(self) -> None:
        line, file = self.next_line, self.duplicate_file()
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
        self._lost_line = self.next_line
        self.failure = f"{self.folder} cannot be put on disk: {error.strerror}"
        return OutboxUnavailable(f"The outbox cannot keep the prediction. {self.failure}.")


def open_exclusively(shared: Path, sync: Sync = "process", most_bytes: int = 2**30) -> Outbox:
    """The first outbox in a folder of numbered ones that no process holds: a new process takes up what waits there.

    Raises OutboxUnusable.
    """
    for number in range(MOST_SHARED):
        with suppress(OutboxLocked):
            return Outbox(shared / str(number), sync, most_bytes)
    raise OutboxUnusable(f"OUTBOX_DIR={shared} should hold an outbox that is free; all {MOST_SHARED} are taken. Stop some.")


def orphaned_outboxes(shared: Path, own: Path) -> Iterator[Outbox]:
    """The outboxes in a folder of numbered ones that no process holds any more, each opened."""
    for folder in sorted(shared.iterdir()):
        if folder.name.isdecimal() and folder != own:
            with suppress(OutboxUnusable):
                yield Outbox(folder)


def _unusable(folder: Path, error: OSError) -> OutboxUnusable:
    return OutboxUnusable(
        f"OUTBOX_DIR={folder} should be a folder that this process may write; it says {error.strerror or error}. "
        "Allow it, or choose another."
    )


def _lock(folder: Path) -> int:
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
