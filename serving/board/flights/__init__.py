"""What the pages know of flights: the airports' clock, rows of the departures page, sentences about reasons."""

from board.flights.airport_clock import CLOCK
from board.flights.background import background
from board.flights.departures import (
    DUE,
    EVENT,
    FACETS,
    HEADINGS,
    NAME,
    SEARCH,
    SEARCH_EXAMPLE,
    TITLE,
    entries,
    name,
)
from board.flights.names import AIRPORTS, CARRIERS
from board.flights.phrases import phrase

__all__ = [
    "BACKGROUND_TEMPLATE", "CLOCK", "DUE", "EVENT", "FACETS", "FACET_NAMES", "HEADINGS", "HEAD_TEMPLATE", "NAME",
    "SEARCH", "SEARCH_EXAMPLE", "TITLE", "background", "entries", "name", "phrase",
]  # fmt: skip
HEAD_TEMPLATE, BACKGROUND_TEMPLATE = "flight_head.html", "flight_background.html"  # of the page of a flight
FACET_NAMES = {"origin": AIRPORTS, "carrier": CARRIERS}  # what people call the values of the columns to filter by
