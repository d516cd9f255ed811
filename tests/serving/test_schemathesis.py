"""What the OpenAPI document promises is what the service does, also for requests that nobody would think of."""

import hashlib

import pytest
import schemathesis
from hypothesis import strategies
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events
from schemathesis.python import asgi

from prediction_api.app import create_app
from serving.conftest import with_topics

KEY = "key"
ROUTES = [
    "POST /predict",
    "POST /predict/batch",
    "POST /reload",
    "GET /model",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /v2",
    "GET /v2/health/live",
    "GET /v2/health/ready",
    "GET /v2/models/{name}",
    "GET /v2/models/{name}/ready",
    "POST /v2/models/{name}/infer",
]
# Every check of schemathesis is on: statuses, media types, headers, bodies, methods, keys, and that what the document allows
# is accepted and what it forbids refused.
CONFIG = {
    "seed": 1,
    "headers": {"X-API-Key": KEY},
    # A document cannot say that there are as many subjects as records, nor that an id holds the moment of its subject.
    "operations": [
        {
            "include-name": "POST /predict/batch",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 422]}},
        },
        {  # nor that tensors have the columns of the model, and lengths that fit
            "include-name": "POST /v2/models/{name}/infer",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 400, 401, 404, 422]}},
        },
    ],
    "generation": {"mode": "all", "deterministic": True, "no-shrink": True},
}
# The registry of OpenAPI has this format; schemathesis does not know it and would send any text.
schemathesis.openapi.format("date-time-local", strategies.datetimes().map(lambda found: found.isoformat()))


@pytest.fixture
def run(make_settings, make_model):
    """A function that tries the service with many requests and gives how many each route got, and what was wrong."""

    def start(examples, **settings):
        model = make_model(columns=with_topics())
        settings = {"model_uri": str(model), "max_records": 5, "max_body_bytes": 100_000, **settings}
        config = CONFIG | {"generation": CONFIG["generation"] | {"max-examples": examples}}
        schema = schemathesis.openapi.from_asgi(
            "/openapi.json", create_app(make_settings(**settings)), config=SchemathesisConfig.from_dict(config)
        )
        asked, wrong = {}, []
        for event in engine.from_schema(schema).execute():
            if isinstance(event, events.NonFatalError | events.FatalError):
                wrong.append(str(getattr(event, "value", None) or event.exception))
            elif isinstance(event, events.ScenarioFinished):
                recorder = event.recorder
                asked[recorder.label] = asked.get(recorder.label, 0) + len(recorder.interactions)
                wrong += [
                    f"{recorder.label}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
                    for checks in recorder.checks.values()
                    for check in checks
                    if check.failure_info
                ]
        return asked, wrong

    yield start
    asgi.shutdown_lifespans()


OPEN, WITH_KEYS = "", f"web:{hashlib.sha256(KEY.encode()).hexdigest()}"
LONG = pytest.mark.long("200 requests that nobody would think of to each route")


@pytest.mark.parametrize(
    ("keys", "examples"),
    [(OPEN, 25), (WITH_KEYS, 25), pytest.param(OPEN, 200, marks=LONG), pytest.param(WITH_KEYS, 200, marks=LONG)],
    ids=["open", "with keys", "open, for longer", "with keys, for longer"],
)
def test_no_request_gets_an_answer_that_the_document_does_not_tell(run, keys, examples):
    asked, wrong = run(examples, api_keys=keys, admin_keys=f"boss:{hashlib.sha256(KEY.encode()).hexdigest()}")

    assert not wrong, "\n\n".join(wrong)
    assert set(ROUTES) <= set(asked)
    assert min(asked["POST /predict"], asked["POST /predict/batch"]) > 50
