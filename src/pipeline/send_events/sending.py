"""Sends numbered events in batches, and says of a refusal which rows and columns of the file it means."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.clients.services import MOST_EVENTS, DataService, ServiceRejected
from pipeline.send_events.table_events import NumberedEvent
from pipeline.support.errors import OntimeError

MOST_FAULTS = 5  # that a message names
PLACE = re.compile(r"events\.(\d+)(?:\.(?:key|values))?\.?(.*)")  # of a fault in a body: the event, and its column


class RowsRefused(OntimeError):
    """The data service refused some rows of a file, and took none of the batch in which they are."""


class Sent(NamedTuple):
    """How many events were new to the log, and how many it held before."""

    new: int = 0
    known: int = 0

    def plus(self, other: "Sent") -> "Sent":
        """The sums of both."""
        return Sent(self.new + other.new, self.known + other.known)


def send(
    events: Sequence[NumberedEvent], path: Path, store: DataService, advance: Callable[[], None] = lambda: None
) -> Sent:
    """Sends the events of the file at ``path`` in their order, and advances after each batch.

    Raises RowsRefused with the first faults by row and column; the batches before stay in the log, and sending them again
    changes nothing.
    """
    sent = Sent()
    for batch in batches(events):
        try:
            sent = sent.plus(Sent(*store.append_events([numbered.event.as_json() for numbered in batch])))
        except ServiceRejected as error:
            if not error.field_errors:
                raise
            raise RowsRefused(_explain(error, batch, path)) from error
        advance()
    return sent


def batches(events: Sequence[NumberedEvent]) -> list[Sequence[NumberedEvent]]:
    """The events in parts of as many as a request may hold."""
    return [events[start : start + MOST_EVENTS] for start in range(0, len(events), MOST_EVENTS)]


def _explain(error: ServiceRejected, batch: Sequence[NumberedEvent], path: Path) -> str:
    faults = []
    for fault in error.field_errors[:MOST_FAULTS]:
        place = PLACE.fullmatch(fault["field"])
        where = f"row {batch[int(place[1])].row:,}{place[2] and f', {place[2]}'}" if place else fault["field"]
        faults.append(f"{where}: {fault['wanted']}; got {fault['got']}")
    more = "; and more" if len(error.field_errors) > MOST_FAULTS else ""
    return f"{path}: the data service refused these rows and all that were sent with them. {'. '.join(faults)}{more}."
