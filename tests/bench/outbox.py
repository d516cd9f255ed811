"""Times the outbox's log beside SQLite in WAL mode: the same predictions, in turn, in one run of about half a minute.

Each keeps the lines until they are delivered in batches of 500. First the appends alone, then what the service does for one
micro-batch: inputs, graph, answers, append. SQLite gets the easier task: it writes no checksums and starts no thread.
"""

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from servers import ROOT, console

from prediction_api.app_state import AppState
from prediction_api.outbox.outbox import Outbox, Sync
from prediction_api.predictor import Predictor
from prediction_api.settings import Settings

ROUNDS, SECONDS = 7, 0.2
LINES_PER_DELIVERY, BYTES_PER_DELIVERY = 500, 2**20
CREATE = "CREATE TABLE lines (number INTEGER PRIMARY KEY AUTOINCREMENT, content BLOB NOT NULL)"
INSERT = "INSERT INTO lines (content) VALUES (?)"


class Spool(Protocol):
    """What keeps lines until they are delivered."""

    @property
    def depth(self) -> int: ...
    async def append(self, lines: Sequence[bytes]) -> None: ...
    def deliver(self) -> None: ...
    async def close(self) -> None: ...


class LogSpool(Outbox):
    """The service's own log."""

    def deliver(self) -> None:
        """Takes the next lines, and removes them."""
        batch = self.peek(LINES_PER_DELIVERY, BYTES_PER_DELIVERY)
        if batch:
            self.ack(batch.after)


class SqliteSpool:
    """A table in a SQLite file that one connection holds."""

    def __init__(self, path: Path, sync: Sync) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        level = "FULL" if sync == "full" else "NORMAL"
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", f"synchronous={level}"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(CREATE)
        self.depth = 0

    async def append(self, lines: Sequence[bytes]) -> None:
        """Commits the lines in one transaction."""
        self._connection.execute("BEGIN")
        self._connection.executemany(INSERT, [(line,) for line in lines])
        self._connection.execute("COMMIT")
        self.depth += len(lines)

    def deliver(self) -> None:
        """Takes the next lines, and removes them."""
        select = "SELECT number, content FROM lines ORDER BY number LIMIT ?"
        rows = self._connection.execute(select, (LINES_PER_DELIVERY,)).fetchall()
        self._connection.execute("DELETE FROM lines WHERE number <= ?", (rows[-1][0],))
        self.depth -= len(rows)

    async def close(self) -> None:
        """Lets the file go."""
        self._connection.close()


class MemorySpool:
    """Keeps the last lines in memory: shows what the service writes."""

    last: Sequence[bytes] = ()

    async def append(self, lines: Sequence[bytes]) -> None:
        """Remembers the lines."""
        self.last = lines


async def lines_per_second(spool: Spool, append: Callable[[], Awaitable[Any]], count: int) -> float:
    """The speed of an append of ``count`` lines that is repeated, with the deliveries that belong to it."""
    lines, start = 0, time.perf_counter()
    while (now := time.perf_counter()) < start + SECONDS:
        await append()
        lines += count
        while spool.depth >= LINES_PER_DELIVERY:
            spool.deliver()
    return lines / (now - start)


async def row(name: str, spools: Sequence[Spool], append_to: Callable[[Spool], Awaitable[Any]], count: int) -> None:
    """Prints the median speeds of both, and the median of SQLite's times as a multiple of the log's."""
    rounds = [[await lines_per_second(spool, partial(append_to, spool), count) for spool in spools] for _ in range(ROUNDS)]
    log, sqlite = (median(speeds) for speeds in zip(*rounds, strict=True))
    console.print(f"{name:48}{log:10,.0f}{sqlite:10,.0f}{median(a / b for a, b in rounds):14.2f}")


async def compare(folder: Path, sync: Sync, state: AppState) -> None:
    """Prints the rows of one way to sync."""
    model = state.model_manager.current.model
    memory = MemorySpool()
    await Predictor(memory, state.metrics).predict(model, [(model.example(), None)])  # type: ignore[arg-type]
    spools: tuple[Spool, Spool] = (LogSpool(folder / f"log-{sync}", sync), SqliteSpool(folder / f"{sync}.sqlite", sync))

    async def append(count: int, spool: Spool) -> None:
        await spool.append([*memory.last] * count)

    async def answer(count: int, spool: Spool) -> None:
        await Predictor(spool, state.metrics).predict(model, [(model.example(), None)] * count)  # type: ignore[arg-type]

    for name, step, counts in (("append", append, (1, 1000)), ("answer", answer, (1, 8, 1000))):
        for count in counts:
            await row(f"sync={sync}, {name} {count:,} at a time", spools, partial(step, count), count)
    for spool in spools:
        await spool.close()


async def main() -> None:
    """Compares both ways to sync, on the disk of this repository."""
    console.print(f"\nOutbox, {os.getloadavg()[0]:.1f} processes busy before it started")
    console.print(f"{'predictions per second':48}{'log':>10}{'SQLite':>10}{'SQLite / log':>14}")
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as name:
        folder = Path(name)
        state = AppState(Settings(model_uri=str(ROOT / "data" / "model"), outbox_dir=folder, model_poll_seconds=0))
        await state.model_manager.open()
        for sync in ("process", "full"):
            await compare(folder, sync, state)


if __name__ == "__main__":
    asyncio.run(main())
