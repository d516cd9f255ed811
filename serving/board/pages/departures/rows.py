"""The subjects of some hours as the log knows them, with their predictions and the strongest reason of each."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from board.pages.departures.query import MINUTES, NEXT, DeparturesQuery
from board.tracking.source import SECONDS, Record, time_of
from board.tracking.subject_tracker import SubjectTracker
from pipeline.data.event_log import Key

OVERDUE = 3 * 60  # minutes for which subjects that should have come stay among the next ones
PER_PAGE = 200


class Row(NamedTuple):
    """A subject: its key as a query, when it is due, what the log knows of it, what was predicted, and why."""

    key: Key
    due_at: datetime
    entry: Any  # as the package of the subjects describes it
    probability: float | None = None
    is_called: bool = False  # whether the probability reaches the model's threshold
    is_official: bool = False
    reason: str | None = None


@lru_cache(maxsize=16)  # of the newest positions, which several readers and refreshes ask for
def rows_between(tracker: SubjectTracker, _position: int, presentation: Any, start: int, end: int) -> list[Row]:
    """The subjects that are due from a moment to before another, by time; moments are minutes since 1970."""
    watermark = tracker.tables.watermark
    if watermark is None:
        return []
    keys, rows, due_at = tracker.tables.subjects_due(start, end)
    entries = presentation.entries(rows, due_at, int(watermark.timestamp()) // SECONDS, tracker.source.options)
    return [Row(key, time_of(due), entry) for key, due, entry in zip(keys, due_at.tolist(), entries, strict=True)]


def rows_of(tracker: SubjectTracker, presentation: Any, query: DeparturesQuery, now: int) -> list[Row]:
    """The subjects that a query asks for, before it filters them: for the next hours with those that are overdue."""
    start, end = query.window(now)
    takes_overdue = not query.since and query.show == NEXT
    first = start - OVERDUE if takes_overdue else start
    rows = rows_between(tracker, tracker.tables.position, presentation, first, end)
    return [row for row in rows if row.entry.waits or row.due_at >= time_of(start)] if takes_overdue else rows


def count_long_overdue(tracker: SubjectTracker, presentation: Any, query: DeparturesQuery, now: int) -> int:
    """How many subjects of the last hours have waited for too long to stand among the next ones, where these are shown."""
    if query.since or query.show != NEXT:
        return 0
    rows = rows_between(tracker, tracker.tables.position, presentation, now - MINUTES, now - OVERDUE)
    return sum(row.entry.waits for row in rows)


def matching(rows: Sequence[Row], query: DeparturesQuery, facets: Mapping[str, str]) -> list[Row]:
    """The rows with the chosen values, and a word that begins so for every word of the text."""
    words = query.text.lower().split()
    chosen = [(list(facets).index(name), value) for name, value in query.facets]
    return [
        row
        for row in rows
        if all(row.entry.facets[place] == value for place, value in chosen)
        and all(f" {word}" in f" {row.entry.searched}" for word in words)
    ]


def predicted(row: Row, tracker: SubjectTracker, forecasts: Mapping[Key, Record]) -> tuple[Row, int | None]:
    """The row with its official prediction, or a forecast before; and the moment of that in minutes since 1970."""
    if official := tracker.officials.made.get(row.key):
        return row._replace(probability=official.probability, is_called=official.label, is_official=True), official.moment
    if forecast := forecasts.get(row.key):
        moment = int(forecast["as_of"].timestamp()) // SECONDS
        return row._replace(probability=forecast["probability"], is_called=forecast["label"]), moment
    return row, None


def in_order(rows: Sequence[Row], sort: str) -> list[Row]:
    """The rows by time, or by something else and then by time."""
    if sort == "probability":
        return sorted(rows, key=lambda row: -1 if row.probability is None else row.probability, reverse=True)
    if sort == "name":
        return sorted(rows, key=lambda row: row.entry.order)
    if sort == "to":
        return sorted(rows, key=lambda row: row.entry.cells[-1].text)
    return list(rows)


def choices(rows: Sequence[Row], query: DeparturesQuery, presentation: Any) -> list[dict[str, Any]]:
    """For each column to filter by its label and its values, with what people call them; the chosen one is among them."""
    chosen = dict(query.facets)
    return [
        {
            "name": name,
            "label": label,
            "chosen": chosen.get(name, ""),
            "values": sorted({row.entry.facets[place] for row in rows} | ({chosen[name]} if name in chosen else set())),
            "names": presentation.FACET_NAMES[name],
        }
        for place, (name, label) in enumerate(presentation.FACETS.items())
    ]
