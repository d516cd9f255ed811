"""The pages of what came true, of the model and of the form: what they say of flights, and of a model without a log."""

import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from pydantic_core import to_json

from board.clients.data_service import Drift
from board.errors import ContentRejected, ServiceUnavailable
from service_kit.problems import FieldError

MODEL = {
    "card": {
        "purpose": "It predicts *delays*.", "uses": ["Ranking."], "not_for": ["Safety <first>."], "limits": ["One year."],
        "source": "From [a package](https://example.org/a).", "licence": "CC0", "contact": "",
    },
    "question": {"horizon_hours": 2}, "threshold": 0.28, "sha256": {"model.onnx": "a" * 64},
    "metrics": {"validation": {"roc_auc": 0.78, "precision": 0.51, "recall": 0.62, "calibration_error": 0.007}},
    "lineage": {
        "uri": "data/model", "git_commit": "c0ffee", "data": {"train.parquet": "b" * 64},
        "parameters": {"model": {"name": "hgb"}}, "loaded": "2026-11-28T10:00:00+00:00",
    },
}  # fmt: skip
SUBJECT = {"year": 2013, "month": 10, "day": 1, "carrier": "UA", "flight": 252, "origin": "EWR"}


def group(outcomes=100, version="1"):
    return {
        "group": version, "model_name": "flights", "question": "late", "predictions": outcomes + 3, "outcomes": outcomes,
        "label_rate": 0.2, "outcome_rate": 0.3, "recall": 0.5, "roc_auc": 0.75, "brier_score": 0.15,
        "brier_standard_error": 0.01, "calibration": [{"rows": outcomes, "predicted": 0.25, "observed": 0.3}],
    }  # fmt: skip


class DataService:
    """A data service with the scores of each day, and one prediction that surprised."""

    failure = None

    def __init__(self):
        self.period = datetime(2013, 10, 1, 9, tzinfo=UTC), datetime(2013, 10, 3, 3, tzinfo=UTC)
        self.groups, self.asked = {}, []

    async def first_and_last_moment(self, official):
        self.asked.append(official)
        return self.period

    async def scores(self, since, until):
        day = since.date().isoformat()
        self.asked.append((since, until))
        return self.groups.get(day, [group()])

    async def predictions(self, since, until):
        return to_json({
            "prediction_id": "0141876a-6980-7308-a5e2-e6c8cd8adc6a", "probability": 0.04, "outcome": True, "official": True,
            "model_version": "1", "features": {"origin": "EWR", "distance": 97.0}, "subject": to_json(SUBJECT).decode(),
            "as_of": "2013-10-01T12:00:00Z", "time": "2026-11-28T10:00:00Z",
        })  # fmt: skip

    async def drift(self):
        return Drift(0.04, {"humidity": 1.01, "origin": 0.01})


class Predictor:
    """A prediction service that answers 0.75 with a reason, unless it is told otherwise."""

    failure = None

    def __init__(self):
        self.asked, self.refusals = [], []

    async def explain(self, records):
        return [{"reasons": {"topics": [{"topic": "weather", "contribution": 0.12, "columns": []}]}} for _ in records]

    async def ask_about(self, record, reasons, dry_run):
        self.asked.append((record, reasons, dry_run))
        if self.refusals:
            raise self.refusals.pop(0)
        column = {"name": "distance", "description": "Distance", "value": 97.0, "typical": 800.0, "unit": "miles"}
        topics = [{"topic": "weather", "contribution": 0.57, "columns": [column]}]
        return {
            "probability": 0.75, "label": True, "threshold": 0.28, "warnings": [],
            "prediction_id": None if dry_run else "0199c2f0-7a4e-7cc3-98c4-dc0c0c07398f",
            **({"reasons": {"typical_probability": 0.18, "topics": topics}} if reasons else {}),
        }  # fmt: skip


@pytest.fixture
def services():
    return DataService(), Predictor()


@pytest.fixture
def pages(client, model, services):
    """A client of a board that follows the flights, with these services in place of the real ones."""
    connect(client, {**model, **MODEL}, services)
    return client


@pytest.fixture
def without_log(serve, model, services):
    """A client of a board whose model takes its columns from callers."""
    client = serve()
    schema = {**model["schema"], "source": None, "columns": model["schema"]["columns"][:6]}
    connect(client, {**model, **MODEL, "schema": schema}, services)
    return client


def connect(client, model, services):
    service, (data_service, predictor) = client.app.state.service, services
    service.follower.model = model
    service.data_service = service.live_scores._data_service = service.surprises._data_service = data_service
    service.predictor = service.surprises._predictor = predictor


def text_of(answer, status=200):
    """The words of a page, without markup."""
    assert answer.status_code == status, answer.text
    main = answer.text[answer.text.index("<main") : answer.text.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", main).replace("\N{NO-BREAK SPACE}", " ").split())


def send(client, **changes):
    """The form as a browser sends it, with other values in some fields."""
    page = client.get("/form").text
    fields = dict(re.findall(r'<input[^>]* name="(\w+)" value="([^"]*)"', page))
    for name, options in re.findall(r'<select[^>]* name="(\w+)".*?>(.*?)</select>', page, re.DOTALL):
        fields[name] = re.findall(r"<option selected>([^<]*)", options)[0]
    return client.post("/form", data={**fields, **changes})


def test_the_newest_day_with_outcomes_is_shown_on_the_airports_clock(pages, services):
    services[0].groups["2013-10-02"] = [group(outcomes=0)]
    text = text_of(pages.get("/quality"))

    assert "A day runs from midnight to midnight in New York time" in text
    assert "Tue 1 Oct 2013 103 flights were predicted; what came true is known of 100" in text
    assert services[0].asked[:2] == [True, (datetime(2013, 10, 1, 4, tzinfo=UTC), datetime(2013, 10, 2, 4, tzinfo=UTC))]


def test_hits_and_misses_are_words(pages):
    text = text_of(pages.get("/quality?day=2013-10-01"))

    assert "We said yes to 20 (a probability of at least 28 %): for 15 it came true, for 5 it did not." in text
    assert "We said no to 80: rightly for 65; for 15 it came true all the same." in text
    assert "it should have come true for about 25 of them. It did for 30." in text


def test_the_worst_surprises_have_their_name_their_page_and_their_reasons(pages):
    answer = pages.get("/quality?day=2013-10-01")

    assert re.search(r'href="/flight\?year=2013&amp;month=10[^"]*">UA 252</a>', answer.text)
    assert re.search(r"UA 252 08:00 4 % came true .+ \(\+12\)", text_of(answer))


def test_a_day_leads_to_its_neighbours_as_far_as_there_are_any(pages):
    assert 'rel="prev"' not in pages.get("/quality?day=2013-10-01").text
    assert 'href="/quality?day=2013-10-02"' in pages.get("/quality?day=2013-10-01").text
    assert 'rel="next"' not in pages.get("/quality?day=2013-10-02").text


@pytest.mark.parametrize("day", ["2013-09-01", "2013-12-24"])
def test_a_day_without_predictions_says_where_there_are_some(pages, services, day):
    services[0].groups[day] = []

    assert "There are predictions from Tue 1 Oct 2013 to Wed 2 Oct 2013." in text_of(pages.get(f"/quality?day={day}"))


def test_a_day_that_is_none_is_refused_in_a_sentence(pages):
    assert "day" in text_of(pages.get("/quality?day=yesterday"), 422)


def test_each_version_has_its_row_and_its_marks(pages, services):
    services[0].groups["2013-10-02"] = [group(), group(version="2")]
    answer = pages.get("/quality?day=2013-10-02")

    assert "1 answers now" in text_of(answer)
    assert answer.text.count('class="mark s1"') == 2 + 2  # and the expected shares of two days
    assert "(a probability of at least" not in text_of(answer)  # which two versions need not share


def test_before_the_first_prediction_the_page_says_what_to_do(pages, services):
    services[0].period = None

    assert "make demo SPEED=60" in text_of(pages.get("/quality"))


def test_without_the_data_service_the_page_is_a_sentence(pages, services, monkeypatch):
    async def away(official):
        raise ServiceUnavailable("ConnectError")

    monkeypatch.setattr(services[0], "first_and_last_moment", away)

    assert "cannot be read: ConnectError. Try again in a moment." in text_of(pages.get("/quality"), 503)


def test_predictions_that_cannot_be_read_leave_the_scores(pages, services, monkeypatch):
    async def away(since, until):
        raise ServiceUnavailable("ReadTimeout")

    before = text_of(pages.get("/quality?day=2013-10-02"))
    monkeypatch.setattr(services[0], "predictions", away)
    monkeypatch.setattr("board.scoring.surprises.time", SimpleNamespace(monotonic=lambda: time.monotonic() + 60))
    assert text_of(pages.get("/quality?day=2013-10-02")) == before
    text = text_of(pages.get("/quality?day=2013-10-01"))

    assert "The predictions and their outcomes cannot be read: ReadTimeout. Try again in a moment." in text
    assert "We said yes to 20" in text


def test_a_day_of_very_many_predictions_is_not_looked_through(pages, services):
    services[0].groups["2013-10-01"] = [group(outcomes=30_000)]

    assert "This day has 30,003 predictions, too many" in text_of(pages.get("/quality?day=2013-10-01"))


def test_without_a_log_all_predictions_count_and_are_cases(without_log, services):
    text = text_of(without_log.get("/quality?day=2013-10-01"))

    assert "Every prediction counts whose outcome somebody has recorded. A day runs from midnight to midnight in UTC" in text
    assert "103 cases were predicted" in text
    assert services[0].asked[0] is False


def test_a_quarter_is_shown_at_most(pages, services):
    services[0].period = datetime(2013, 1, 1, 12, tzinfo=UTC), datetime(2013, 12, 31, 12, tzinfo=UTC)

    assert "All 92 days from Tue 1 Oct 2013 to Tue 31 Dec 2013" in text_of(pages.get("/quality"))
    assert "All 92 days from Thu 1 Nov 2012" not in text_of(pages.get("/quality?day=2013-01-31"))
    assert "All 31 days from Tue 1 Jan 2013 to Thu 31 Jan 2013" in text_of(pages.get("/quality?day=2013-01-31"))


def test_the_model_is_what_its_card_says(pages):
    answer = pages.get("/about")
    text = text_of(answer)

    assert "It predicts delays ." in text
    assert "Safety &lt;first&gt;." in answer.text
    assert '<a href="https://example.org/a" rel="noreferrer">a package</a>' in answer.text
    assert "78 times in 100" in text
    assert "it says yes to, it comes true for 51 . Of 100 for which it comes true, it says yes to 62 ." in text


def test_what_a_local_directory_does_not_know_is_said(pages):
    text = text_of(pages.get("/about"))

    assert "not known: the model comes from data/model, and only a registry records promotions." in text
    assert "probabilities 0.04, largest column humidity (1.01)" in text
    assert "last audit: there was none yet" in text


def test_a_promotion_says_when_and_why(pages, model):
    promotion = {"time": "2026-11-03T15:30:00+00:00", "kind": "promoted", "why": "brier is better by 0.002"}
    lineage = {**MODEL["lineage"], "registered": "ontime/7", "promotion": promotion}
    pages.app.state.service.follower.model = {**model, **MODEL, "lineage": lineage}
    text = text_of(pages.get("/about"))

    assert "in the registry as ontime/7" in text
    assert "Tue 3 Nov 2026, 10:30 (promoted): brier is better by 0.002" in text


def test_a_model_without_a_card_says_where_to_write_one(pages, model):
    pages.app.state.service.follower.model = {**model, **MODEL, "card": None}

    assert "write conf/card/flights.yaml and train it anew" in text_of(pages.get("/about"))


def test_without_a_log_the_first_page_is_the_form(without_log):
    answer = without_log.get("/", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/form")
    assert '<a href="/form" aria-current="page">Ask</a>' in without_log.get("/form").text


def test_the_example_of_the_form_is_a_record_that_is_answered(without_log, services):
    text = text_of(send(without_log))

    ((record, reasons, dry_run),) = services[1].asked
    assert record == {
        column["name"]: pytest.approx(column["example"], rel=1e-5) if column["kind"] == "number" else column["example"]
        for column in without_log.app.state.service.follower.model["schema"]["columns"]
    }
    assert (reasons, dry_run) == (True, True)
    assert "Answer: 75 %" in text
    assert "A typical case has 18 %." in text
    assert "Distance 97 miles (typical: 800)" in text


def test_an_empty_field_is_null_and_what_is_no_number_goes_as_it_is(without_log, services):
    send(without_log, distance="far", origin=" ")

    ((record, *_),) = services[1].asked
    assert (record["distance"], record["origin"]) == ("far", None)


def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(without_log, services):
    services[1].refusals = [ContentRejected("422", 422, [FieldError("distance", "a number of miles", "'far'")])]
    answer = send(without_log, distance="far")

    assert "It should be a number of miles; it is &#39;far&#39;." in answer.text
    assert re.search(r'name="distance" value="far" aria-describedby="h-distance" aria-invalid="true"', answer.text)
    assert text_of(answer, 422)


def test_a_refusal_leads_to_each_field(without_log, services):
    services[1].refusals = [
        ContentRejected("422", 422, [FieldError("distance", "a number", "null"), FieldError("x", "y", "z")])
    ]
    page = send(without_log).text

    assert '<a href="#f-distance">' in page
    assert "<code>x</code> should be y; it is z." in page


def test_a_model_without_reasons_answers_without_them(without_log, services):
    services[1].refusals = [ContentRejected("409: it has no topics", 409)]
    text = text_of(send(without_log))

    assert "Answer: 75 %" in text
    assert "Why" not in text


def test_a_prediction_is_kept_where_that_is_wished_and_no_log_makes_it(without_log, pages, services):
    assert "Kept as 0199c2f0-7a4e-7cc3-98c4-dc0c0c07398f ." in text_of(send(without_log, keep="on"))
    assert services[1].asked[-1][2] is False
    assert 'name="keep"' not in pages.get("/form").text
    send(pages, keep="on")
    assert services[1].asked[-1][2] is True


def test_while_the_prediction_service_is_away_nothing_typed_is_lost(without_log, services):
    services[1].refusals = [ServiceUnavailable("ConnectError")]
    answer = send(without_log, distance="123")

    assert "What you typed is still here" in text_of(answer, 503)
    assert 'name="distance" value="123"' in answer.text


def test_the_columns_of_flights_are_grouped_by_topic(pages):
    page = pages.get("/form").text

    assert re.findall(r"<details( open)?><summary>([^<]+) <", page)[:2] == [
        (" open", "Timetable"),
        ("", "Route and destination"),
    ]
    assert '<datalist id="l-origin"><option value="EWR">' in page
