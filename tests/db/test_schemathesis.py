"""What the OpenAPI document promises is what the service does, also for requests that nobody would think of."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import schemathesis
from hypothesis import strategies
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events
from schemathesis.python import asgi
from uuid_utils import uuid7

from data_api.app import create_app
from data_api.database.engine import create_engine_for, transaction
from data_api.database.migrations_runner import upgrade
from data_api.models import ApiKey, Role, User
from db.test_roles import MAY
from service_kit.api_keys import digest

KEY = "ontime_a_key_of_this_test"
UNLIKELY = 1_234_567_891  # an id that no request will remove by chance
NOW = datetime.now(UTC)
# Every check of schemathesis is on: statuses, media types, headers, bodies, methods, keys, and that what the document allows
# is accepted and what it forbids refused.
CONFIG = {
    "seed": 1,
    "headers": {"X-API-Key": KEY},
    # A document cannot say that times and edges are in order, that a window has one beginning, that a change changes, nor
    # which tables a model declares, or of which moment an official prediction's id is. A body may be too large beside being
    # wrong.
    "operations": [
        {
            "include-name": route,
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 422]},
                "negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 409, 413, 415, 422]},
            },
        }
        for route in (
            "GET /performance",
            "GET /predictions",
            "GET /deployments",
            "PUT /deployments/{deployment_id}",
            "PUT /models/{model_version}",
            "PATCH /users/{user_id}",
            "POST /events",
            "POST /predictions",
        )
    ],
    "generation": {"mode": "all", "max-examples": 15, "deterministic": True, "no-shrink": True},
}


# A document cannot say how far off a clock may be.
schemathesis.openapi.format("uuid", strategies.sampled_from([str(uuid7()) for _ in range(20)]))
schemathesis.openapi.format(
    "date-time", strategies.sampled_from([(NOW - timedelta(minutes=n)).isoformat() for n in range(9)])
)


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """Nobody waits long for news that do not come."""
    with suppress(TypeError, ValueError, KeyError):
        case.query["wait"] = min(float(case.query["wait"]), 0.1)


@pytest.fixture
def run(url, make_settings):
    """A function that tries the service as a role with many requests; gives their answers, and what was wrong."""

    def start(role):
        prepared, now = create_engine_for(url), datetime.now(UTC)
        upgrade(prepared)
        with transaction(prepared) as session:
            session.add(User(user_id=UNLIKELY, name="tester", role=role, created_at=now, tokens_valid_after=now))
            session.flush()
            session.add(ApiKey(api_key_id=UNLIKELY, user_id=UNLIKELY, name="key", digest=digest(KEY), created_at=now))
        prepared.dispose()
        app = create_app(make_settings(login_attempts=10_000, max_rows=10))
        schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=SchemathesisConfig.from_dict(CONFIG))
        answers, wrong = {}, []
        for event in engine.from_schema(schema).execute():
            if isinstance(event, events.NonFatalError | events.FatalError):
                wrong.append(str(getattr(event, "value", None) or event.exception))
            elif isinstance(event, events.ScenarioFinished):
                recorder = event.recorder
                statuses = [one.response.status_code for one in recorder.interactions.values() if one.response]
                answers.setdefault(recorder.label, []).extend(statuses)
                wrong += [
                    f"{recorder.label}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
                    for checks in recorder.checks.values()
                    for check in checks
                    if check.failure_info
                ]
        return answers, wrong

    yield start
    asgi.shutdown_lifespans()


LONG = pytest.mark.long("requests that nobody would think of, for each role on each kind of database")


@pytest.mark.parametrize(
    ("url", "role"),
    [
        ("sqlite", Role.ADMIN),
        ("postgresql", Role.SERVICE),
        pytest.param("sqlite", Role.SERVICE, marks=LONG),
        pytest.param("postgresql", Role.ADMIN, marks=LONG),
    ],
    indirect=["url"],
)
def test_no_request_gets_an_answer_that_the_document_does_not_tell(run, role):
    answers, wrong = run(role)

    assert not wrong, f"{len(wrong)}\n" + "\n\n".join(wrong[:10])
    assert set(MAY) <= set(answers)
    for route, may in MAY.items():
        if role in may and route not in {"POST /token", "POST /events"}:  # whose content no document can tell
            assert {200, 201, 204, 404} & set(answers[route]), f"{route}: {set(answers[route])}"
