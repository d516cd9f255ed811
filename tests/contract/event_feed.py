"""A feed of events for the containers, and whether the board has made of them what it should."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from contract.made_up_day import FLIGHTS, Event, MadeUpDay
from contract.stack import HEALED_SECONDS, Stack, until

STEP_SECONDS = 0.8
KEY = {"X-API-Key": "ontime_development_key_of_the_prediction_service"}


class EventFeed:
    """Sends the events of a made-up day to the data service, flight by flight; each until it is taken."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.day, self.left = stack, MadeUpDay(datetime.now(UTC) - timedelta(days=1)), 0
        self._send(self.day.announcements())

    def go_on(self) -> None:
        """The next flight leaves, if there is one."""
        if self.left < FLIGHTS:
            self._send(self.day.happenings(self.left))
            self.left += 1

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Flights leave all the while."""
        stopped = threading.Event()

        def run():
            while not stopped.wait(STEP_SECONDS):
                self.go_on()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join(60)

    def is_predicted(self) -> bool:
        """Whether each flight that is due, and no other, has one official prediction, and each that landed its outcome."""
        sql = (
            "copy (select count(*), count(distinct subject), count(outcome) from predictions "
            "left join outcomes using (prediction_id) where official) to stdout"
        )
        found = self.stack.compose("exec", "-T", "postgres", "psql", "-qU", "ontime", "ontime", "-c", sql).split()
        due, landed = self.day.due(self.left - 1), self.day.landed(self.left - 1)
        return found == [str(due), str(due), str(landed)]

    def ask(self, number: int) -> dict[str, Any]:
        """What the board answers about a flight."""
        question = {"flight": self.day.key(number)}
        return httpx.post(f"{self.stack.url('BOARD')}/predictions", json=question, timeout=20).raise_for_status().json()

    def _send(self, events: list[Event]) -> None:
        until(
            HEALED_SECONDS,
            lambda: httpx.post(f"{self.stack.url('DATA_API')}/events", json={"events": events}, headers=KEY, timeout=20)
            .raise_for_status(),
            "the data service takes events",
        )  # fmt: skip
