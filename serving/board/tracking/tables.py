"""The source tables as the event log leaves them, and what the recipe makes of them when somebody asks."""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from board.tracking.source import Source
from pipeline.data.event_log import Event, Key
from pipeline.features.point_in_time import Integers

Entries = Sequence[tuple[int, Event]]  # events of the log, each with its position


@dataclass(frozen=True)
class Snapshot:
    """What was known at a position of the log: the recipe's history, and the rows [n] of the subjects.

    Each has its key, and the moment of its official prediction in minutes since 1970.
    """

    position: int
    watermark: datetime
    history: Any
    rows: pd.DataFrame
    keys: list[Key]
    moments: list[int]


class Tables:
    """The source tables up to ``position``; the ``watermark`` is the newest ``known_at`` of their events.

    One thread changes them; any may take a snapshot.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tables = {name: table.empty() for name, table in source.tables.items()}
        self._subjects = self._tables[source.live.TABLE]
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self.position = 0
        self.watermark: datetime | None = None
        self.kept_since: datetime | None = None  # rows whose last event is older were forgotten; None where none was
        self.newest: dict[str, datetime] = {}  # the newest known_at of each table
        self.passed_over = 0  # events of tables that the model does not declare
        self.touched: set[Key] = set()  # subjects with events since somebody looked
        self._undated: set[Key] = set()  # subjects with events since it was worked out when they are due
        self._due_at: dict[Key, int] = {}

    def apply(self, entries: Entries, stop_at_revision: bool = True) -> int:
        """Takes up events of the log, to before the first one that changes what was known; gives how many it took."""
        with self._lock:
            for taken, (position, event) in enumerate(entries):
                if stop_at_revision and self._revises(event):
                    return taken
                self._take(position, event)
        return len(entries)

    def snapshot(self) -> Snapshot:
        """What is known now; worked out only where something has changed. Raises ValueError before the first event."""
        with self._lock:
            if self.watermark is None:
                raise ValueError("the log is empty")
            if self._snapshot is None or self._snapshot.position != self.position:
                self._snapshot = self._take_snapshot(self.watermark)
            return self._snapshot

    def subject_rows(self, keys: Collection[Key]) -> tuple[list[Key], pd.DataFrame]:
        """Of these subjects those with a value in each column that must have one, and their rows, in this order."""
        with self._lock:
            complete = [key for key in keys if key in self._subjects and self._subjects.is_complete(key)]
            return complete, self._subjects.frame(complete)

    def subjects_due(self, start: int, end: int) -> tuple[list[Key], pd.DataFrame, Integers]:
        """The subjects that are due from a moment to before another, by that, their rows [n], and when they are due [n].

        All moments are in minutes since 1970. When a subject is due is worked out again only after an event about it.
        """
        with self._lock:
            if changed := [key for key in self._undated if self._subjects.is_complete(key)]:
                due_at = self._source.live.due_at(self._subjects.frame(changed))
                self._due_at |= zip(changed, due_at.tolist(), strict=True)
                self._undated.difference_update(changed)
            keys = [key for key, due in self._due_at.items() if start <= due < end]
            keys.sort(key=self._due_at.__getitem__)
            return keys, self._subjects.frame(keys), np.array([self._due_at[key] for key in keys], np.int64)

    def forget(self, until: datetime, needed: Collection[Key]) -> None:
        """Forgets rows, except ``needed`` ones, whose last event is further back than moments from ``until`` on can see."""
        with self._lock:
            for name, days in self._source.live.LOOK_BACK_DAYS.items():
                if days is None:
                    continue
                table, oldest = self._tables[name], until - timedelta(days=days)
                is_subject = table is self._subjects
                keep = [
                    known_at >= oldest or (is_subject and key in needed)
                    for key, known_at in zip(table.keys, table.last_known_at, strict=True)
                ]
                table.keep(np.array(keep, np.bool_))
                if is_subject:
                    self._due_at = {key: due for key, due in self._due_at.items() if key in table}
                    self._undated = {key for key in self._undated if key in table}
                if is_subject and not all(keep):
                    self.kept_since = oldest

    def _revises(self, event: Event) -> bool:
        table = self._tables.get(event.table)
        return table is not None and table.revises(event, self._source.live.ONCE_KNOWN.get(event.table, ()))

    def _take(self, position: int, event: Event) -> None:
        self.position = max(position, self.position)
        if (table := self._tables.get(event.table)) is None:
            self.passed_over += 1
            return
        key = table.apply_one(event)
        if table is self._subjects:
            self.touched.add(key)
            self._undated.add(key)
        self.newest[event.table] = max(event.known_at, self.newest.get(event.table, event.known_at))
        self.watermark = max(event.known_at, self.watermark or event.known_at)

    def _take_snapshot(self, watermark: datetime) -> Snapshot:
        complete = {name: table.complete_keys() for name, table in self._tables.items()}
        frames = {
            name: table.frame(complete[name] if len(complete[name]) < len(table) else None)
            for name, table in self._tables.items()
        }
        subjects = self._source.live.TABLE
        history, rows = self._source.history(frames), frames[subjects]
        return Snapshot(self.position, watermark, history, rows, complete[subjects], self._source.moments(rows))
