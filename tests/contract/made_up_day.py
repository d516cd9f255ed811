"""Events of a made-up day at Newark: a flight every five minutes, each an hour long and five minutes late."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

FLIGHTS = 250  # of the day, all announced before the first one leaves
EVERY, BLOCK, DELAY, HORIZON = timedelta(minutes=5), timedelta(hours=1), timedelta(minutes=5), timedelta(hours=2)
Event = dict[str, Any]


class MadeUpDay:
    """The events of a day whose first flight leaves at ``start``."""

    def __init__(self, start: datetime) -> None:
        self.start = start.replace(second=0, microsecond=0)

    def key(self, number: int) -> dict[str, Any]:
        """The key of a flight, from 0 on."""
        local = self._departure(number).astimezone(ZoneInfo("America/New_York"))
        date = {"year": local.year, "month": local.month, "day": local.day}
        return {**date, "carrier": "UA", "flight": number + 1, "origin": "EWR"}

    def announcements(self) -> list[Event]:
        """The timetable and the destination's zone, an hour before the first prediction is due."""
        known_at = self.start - HORIZON - timedelta(hours=1)
        airport = self._event("airports", {"faa": "IAH"}, known_at, tzone="America/Chicago")
        return [airport, *(self._announcement(number, known_at) for number in range(FLIGHTS))]

    def happenings(self, number: int) -> list[Event]:
        """What becomes known when a flight leaves: that, and that the one which left an hour before has landed."""
        known_at, landed = self._departure(number) + DELAY, number - BLOCK // EVERY
        delay = DELAY.total_seconds() / 60
        events = [self._event("flights", self.key(number), known_at, dep_delay=delay)]
        return events + ([self._event("flights", self.key(landed), known_at, arr_delay=delay)] if landed >= 0 else [])

    def due(self, number: int) -> int:
        """How many flights have an official prediction once this one has left: those whose moment is before that."""
        return min(FLIGHTS, number + (DELAY + HORIZON) // EVERY)

    def landed(self, number: int) -> int:
        """How many flights have landed once this one has left."""
        return max(0, number + 1 - BLOCK // EVERY)

    def _departure(self, number: int) -> datetime:
        return self.start + number * EVERY

    def _announcement(self, number: int, known_at: datetime) -> Event:
        departure = self._departure(number)
        local, arrives = (
            moment.astimezone(ZoneInfo(zone))
            for moment, zone in ((departure, "America/New_York"), (departure + BLOCK, "America/Chicago"))
        )
        hour = departure.replace(minute=0)
        return self._event(
            "flights", self.key(number), known_at,
            sched_dep_time=100 * local.hour + local.minute, sched_arr_time=100 * arrives.hour + arrives.minute,
            dest="IAH", distance=1400, minute=departure.minute, time_hour=f"{hour:%Y-%m-%dT%H:%M:%SZ}", tailnum=None,
        )  # fmt: skip

    def _event(self, table: str, key: dict[str, Any], known_at: datetime, **values: Any) -> Event:
        return {"table": table, "key": key, "known_at": known_at.isoformat(), "values": values}
