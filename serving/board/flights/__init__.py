"""What the pages know of flights: the airports' clock, rows of the departures page, sentences about reasons."""

from board.flights.airport_clock import CLOCK
from board.flights.departures import (
    DUE,
    EVENT,
    FACETS,
    HEADINGS,
    NAME,
    OUTCOME,
    SEARCH,
    SEARCH_EXAMPLE,
    TITLE,
    entries,
    name,
)
from board.flights.names import AIRPORTS, CARRIERS
from board.flights.phrases import phrase

__all__ = [
    "CLOCK", "DUE", "EVENT", "FACETS", "FACET_NAMES", "HEADINGS", "NAME", "OUTCOME", "SEARCH", "SEARCH_EXAMPLE", "TITLE",
    "entries", "name", "phrase",
]  # fmt: skip
FACET_NAMES = {"origin": AIRPORTS, "carrier": CARRIERS}  # what people call the values of the columns to filter by
