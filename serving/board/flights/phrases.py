"""Sentences about the reasons of a prediction: what of a topic speaks for a late flight, or against it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from board.flights.names import CARRIERS, CITIES

Record = Mapping[str, Any]  # the columns of the model
Phrases = Iterator[str]  # the most telling one first
USUAL, SELDOM = 0.25, 0.15  # shares of late arrivals
SOME_MINUTES, SHORT, AMPLE = 10, 45, 180  # minutes: a delay that matters; a stay on the ground that is short, or ample
SOME_FLIGHTS = 5  # overdue at one airport
EARLY_HOUR, LATE_HOUR = 9, 15
SPARE = 5  # minutes of a timetable that matter
POOR_VISIBILITY = 5  # miles
BAD_WEATHER: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    ("wind_speed", lambda mph: mph >= 18, "wind of {value:.0f} mph at {origin}"),
    ("humidity", lambda percent: percent >= 80, "damp air at {origin} ({value:.0f} % humidity)"),
    ("pressure", lambda hectopascals: hectopascals < 1008, "low pressure at {origin} ({value:.0f} hPa)"),
)


def phrase(topic: str, contribution: float, record: Record) -> str:
    """What a topic says, as a phrase such as "aircraft still 47 min late on its way in".

    It names what speaks in the direction of the ``contribution``; the topic itself where nothing stands out.
    """
    is_for = contribution > 0
    words = PHRASES[topic](record, is_for) if topic in PHRASES else iter(())
    return next(words, f"{topic} {'speaks for a delay' if is_for else 'speaks against a delay'}")


def _aircraft(record: Record, is_for: bool) -> Phrases:
    left, arrived, spare = (record.get(f"aircraft_{name}") for name in ("departure_delay", "arrival_delay", "spare_minutes"))
    if left is None:
        yield "no earlier flight of the aircraft is known"
        return
    if not is_for:
        if spare is not None and spare >= AMPLE:
            yield f"aircraft has {spare / 60:.0f} h to spare before this flight"
        if (left if arrived is None else arrived) < SOME_MINUTES:
            yield "aircraft was on time on its flight before"
        return
    if arrived is None and left >= SOME_MINUTES:
        yield f"aircraft still {left:.0f} min late on its way in"
    if arrived is not None and arrived >= SOME_MINUTES:
        yield f"aircraft was {arrived:.0f} min late on its flight before"
    if spare is not None and spare <= 0:
        yield "aircraft can hardly be back in time"
    if spare is not None and spare < SHORT:
        yield f"aircraft has only {spare:.0f} min to spare before this flight"


def _queue(record: Record, is_for: bool) -> Phrases:
    origin, delay = record["origin"], record.get("departure_delay_origin_1h")
    waiting, everywhere = record.get("waiting_origin") or 0, record.get("waiting_everywhere") or 0
    if is_for:
        if waiting >= SOME_FLIGHTS:
            yield f"{waiting:.0f} flights overdue at {origin}"
        if delay is not None and delay >= SOME_MINUTES:
            yield f"departures from {origin} {delay:.0f} min late in the last hour"
        if everywhere >= 2 * SOME_FLIGHTS:
            yield f"{everywhere:.0f} flights overdue at the three airports"
        return
    if waiting < SOME_FLIGHTS:
        if delay is None or delay < SOME_MINUTES:
            yield f"hardly a delay at {origin}"
        yield f"only {waiting:.0f} {'flight' if waiting == 1 else 'flights'} overdue at {origin}"


def _weather(record: Record, is_for: bool) -> Phrases:
    origin = record["origin"]
    bad_weather = list(_bad_weather(record))
    if is_for:
        yield from bad_weather
    elif not bad_weather:
        yield f"fair weather at {origin}"
    yield f"the weather at {origin}"


def _bad_weather(record: Record) -> Phrases:
    origin = record["origin"]
    if record.get("precipitation"):
        yield f"rain or snow at {origin}"
    seen = [miles for name in ("visibility", "lowest_visibility") if (miles := record.get(name)) is not None]
    if seen and min(seen) < POOR_VISIBILITY:
        yield f"visibility of {min(seen):.1f} miles"
    for name, is_bad, words in BAD_WEATHER:
        value = record.get(name)
        if value is not None and is_bad(value):
            yield words.format(value=value, origin=origin)


def _carrier(record: Record, is_for: bool) -> Phrases:
    carrier = CARRIERS.get(record["carrier"], record["carrier"])
    delay, share = record.get("departure_delay_carrier_3h"), record.get("arrived_late_carrier_28d")
    if delay is not None and (delay >= SOME_MINUTES) == is_for:
        minutes = f"{delay:.0f} min late" if is_for else "on time"
        yield f"{carrier} left {minutes} in the last 3 hours"
    if share is not None and (share >= USUAL) == is_for:
        yield f"{carrier} was late on {'' if is_for else 'only '}{100 * share:.0f} % of its flights in four weeks"


def _route(record: Record, is_for: bool) -> Phrases:
    city = CITIES.get(record["destination"], record["destination"])
    for name in ("lost_minutes_destination_6h", "lost_minutes_direction_3h", "lost_minutes_destination_28d"):
        lost = record.get(name)
        if lost is not None and abs(lost) >= 1 and (lost > 0) == is_for:
            whose = f"flights to {city}" if "destination" in name else "flights of similar length and direction"
            yield f"{whose} {'lose' if is_for else 'make up'} {abs(lost):.0f} min on the way"
    yield f"the route to {city}"


def _flight_number(record: Record, is_for: bool) -> Phrases:
    yesterday, share = record.get("arrival_delay_flight_1d"), record.get("arrived_late_flight_28d")
    if is_for and yesterday is not None and yesterday >= SOME_MINUTES:
        yield f"this flight was {yesterday:.0f} min late when it flew last"
    if share is not None and (share >= USUAL) == is_for:
        how_often = "often" if is_for else "seldom" if share < SELDOM else "not often"
        yield f"this flight is {how_often} late ({100 * share:.0f} % in four weeks)"


def _timetable(record: Record, is_for: bool) -> Phrases:
    leaves = datetime.fromisoformat(record["scheduled_departure"])
    if is_for and leaves.hour >= LATE_HOUR:
        yield f"it leaves at {leaves:%H:%M}, when delays have added up"
    if not is_for and leaves.hour < EARLY_HOUR:
        yield f"it leaves at {leaves:%H:%M}, before delays add up"
    for name, flights in (("spare_minutes_route_28d", "such flights"), ("spare_minutes_destination_1d", "flights there")):
        spare = record.get(name)
        if spare is not None and abs(spare) >= SPARE and (spare < 0) == is_for:
            yield f"its timetable is {abs(spare):.0f} min {'shorter' if is_for else 'longer'} than {flights} take"
    yield f"it leaves at {leaves:%H:%M}"


PHRASES: dict[str, Callable[[Record, bool], Phrases]] = {
    "the aircraft": _aircraft,
    "queue at the airport": _queue,
    "weather": _weather,
    "carrier": _carrier,
    "route and destination": _route,
    "this flight number": _flight_number,
    "timetable": _timetable,
}
