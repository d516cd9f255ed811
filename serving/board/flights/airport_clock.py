"""The clock on which flights are shown: that of the airports of departure."""

from zoneinfo import ZoneInfo

from board.clock import Clock
from pipeline.recipes.flights.timetable import ORIGIN_ZONE

CLOCK = Clock(ZoneInfo(ORIGIN_ZONE), "New York time")
