"""The page of a flight: its prediction with the reasons, what stands behind it, and how it moved."""

import asyncio
import html
import re
from urllib.parse import urlencode

import pytest

from board.errors import ServiceUnavailable
from board.pages.subject.prediction_chart import movement_chart, waterfall
from board.tracking.source import time_of

TAGS = re.compile(r"<[^>]*>")
KEY = ("year", "month", "day", "carrier", "flight", "origin")


def text_of(page):
    return " ".join(html.unescape(TAGS.sub(" ", page.text)).split())


@pytest.fixture
def stored():
    """Predictions that the data service has of any subject."""
    return []


@pytest.fixture
def client(client_at_noon, stored):
    """A client at noon of 1 October in New York, whose data service has stored predictions."""

    class DataService:
        failure = None

        async def predictions_of(self, subject):
            return stored

    client_at_noon.app.state.service.data_service = DataService()
    return client_at_noon


@pytest.fixture
def address(raw):
    """A function that gives the address of a flight of 1 October by a query of the table."""

    def of(query):
        row = raw["flights"].query(f"month == 10 and day == 1 and {query}").iloc[0]
        return "/flight?" + urlencode({name: row[name] for name in KEY})

    return of


def test_a_flight_shows_its_official_prediction_reasons_and_what_came_true(client, address, raw):
    page = client.get(address("carrier == 'UA' and hour == 7 and arr_delay < 0"))
    text = text_of(page)

    assert page.status_code == 200
    assert re.search(r"United Newark \(EWR\) to .*, Tue 1 Oct 2013, 07:\d\d New York time", text)
    assert "The official prediction, made as of Tue 1 Oct 2013, 05:" in text
    assert re.search(r"arrived .* early", text)
    assert "A typical flight 20 %" in text
    assert re.search(r"[Aa]ircraft .*the aircraft .*\+20", text)
    assert "This flight 35 %" in text


def test_a_flight_of_the_evening_has_a_prediction_that_moves_until_the_official_one(client, address):
    text = text_of(client.get(address("hour == 17")))

    assert re.search(r"As of Tue 1 Oct 2013, 12:00 ?; it moves until the official prediction", text)


def test_the_chain_holds_the_aircrafts_flights_before_and_none_after(client, raw, log):
    flights = raw["flights"].query("month == 10 and day == 1 and dep_delay == dep_delay").sort_values("time_hour")
    rows = flights[flights["tailnum"] == flights["tailnum"].value_counts().index[0]]
    last = rows.iloc[-1]
    page = client.get("/flight?" + urlencode({name: last[name] for name in KEY}))
    chain = page.text.partition('id="chain"')[2].partition("</section>")[0]
    named = re.findall(r'<a href="/flight[^"]*">([^<]*)</a>', chain)

    expected = [f"{row.carrier} {row.flight:.0f}" for row in rows.iloc[:-1].itertuples()]
    assert expected
    assert named[-len(expected) :] == expected


def test_the_queue_is_that_of_the_features(client, address, tracker):
    page = client.get(address("origin == 'EWR' and hour == 15"))
    found = re.search(r"At (\d\d:\d\d), the moment of the prediction, (\d+) flights? should have left", text_of(page))
    snapshot = tracker.tables.snapshot()
    moment = int(snapshot.watermark.timestamp()) // 60
    place = next(place for place, key in enumerate(snapshot.keys) if key[5] == "EWR" and snapshot.moments[place] > moment)
    record = tracker.source.records_at(snapshot.history, [place], [moment])[0]

    assert found[1] == "12:00"
    assert int(found[2]) == record["waiting_origin"]


def test_the_last_four_weeks_of_the_flight_number_are_counted(client, raw):
    group = ["carrier", "flight", "origin", "dest"]
    flights = raw["flights"]
    today = flights.query("month == 10 and day == 1 and hour >= 14").iloc[20]
    same = flights.merge(today[group].to_frame().T.astype(flights[group].dtypes), on=group)
    before = same[same["month"] == 9]
    text = text_of(client.get("/flight?" + urlencode({name: today[name] for name in KEY})))

    late, landed = int((before["arr_delay"] >= 15).sum()), int(before["arr_delay"].notna().sum())
    assert landed
    assert f"{late} of {landed} arrivals were late" in text


def test_how_the_prediction_moved_is_drawn_and_listed_with_the_official_one_in_its_place(client, address, stored):
    shared = {"model_version": "1", "threshold": 0.3, "label": False}
    stored += [
        {"as_of": "2013-10-01T08:15:00Z", "probability": 0.30, "official": False, **shared},
        {"as_of": "2013-10-01T08:00:00Z", "probability": 0.20, "official": False, **shared},
    ]
    page = client.get(address("carrier == 'UA' and hour == 7"))
    moved = page.text.partition('id="moved"')[2]

    assert "<polyline" in moved
    rows = re.findall(r'<td class="t">[^<]*, (\d\d:\d\d)</td><td class="n">(\d+)', moved)
    assert [row for row in rows if row[0] in {"04:00", "04:15"}] == [("04:00", "20"), ("04:15", "30")]
    assert moved.count("official</span>") == 1


def test_without_the_data_service_the_page_says_what_is_missing(client, address):
    async def away(_):
        raise ServiceUnavailable("ConnectError (DATA_API_URL)")

    client.app.state.service.data_service.predictions_of = away
    text = text_of(client.get(address("carrier == 'UA' and hour == 7")))

    assert "What was predicted before is not known at the moment: ConnectError (DATA_API_URL)." in text
    assert "The official prediction" in text


def test_services_that_hang_do_not_keep_the_page(client, address, predictor, monkeypatch):
    async def hang(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr("board.pages.frame.patience.PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(predictor, "explain", hang)
    monkeypatch.setattr(client.app.state.service.data_service, "predictions_of", hang)
    text = text_of(client.get(address("carrier == 'UA' and hour == 7")))

    assert "There are no reasons: there was no answer within" in text
    assert "What was predicted before is not known at the moment: there was no answer within" in text


def test_without_reasons_the_page_says_why(client, address, predictor):
    predictor.gives_no_reasons = True

    assert "There are no reasons: 409: the model has no topics." in text_of(client.get(address("hour == 7")))


def test_a_flight_before_predictions_began_has_none_and_the_page_says_so(client, raw):
    row = raw["flights"].query("month == 9 and day == 28 and carrier == 'UA'").iloc[0]
    page = client.get("/flight?" + urlencode({name: row[name] for name in KEY}))

    assert page.status_code == 200
    assert "No prediction" in page.text


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        (
            "year=2013&month=10&day=1&carrier=UA&flight=99999&origin=EWR",
            404,
            "The log has no flight with year 2013, month 10, day 1,",
        ),
        ("year=2013&month=10&day=1&carrier=UA", 422, "and should name one"),
        ("flight=%3Cb%3E", 422, "should be a number; it is &#39;&lt;b&gt;&#39;"),
        ("", 422, "A flight should be named by columns"),
    ],
)
def test_an_address_that_names_no_flight_is_refused_in_a_sentence(client, query, status, sentence):
    page = client.get(f"/flight?{query}")

    assert page.status_code == status
    assert sentence in page.text


def test_a_cancelled_flight_says_what_its_prediction_is_worth(client, raw):
    row = raw["flights"].query("month == 9 and day == 30 and dep_delay.isna()").iloc[0]
    page = text_of(client.get("/flight?" + urlencode({name: row[name] for name in KEY})))

    assert "it is taken for cancelled" in page


def test_before_anything_happened_the_page_says_so(serve):
    assert "Nothing has happened yet" in serve().get("/flight?flight=1").text


def test_steps_lead_from_the_typical_case_to_this_one():
    class Presentation:
        phrase = staticmethod(lambda topic, contribution, record: topic)

    topics = [{"topic": name, "contribution": points, "columns": []} for name, points in (("a", 0.3), ("b", -0.1))]
    steps = waterfall({"typical_probability": 0.2, "topics": topics, "record": {}}, Presentation)

    assert (steps.typical, round(steps.probability, 9)) == (20, 40)
    assert [(step.topic, round(step.start, 9), round(step.length, 9)) for step in steps.steps] == [
        ("a", 20, 30),
        ("b", 40, 10),
    ]


def test_the_axis_reaches_as_far_as_the_steps_do_on_their_way():
    class Presentation:
        phrase = staticmethod(lambda topic, contribution, record: topic)

    topics = [{"topic": name, "contribution": points, "columns": []} for name, points in (("a", 0.93), ("b", -0.2))]
    steps = waterfall({"typical_probability": 0.2, "topics": topics, "record": {}}, Presentation)

    assert (steps.low, steps.high) == (0, 120)


def test_the_chart_of_the_movement_runs_over_its_width():
    rows = [
        {"as_of": time_of(minute), "probability": share, "is_official": False}
        for minute, share in ((0, 0.0), (15, 0.5), (60, 1.0))
    ]
    chart = movement_chart(rows)

    assert [(point.x, point.y) for point in chart.points] == [
        (0, chart.height),
        (chart.width / 4, chart.height / 2),
        (chart.width, 0),
    ]
