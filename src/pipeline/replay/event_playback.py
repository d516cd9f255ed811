"""Sends events to the data service in the order in which they became known, as fast as it takes them or at a set speed."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.clients.services import MOST_EVENTS, DataService, while_away
from pipeline.data.event_log import Event

AWAY_SECONDS = 60  # how long the data service may be away in a replay: a batch that it has already changes nothing


@dataclass
class Pace:
    """``speed`` seconds of the log in a second of the clock, from the moment ``start`` of the log on."""

    start: datetime
    speed: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _began: float | None = field(default=None, init=False)

    def wait_seconds(self, moment: datetime) -> float:
        """How long it is until the clock has come to a moment of the log; the clock starts at the first one after start."""
        if moment <= self.start:
            return 0.0
        if self._began is None:
            self._began = self.clock()
        return (moment - self.start).total_seconds() / self.speed - (self.clock() - self._began)


def batches(events: Iterable[Event], pace: Pace | None = None) -> Iterator[list[Event]]:
    """The events in parts of as many as a request may hold; with a pace, no event comes before its time."""
    batch = list[Event]()
    for event in events:
        if pace and (seconds := pace.wait_seconds(event.known_at)) > 0:
            if batch:
                yield batch
                batch = []
            pace.sleep(seconds)
        batch.append(event)
        if len(batch) == MOST_EVENTS:
            yield batch
            batch = []
    if batch:
        yield batch


def send(
    events: Iterable[Event], store: DataService, advance: Callable[[datetime], None], pace: Pace | None = None
) -> tuple[int, int]:
    """Sends all events, and advances to the moment of the last one of each batch; returns how many were new, and known.

    Raises ServiceUnavailable where the data service is away for longer than AWAY_SECONDS.
    """
    new = known = 0
    for batch in batches(events, pace):
        counts = while_away(AWAY_SECONDS)(store.append_events, [event.as_json() for event in batch])
        new, known = new + counts[0], known + counts[1]
        advance(batch[-1].known_at)
    return new, known
