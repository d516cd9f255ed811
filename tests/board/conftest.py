"""Some days of flights as a log of events, the model's description, and services that answer in this process."""

import asyncio
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from starlette.testclient import TestClient

from board.app import create_app
from board.errors import ContentRejected
from board.metrics import Metrics
from board.settings import Settings
from board.tracking.source import Source
from board.tracking.subject_tracker import SubjectTracker
from pipeline.config.parsing import parse_settings
from pipeline.data import schema_json
from pipeline.recipes import flights
from pipeline.recipes.flights import events, live
from pipeline.recipes.loader import event_tables
from service_kit.problems import FieldError
from source_tables import default_data, read_tables

FIRST, LAST = "2013-09-28", "2013-10-03"  # days of scheduled departures; 62 of the flights never arrived
SINCE = datetime(2013, 9, 30, tzinfo=UTC)  # the first moment of an official prediction
NOON = datetime(2013, 10, 1, 16, tzinfo=UTC)


@pytest.fixture(scope="session")
def since():
    return SINCE


@pytest.fixture(scope="session")
def data():
    return default_data()


@pytest.fixture(scope="session")
def options(data):
    return parse_settings(flights.Options, data.options, "data")


@pytest.fixture(scope="session")
def raw(data):
    """The raw tables, flights and weather of these days alone."""
    tables = read_tables(data)
    for name in ("flights", "weather"):
        hour = pd.to_datetime(tables[name]["time_hour"], utc=True)
        tables[name] = tables[name][(hour >= FIRST) & (hour < LAST)].reset_index(drop=True)
    return tables


@pytest.fixture(scope="session")
def log(raw, data):
    """All events by ``known_at``, each with its position."""
    return list(enumerate(events.events(raw, event_tables(data)), start=1))


@pytest.fixture(scope="session")
def corrected_log(log, since):
    """The log, in which every fifth departure of three hours, and some aircraft, are corrected half an hour later."""
    start, end = since + timedelta(hours=12), since + timedelta(hours=15)
    departures = [event for _, event in log if start < event.known_at < end and "dep_delay" in event.values][::5]
    late = [event._replace(values={"dep_delay": event.values["dep_delay"] + 45.0}) for event in departures]
    swaps = [event._replace(values={"tailnum": "N14228"}) for event in departures[::5]]
    corrections = [event._replace(known_at=event.known_at + timedelta(minutes=30)) for event in (*late, *swaps)]
    events = sorted([*(event for _, event in log), *corrections], key=lambda event: event.known_at)
    return list(enumerate(events, start=1))


@pytest.fixture(scope="session")
def offline(raw, options):
    """The features that the pipeline computes from the whole tables, and the moment of each flight in minutes."""
    features = schema_precision(flights.features(raw, options))
    return features.assign(moment=live.moments(raw["flights"].loc[features.index], options))


@pytest.fixture(scope="session")
def model(data, raw, options):
    """The content of GET /model, as far as the board looks at it."""
    examples, _ = flights.examples(raw, data, options)
    return {"name": "flights", "version": "1", "schema": schema_json.describe(data.dataset(event_tables(data)), examples)}


@pytest.fixture
def source(model):
    return Source(model)


class Answering:
    """What the clients of both services share: here every attempt is the last."""

    failure = None

    async def until_answered(self, ask):
        return await ask()


class Predictor(Answering):
    """A prediction service that keeps what it was asked; a record is refused where ``refuses`` says so."""

    def __init__(self):
        self.asked = []  # subjects, each with its record
        self.refuses = lambda record: False
        self.version = "1"
        self.explained, self.tried_out, self.gives_no_reasons = [], [], False

    async def model(self):
        return {"version": self.version}

    async def predict(self, records, subjects):
        if places := [place for place, record in enumerate(records) if self.refuses(record)]:
            raise ContentRejected(
                "422", 422, [FieldError(f"records[{place}].distance", "a number", "none") for place in places]
            )
        self.asked += zip(subjects, records, strict=True)
        return [
            {
                "prediction_id": subject["prediction_id"] or "0199c2f0-7a4e-7cc3-98c4-dc0c0c07398f",
                "probability": record["distance"] % 97 / 97, "label": False, "threshold": 0.5, "model_version": self.version,
                "warnings": [],
            }
            for record, subject in zip(records, subjects, strict=True)
        ]  # fmt: skip

    async def explain(self, records):
        if self.gives_no_reasons:
            raise ContentRejected("409: the model has no topics", 409)
        self.explained += records
        topics = [
            {"topic": "the aircraft", "contribution": 0.2, "columns": []},
            {"topic": "weather", "contribution": -0.05, "columns": []},
        ]
        reasons = {"typical_probability": 0.2, "topics": topics}
        return [{"prediction_id": None, "probability": 0.35, "reasons": reasons} for _ in records]

    async def ask_about(self, record, reasons, dry_run):
        assert dry_run
        self.tried_out.append(record)
        if not isinstance(record["distance"], float | int):
            error = FieldError("distance", "a number of miles", repr(record["distance"]))
            raise ContentRejected("POST /predict answers 422", 422, [error])
        warnings = [
            {"field": name, "kind": "unseen_category", "detail": "is new"} for name in ("carrier", "scheduled_departure")
        ]
        return {"probability": 0.62, "label": True, "threshold": 0.5, "warnings": warnings}


class DataService(Answering):
    """A data service that keeps outcomes, and refuses a second one that differs."""

    def __init__(self):
        self.outcomes = {}

    async def record_outcomes(self, outcomes):
        if differing := [name for name, outcome in outcomes.items() if self.outcomes.get(name, outcome) != outcome]:
            raise ContentRejected(f"409: {differing}", 409)
        self.outcomes |= outcomes


@pytest.fixture
def predictor():
    return Predictor()


@pytest.fixture
def data_service():
    return DataService()


@pytest.fixture
def tracker(source, data_service, predictor, log):
    """What the board knows before the first event."""
    return SubjectTracker(source, (data_service, predictor), Metrics(), SINCE, log[0][1].known_at)


@pytest.fixture
def serve():
    """A function that gives a client of a board with these settings, which follows nothing by itself."""
    return lambda **settings: TestClient(
        create_app(Settings(_env_file=None, access_log=False, **settings)), base_url="http://127.0.0.1"
    )


@pytest.fixture
def follow(serve, model, tracker, predictor):
    """A function that gives a client of a board which has read these events."""

    def following(log):
        asyncio.run(tracker.take(log))
        client = serve()
        service = client.app.state.service
        service.follower.model, service.follower.tracker, service.follower.caught_up = model, tracker, True
        service.follower.state = "follows the log"
        service.forecasts._predictor = service.questions._predictor = service.explanations._predictor = predictor
        return client

    return following


@pytest.fixture
def client(follow, log):
    """A client of a board that has read the log."""
    return follow(log)


@pytest.fixture(scope="session")
def log_until_noon(log):
    """The events until noon of 1 October in New York."""
    return [event for _, event in log if event.known_at <= NOON]


@pytest.fixture
def client_at_noon(follow, log, log_until_noon):
    """The same at noon of 1 October in New York."""
    return follow(log[: len(log_until_noon)])


def schema_precision(features):
    """Features in the precision of training and of requests."""
    numbers = features.select_dtypes("number").columns
    return features.astype(dict.fromkeys(numbers, "float32"))
