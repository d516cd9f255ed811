"""The departures page: what it lists, filters and says, and what it does where a service is away."""

import asyncio
import html
import re
import time
from datetime import timedelta
from gzip import compress

import pytest

from board.clock import duration
from board.errors import ServiceUnavailable
from board.flights import phrase
from board.flights.departures import outcome_of
from pipeline.features.point_in_time import NEVER
from service_processes import until

ROW = re.compile(r'<tr class="([\w-]+)">(.*?)</tr>', re.DOTALL)
TAGS = re.compile(r"<[^>]*>")


def rows(page):
    """The rows of the page: the kind of each, and the text of its cells."""
    found = []
    for kind, content in ROW.findall(page.text):
        if kind != "day":
            cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", content, re.DOTALL)
            found.append((kind, [html.unescape(TAGS.sub("", cell)).strip() for cell in cells]))
    return found


def column(page, place):
    return [cells[place] for _, cells in rows(page)]


@pytest.fixture
def page(client_at_noon):
    """A function that gives the page of a query at noon of 1 October in New York."""

    def get(query="", **headers):
        answer = client_at_noon.get(f"/{query}", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer

    return get


def test_the_next_hours_come_by_time_with_probability_state_and_what_is_overdue(page):
    listed = rows(page())
    times = [cells[0] for kind, cells in listed if kind != "warn"]

    assert times == sorted(times)
    assert times[0] >= "12:00"
    overdue = [cells for kind, cells in listed if kind == "warn"]
    assert overdue
    assert all(re.search(r"^waiting, .*min overdue$|^waiting, \d h overdue$", cells[7]) for cells in overdue)
    assert all(re.fullmatch(r"[<>]?\d+\s%", cells[4]) for _, cells in listed)
    assert 'Now <strong class="t">12:00</strong>' in page().text
    assert "Tue 1 Oct 2013, New York time" in page().text


def test_what_has_been_overdue_for_long_is_counted_and_stands_among_the_last_hours(page):
    count = int(re.search(r'id="long-overdue"[^>]*>(\d+) more', page().text)[1])
    last = [cells for part in ("", "&page=2") for kind, cells in rows(page("?show=last" + part)) if kind == "warn"]

    assert count == sum(cells[0] < "09:00" for cells in last)
    assert "long-overdue" not in page("?show=last").text


def test_a_probability_is_a_number_and_a_bar_beside_the_base_rate(page, model):
    text = page().text

    assert text.count('<svg class="bar"') == len(rows(page()))
    assert f"the usual share, {100 * model['schema']['target']['rate']:.0f}" in text


def test_the_last_hours_say_what_came_true(page, raw):
    listed = rows(page("?show=last"))
    by_name = {cells[1]: cells for _, cells in listed}
    flights = raw["flights"].query("month == 10 and day == 1 and hour == 6 and arr_delay > 15")

    assert {kind for kind, _ in listed} >= {"over", "under-way"}
    for row in flights.to_dict("records")[:5]:
        shown = by_name.get(f"{row['carrier']} {row['flight']:.0f}")
        assert (
            shown is None
            or not shown[7].startswith("landed")
            or shown[7] == f"landed {duration(int(row['arr_delay']))} late"
        )
    states = [cells[7] for _, cells in listed]
    assert any(re.fullmatch("landed .* late", state) for state in states)
    assert any(re.fullmatch("landed .* early", state) for state in states)
    assert all(state.startswith("landed") for state in states if re.search("early|late|on time", state))


def test_a_flight_that_did_not_leave_in_six_hours_counts_as_cancelled(page):
    listed = rows(page("?from=2013-10-01T08:00Z"))

    assert {cells[7] for kind, cells in listed if kind == "bad"} <= {"cancelled"}


def test_filters_stand_in_the_address_and_in_the_form_and_all_hold(page):
    found = page("?origin=EWR&carrier=UA&q=chi")

    assert set(column(found, 2)) == {"EWR"}
    assert all(name.startswith("UA ") for name in column(found, 1))
    assert set(column(found, 3)) == {"ORD Chicago O'Hare"}
    assert '<option value="EWR" selected>EWR Newark</option>' in found.text
    assert 'value="chi"' in found.text
    assert "show=last&amp;q=chi&amp;origin=EWR&amp;carrier=UA" in found.text


@pytest.mark.parametrize("text", ["UA 1", "ua1"])
def test_a_search_finds_a_flight_by_its_number_with_and_without_a_space(page, text):
    found = column(page(f"?q={text.replace(' ', '+')}"), 1)

    assert found
    assert all(name.startswith("UA 1") for name in found)


def test_what_fits_nothing_says_so_and_leads_back(page):
    found = page("?q=%3Cscript%3Ealert(1)%3C/script%3E")

    assert "No flight of these hours is as you ask." in found.text
    assert "<script>alert" not in found.text
    assert "&lt;script&gt;" in found.text


def test_hours_without_flights_say_what_to_do(page):
    assert "make demo SPEED=60" in page("?from=2014-05-01T00:00Z").text


@pytest.mark.parametrize(("sort", "place"), [("probability", 4), ("name", 1), ("to", 3)])
def test_sorting_is_by_one_column_and_marked(page, sort, place):
    found = page(f"?sort={sort}&origin=LGA")
    values = column(found, place)

    if sort == "probability":
        values = [-int(value.strip("<>%\xa0 ")) for value in values]
    if sort == "name":
        values = [(name.split()[0], int(name.split()[1])) for name in values]
    assert values == sorted(values)
    assert found.text.count("aria-sort=") == 1


def test_links_to_earlier_and_later_hours_meet_without_a_gap(page):
    text = page().text
    earlier, later = (re.search(rf'id="{name}" href="/\?from=([^"&]+)', text)[1] for name in ("earlier", "later"))

    assert (earlier, later) == ("2013-10-01T10%3A00Z", "2013-10-01T22%3A00Z")


def test_more_than_fit_come_in_parts(page):
    first, second = page("?show=last"), page("?show=last&page=2")

    assert len(rows(first)) == 200
    assert 0 < len(rows(second)) <= 200
    assert "Part 1 of 2" in first.text
    assert len(rows(page("?show=last&page=99"))) == len(rows(second))


def test_a_query_that_cannot_be_is_refused_in_a_sentence(client_at_noon):
    answer = client_at_noon.get("/?sort=moon&page=0&from=yesterday&show=all")

    assert answer.status_code == 422
    for field in ("sort", "page", "from", "show"):
        assert f"<code>{field}</code>" in answer.text


def test_reasons_are_asked_for_what_is_shown_alone_and_once(page, predictor):
    until(lambda: all(column(page("?origin=JFK&carrier=DL"), 6)), 10)
    found = page("?origin=JFK&carrier=DL")
    count = len(rows(found))

    assert count
    assert any("aircraft" in reason for reason in column(found, 6))
    assert len(predictor.explained) == count


def test_the_reason_beside_a_raised_probability_is_what_raised_it_most(page, predictor, monkeypatch):
    async def explain(records):
        contributions = [("weather", -0.2), ("the aircraft", 0.15), ("carrier", 0.1)]
        topics = [{"topic": topic, "contribution": points, "columns": []} for topic, points in contributions]
        reasons = {"typical_probability": 0.2, "topics": topics}
        return [{"prediction_id": None, "probability": 0.25, "reasons": reasons} for _ in records]

    monkeypatch.setattr(predictor, "explain", explain)
    query = "?origin=JFK&carrier=DL"
    until(lambda: all(column(page(query), 6)), 10)

    assert all("aircraft" in reason for reason in column(page(query), 6))


def test_a_model_without_topics_gives_no_reasons_and_the_page_says_so(page, predictor):
    predictor.gives_no_reasons = True

    until(lambda: "This model gives no reasons." in page("?origin=JFK").text, 10)


def test_without_the_prediction_service_the_page_shows_what_it_knows(client_at_noon, predictor, monkeypatch):
    async def away(*_):
        raise ServiceUnavailable("connection refused")

    before = rows(client_at_noon.get("/?sort=name"))
    monkeypatch.setattr(predictor, "predict", away)
    monkeypatch.setattr(predictor, "explain", away)
    client_at_noon.app.state.service.predictor.failure = "ConnectError"
    client_at_noon.app.state.service.data_service.failure = "ConnectError"
    after = client_at_noon.get("/?sort=name")

    assert [cells[:5] for _, cells in rows(after)] == [cells[:5] for _, cells in before]
    assert "The prediction service does not answer." in after.text
    assert "The data service does not answer." in after.text


def test_a_prediction_service_that_hangs_does_not_keep_the_page(client_at_noon, predictor, monkeypatch):
    async def hang(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(predictor, "predict", hang)
    start = time.monotonic()
    found = client_at_noon.get("/")

    assert time.monotonic() - start < 30
    assert found.status_code == 200
    assert "\N{EN DASH}" in column(found, 4)


def test_before_predictions_begin_the_page_says_when(client_at_noon, since):
    before = client_at_noon.get(f"/?from={(since - timedelta(days=1)):%Y-%m-%dT%H:%MZ}")

    assert "predictions begin on Sun 29 Sep 2013" in before.text


def test_a_refresh_keeps_the_address_of_what_is_shown(page):
    found = page("?origin=EWR&carrier=&q=&show=next&from=", **{"hx-request": "true"})

    assert found.headers["hx-replace-url"] == "/?origin=EWR"
    assert "hx-replace-url" not in page().headers


def test_a_page_of_as_many_as_fit_is_small(page):
    text = page("?show=last").text

    assert len(text) < 200_000
    assert len(compress(text.encode())) < 30_000


@pytest.mark.parametrize(
    ("topic", "contribution", "record", "expected"),
    [
        ("the aircraft", 0.3, {"aircraft_departure_delay": 47.0}, "aircraft still 47 min late on its way in"),
        (
            "the aircraft", 0.3, {"aircraft_departure_delay": 47.0, "aircraft_arrival_delay": 31.0},
            "aircraft was 31 min late on its flight before",
        ),
        ("the aircraft", 0.3, {}, "no earlier flight of the aircraft is known"),
        ("the aircraft", -0.1, {"aircraft_departure_delay": -3.0}, "aircraft was on time on its flight before"),
        ("weather", 0.1, {"origin": "JFK", "precipitation": 0.2}, "rain or snow at JFK"),
        ("weather", 0.1, {"origin": "JFK", "wind_speed": 23.0}, "wind of 23 mph at JFK"),
        ("weather", -0.1, {"origin": "JFK", "wind_speed": 5.0, "visibility": 10.0}, "fair weather at JFK"),
        ("weather", -0.1, {"origin": "JFK", "wind_speed": 23.0}, "the weather at JFK"),
        ("queue at the airport", -0.1, {"origin": "EWR", "waiting_origin": 4.0}, "hardly a delay at EWR"),
        ("queue at the airport", -0.1, {"origin": "EWR", "waiting_origin": 30.0},
         "queue at the airport speaks against a delay"),
        ("carrier", 0.1, {"carrier": "UA", "arrived_late_carrier_28d": 0.1}, "carrier speaks for a delay"),
        ("carrier", -0.1, {"carrier": "UA", "arrived_late_carrier_28d": 0.1},
         "United was late on only 10 % of its flights in four weeks"),
        ("this flight number", 0.1, {"arrived_late_flight_28d": 0.1}, "this flight number speaks for a delay"),
        ("queue at the airport", 0.1, {"origin": "LGA", "waiting_origin": 12.0}, "12 flights overdue at LGA"),
        ("carrier", -0.1, {"carrier": "UA", "departure_delay_carrier_3h": 2.0}, "United left on time in the last 3 hours"),
        ("this flight number", -0.1, {"arrived_late_flight_28d": 0.1}, "this flight is seldom late (10 % in four weeks)"),
        ("this flight number", -0.1, {"arrived_late_flight_28d": 0.2}, "this flight is not often late (20 % in four weeks)"),
        ("timetable", 0.1, {"scheduled_departure": "2013-10-01T19:30:00"}, "it leaves at 19:30, when delays have added up"),
        ("the moon", 0.1, {}, "the moon speaks for a delay"),
        ("the moon", -0.1, {}, "the moon speaks against a delay"),
    ],
)  # fmt: skip
def test_a_reason_is_a_phrase(topic, contribution, record, expected):
    assert phrase(topic, contribution, record) == expected


def test_a_flight_is_late_from_the_minutes_on_that_the_model_predicts():
    assert [outcome_of(minutes, 15) for minutes in (-3.0, 0.0, 14.0, 15.0)] == [
        ("3 min early", "good"),
        ("on time", "good"),
        ("14 min late", "good"),
        ("15 min late", "bad"),
    ]


def test_minutes_are_written_as_people_say_them():
    assert [duration(minutes) for minutes in (0, 45, 60, 299)] == ["0 min", "45 min", "1 h", "4 h 59 min"]


def test_a_flight_that_an_event_moves_comes_at_its_new_time_and_one_that_is_forgotten_not_at_all(tracker, log):
    tracker.load(log)
    tables = tracker.tables
    keys, rows, due_at = tables.subjects_due(0, NEVER)
    assert due_at.tolist() == sorted(tracker.source.live.due_at(rows).tolist())
    assert len(keys) == len(tables.snapshot().keys)

    event = next(event for _, event in log if "minute" in event.values)
    key = tracker.source.key(event.key)
    before = due_at[keys.index(key)]
    later = event._replace(values={"minute": (event.values["minute"] + 7) % 60}, known_at=log[-1][1].known_at)
    tracker.load([(log[-1][0] + 1, later)])
    keys, _, due_at = tables.subjects_due(0, NEVER)
    assert due_at[keys.index(key)] != before

    tables.forget(log[-1][1].known_at + timedelta(days=100), ())
    assert tables.subjects_due(0, NEVER)[0] == []
