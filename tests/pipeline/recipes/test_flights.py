"""The features of the flights recipe, and that none of them uses a fact later than the prediction."""

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from pipeline.config.parsing import parse_settings
from pipeline.recipes import flights
from source_tables import default_data, read_tables

HORIZON = pd.Timedelta(hours=2)
OBSERVED = pd.Timedelta(hours=1)  # after the hour by which the table names an observation that was made within it
REACH = pd.Timedelta(days=30)  # the longest window is 28 days, of flights that were due up to a day before they landed
LONGEST_FLIGHT = pd.Timedelta(days=2)  # an arrival is the first time on a clock, which comes within a day
MOMENTS = [
    "2013-02-08 15:40",  # a blizzard begins
    "2013-03-10 12:10",  # the morning on which clocks went forward
    "2013-07-10 22:30",  # thunderstorms
    "2013-09-12 18:05",
    "2013-11-03 13:20",  # the night on which clocks went back
    "2013-12-05 16:00",
]


@pytest.fixture(scope="module")
def data():
    return default_data()


@pytest.fixture(scope="module")
def options(data):
    return parse_settings(flights.Options, data.options, "data")


@pytest.fixture(scope="module")
def raw(data):
    return read_tables(data)


@pytest.fixture(scope="module")
def moments_of(raw):
    """When each flight was due, left and landed, in UTC, computed independently of the code under test."""
    table = raw["flights"]
    due = pd.to_datetime(table["time_hour"], utc=True) + pd.to_timedelta(table["minute"], unit="min")
    zones = raw["airports"].set_index("faa")["tzone"].to_dict() | dict.fromkeys(
        ("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico"
    )
    left = due + pd.to_timedelta(table["dep_delay"], unit="min")
    return pd.DataFrame({"due": due, "left": left, "zone": table["dest"].map(zones)})


def landed(table, moments):
    """Each arrival in UTC: the first time after the departure at which the destination's clock shows ``arr_time``."""
    arrivals = []
    for left, zone, clock in zip(moments["left"], moments["zone"], table["arr_time"], strict=True):
        if pd.isna(left) or pd.isna(clock):
            arrivals.append(pd.NaT)
            continue
        local = left.tz_convert(ZoneInfo(zone))
        arrival = local.normalize().tz_localize(None) + pd.Timedelta(hours=int(clock) // 100, minutes=int(clock) % 100)
        while arrival <= local.tz_localize(None):
            arrival += pd.Timedelta(days=1)
        arrivals.append(arrival.tz_localize(ZoneInfo(zone), ambiguous=False, nonexistent="shift_forward").tz_convert("UTC"))
    return pd.Series(pd.to_datetime(arrivals, utc=True), index=table.index)


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_feature_changes_when_every_later_fact_is_deleted(moment, raw, data, options, moments_of):
    now = pd.Timestamp(moment, tz="UTC")
    around = (moments_of["due"] > now - REACH) & (moments_of["due"] < now + pd.Timedelta(days=2))
    table, moments = raw["flights"][around], moments_of[around]
    recent = moments["left"].between(now - LONGEST_FLIGHT, now)
    arrival = landed(table[recent], moments[recent]).reindex(table.index)
    arrived = (arrival <= now) | ((moments["left"] < now - LONGEST_FLIGHT) & table["arr_time"].notna())

    past = table.copy()
    past.loc[~(moments["left"] <= now), ["dep_time", "dep_delay"]] = np.nan
    past.loc[~arrived, ["arr_time", "arr_delay", "air_time"]] = np.nan
    weather = raw["weather"][pd.to_datetime(raw["weather"]["time_hour"], utc=True) + OBSERVED <= now]

    predicted = moments["due"] - HORIZON
    sample = moments.index[(predicted <= now) & (predicted > now - pd.Timedelta(hours=3))]
    before = flights.features({**raw, "flights": table}, options).loc[sample, list(data.columns)]
    after = flights.features({**raw, "flights": past, "weather": weather}, options).loc[sample, list(data.columns)]

    assert len(sample) >= 20
    assert past["dep_delay"].isna().sum() - table["dep_delay"].isna().sum() > 500
    pd.testing.assert_frame_equal(before, after, check_exact=True)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_flight_asked_for_alone_has_the_features_that_it_has_among_all(moment, raw, options, moments_of):
    now = pd.Timestamp(moment, tz="UTC")
    history = flights.History(
        {**raw, "flights": raw["flights"][(moments_of["due"] - now).abs() < REACH]}, options.late_minutes
    )
    everywhere = flights.features({**raw, "flights": history.known.flights}, options)

    for index in moments_of.index[(moments_of["due"] - HORIZON <= now) & (moments_of["due"] - HORIZON > now - HORIZON / 4)]:
        asked = history.timetable(raw["flights"].loc[[index]])
        alone = flights.answer(history, asked, asked.scheduled_at - round(options.horizon_hours * 60))

        pd.testing.assert_frame_equal(pd.DataFrame(alone, index=[index]), everywhere.loc[[index]], check_exact=True)


@pytest.fixture(scope="module")
def whole(raw, options):
    """The features of every flight, from the tables of the whole year."""
    return flights.features(raw, options)


@pytest.mark.parametrize(
    "days", [14, pytest.param(1, marks=pytest.mark.long("each day of the test months from the days before it"))]
)
def test_the_last_days_alone_give_the_features_that_the_whole_year_gives(days, raw, options, moments_of, whole):
    due, observed = moments_of["due"], pd.to_datetime(raw["weather"]["time_hour"], utc=True)
    for day in pd.date_range("2013-10-01", "2013-12-31", freq=f"{days}D", tz="UTC"):
        start, end = day - pd.Timedelta(days=flights.HISTORY_DAYS) - HORIZON, day + pd.Timedelta(days=1)
        recent = {
            **raw,
            "flights": raw["flights"][(due >= start) & (due < end + HORIZON)],
            "weather": raw["weather"][(observed >= start) & (observed < end)],
        }
        asked = due.index[(due >= day) & (due < end)]

        pd.testing.assert_frame_equal(flights.features(recent, options).loc[asked], whole.loc[asked], check_exact=True)


@pytest.mark.parametrize("moment", MOMENTS[:1])
def test_features_change_when_an_earlier_fact_is_deleted(moment, raw, data, options, moments_of):
    now = pd.Timestamp(moment, tz="UTC")
    around = (moments_of["due"] > now - REACH) & (moments_of["due"] < now + pd.Timedelta(days=2))
    table, moments = raw["flights"][around], moments_of[around]
    lost = table.copy()
    lost.loc[moments["left"].between(now - pd.Timedelta(hours=1), now), ["dep_time", "dep_delay"]] = np.nan

    sample = moments.index[moments["due"] - HORIZON == now]
    before = flights.features({**raw, "flights": table}, options).loc[sample]
    after = flights.features({**raw, "flights": lost}, options).loc[sample]

    assert len(sample)
    assert (before["departure_delay_origin_1h"] != after["departure_delay_origin_1h"]).all()
    assert (before["waiting_origin"] < after["waiting_origin"]).all()


def test_every_feature_is_declared_with_when_it_is_available(raw, data, options):
    made = flights.features({**raw, "flights": raw["flights"].head(50)}, options)

    assert set(made) == set(data.columns)
    assert {column.available_from for column in data.columns.values()} == {
        "in the timetable",
        "in the fleet list for the aircraft as flown",
        "last whole hour of weather observations",
        "departures observed",
        "arrivals observed",
        "departures observed of the aircraft as flown",
        "arrivals observed of the aircraft as flown",
    }


# A small morning: hand-made flights, so that each number can be checked by eye.

WEATHER = pd.DataFrame(
    {
        "origin": ["EWR", "JFK"],
        "time_hour": pd.to_datetime(["2013-06-03T12:00:00Z", "2013-06-03T12:00:00Z"]),
        "humid": [60.0, 61.0],
        "pressure": [1010.0, 1011.0],
        "precip": [0.0, 0.1],
        "visib": [10.0, 3.0],
        "wind_speed": [10.0, 1048.0],
        "wind_dir": [90.0, 0.0],
    }
)
PLANES = pd.DataFrame({"tailnum": ["N1"], "seats": [150]})
AIRPORTS = pd.DataFrame({"faa": ["ORD"], "tzone": ["America/Chicago"]})


def morning(*rows):
    """Flights of 3 June 2013 from (due in minutes after 8:00 local, departure delay, arrival delay, further columns)."""
    listed = []
    for number, (due, departure, arrival, more) in enumerate(rows):
        local = 8 * 60 + due
        listed.append(
            {
                "year": 2013,
                "month": 6,
                "day": 3,
                "sched_dep_time": local // 60 * 100 + local % 60,
                "sched_arr_time": (local + 60) // 60 * 100 + local % 60,  # two hours later, in a zone an hour behind
                "dep_delay": departure,
                "arr_delay": arrival,
                "carrier": "UA",
                "flight": number,
                "tailnum": f"N{number + 100}",
                "origin": "EWR",
                "dest": "ORD",
                "distance": 700,
                "minute": local % 60,
                "time_hour": pd.Timestamp("2013-06-03T04:00:00Z") + pd.Timedelta(hours=local // 60),
                **more,
            }
        )
    return {"flights": pd.DataFrame(listed), "weather": WEATHER, "planes": PLANES, "airports": AIRPORTS}


def last(tables, horizon_hours=2.0, late_minutes=15):
    return flights.features(tables, flights.Options(horizon_hours, late_minutes)).iloc[-1]


NONE = np.nan


def test_delays_count_once_the_departure_has_happened():
    tables = morning((0, 10, 0, {}), (30, 40, 0, {}), (180, 0, 0, {}))  # predicted at 9:00; the second leaves at 9:10

    assert last(tables)["departure_delay_origin_1h"] == 10
    assert last(tables, horizon_hours=1.5)["departure_delay_origin_3h"] == 25


def test_a_flight_that_should_have_left_and_has_not_is_waiting_whether_or_not_it_is_cancelled_later():
    tables = morning((0, 10, 0, {}), (30, 40, 0, {}), (40, NONE, NONE, {}), (180, 0, 0, {}))

    assert last(tables)["waiting_origin"] == 2
    assert last(tables)["waiting_minutes_everywhere"] == 25
    assert last(tables, horizon_hours=0.0)["waiting_origin"] == 1


def test_a_flight_that_has_not_left_after_six_hours_waits_no_more():
    tables = morning((0, NONE, NONE, {}), (8 * 60, 0, 0, {}))

    assert last(tables, horizon_hours=2.5)["waiting_origin"] == 1
    assert last(tables)["waiting_origin"] == 0


def test_arrivals_count_once_the_aircraft_is_at_its_gate():
    tables = morning((0, 10, 30, {}), (300, 0, 0, {}))  # leaves at 8:10, lands at 10:30

    assert np.isnan(last(tables, horizon_hours=2.51)["arrived_late_everywhere_24h"])
    assert last(tables, horizon_hours=2.5)["arrived_late_everywhere_24h"] == 1
    assert last(tables, horizon_hours=2.5)["lost_minutes_destination_6h"] == 20
    assert last(tables, horizon_hours=2.5, late_minutes=31)["arrived_late_everywhere_24h"] == 0


def test_the_aircraft_is_followed_from_its_last_observed_departure():
    tables = morning((0, 20, 30, {"tailnum": "N1"}), (400, 0, 0, {"tailnum": "N1"}))
    found = last(tables)  # predicted at 12:40, landed there at 10:30, two hours to come back: ready at 12:30, due at 14:40

    assert found["aircraft_departure_delay"] == 20
    assert found["aircraft_arrival_delay"] == 30
    assert found["aircraft_minutes_since_departure"] == 260
    assert found["aircraft_spare_minutes"] == 130
    assert found["seats"] == 150


def test_an_aircraft_that_the_timetable_could_not_bring_back_was_swapped_in_later_and_is_not_followed():
    tables = morning((0, 0, 0, {"tailnum": "N1"}), (240, 0, 0, {"tailnum": "N1"}))  # 4 h for two flights of 2 h and a turn

    assert np.isnan(last(tables)["aircraft_departure_delay"])


def test_a_time_zone_that_does_not_exist_is_as_none():
    """A wrong time zone of one airport does not stop the features of all flights."""
    tables = morning((0, 5, 10, {}), (120, 0, 0, {}))
    named, missing = (last({**tables, "airports": AIRPORTS.assign(tzone=zone)}) for zone in ("\\N", None))

    pd.testing.assert_series_equal(named, missing)


def test_a_weather_observation_counts_once_its_hour_is_over_and_for_six_hours():
    assert np.isnan(last(morning((179, 0, 0, {})))["humidity"])  # predicted at 8:59, observed between 8:00 and 9:00
    assert last(morning((180, 0, 0, {})))["humidity"] == 60
    assert last(morning((540, 0, 0, {})))["humidity"] == 60
    assert np.isnan(last(morning((541, 0, 0, {})))["humidity"])


def test_wind_is_split_by_direction_and_a_misprint_of_it_is_missing():
    from_east = last(morning((180, 0, 0, {})))
    misprint = last(morning((180, 0, 0, {"origin": "JFK"})))

    assert from_east["wind_east"] == pytest.approx(10)
    assert from_east["wind_north"] == 0
    assert np.isnan(misprint["wind_speed"])


def test_cancelled_and_diverted_flights_are_counted_and_not_examples(data):
    tables = morning((0, NONE, NONE, {}), (30, 5, NONE, {}), (60, 0, 14, {}), (90, 0, 15, {}))
    found, left_out = flights.examples(tables, data, flights.Options(2.0, 15))

    assert left_out == {"cancelled": 1, "diverted": 1}
    assert found["late"].tolist() == [0, 1]
    assert found["scheduled_departure"].tolist() == [
        pd.Timestamp("2013-06-03 09:00"),
        pd.Timestamp("2013-06-03 09:30"),
    ]


def test_the_order_of_the_rows_does_not_matter(raw, data, options):
    some = raw["flights"].iloc[:3000]
    shuffled = some.sample(frac=1, random_state=1)
    in_order, other = (flights.features({**raw, "flights": table}, options).sort_index() for table in (some, shuffled))

    pd.testing.assert_frame_equal(in_order, other, check_exact=True)


def test_the_callers_tables_stay_as_they_are(data):
    tables = morning((0, 10, 0, {}), (180, 0, 0, {}))
    before = {name: table.copy() for name, table in tables.items()}
    flights.examples(tables, data, flights.Options(2.0, 15))

    for name, table in tables.items():
        pd.testing.assert_frame_equal(table, before[name])


def test_a_tighter_meaning_of_late_makes_no_fewer_flights_late(data, raw):
    some = {**raw, "flights": raw["flights"].iloc[:5000]}
    late = [flights.examples(some, data, flights.Options(2.0, minutes))[0]["late"].sum() for minutes in (15, 30)]

    assert late[0] > late[1] > 0
