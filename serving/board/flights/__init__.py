"""What the pages know of flights: the airports' clock, columns of the departures board, sentences about reasons."""

from zoneinfo import ZoneInfo

from board.clock import Clock
from pipeline.recipes.flights.timetable import ORIGIN_ZONE

CLOCK = Clock(ZoneInfo(ORIGIN_ZONE), "New York time")
