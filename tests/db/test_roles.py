"""Who may do what: every route for every role, and for those who are nobody."""

from datetime import UTC, datetime, timedelta

import pytest
from uuid_utils import uuid7

from data_api.auth.tokens import Tokens
from data_api.crud import api_keys
from data_api.database.engine import transaction

ADMIN, SERVICE, READER = {"admin"}, {"service"}, {"reader"}
EVERYBODY = ADMIN | SERVICE | READER
ANYONE = EVERYBODY | {"nobody"}
MAY = {
    "POST /predictions": SERVICE,
    "GET /predictions": EVERYBODY,
    "POST /outcomes": SERVICE,
    "GET /performance": EVERYBODY,
    "PUT /deployments/{deployment_id}": SERVICE,
    "PUT /models/{model_version}": SERVICE,
    "GET /deployments": READER | ADMIN,
    "POST /events": SERVICE,
    "GET /events": EVERYBODY,
    "GET /events/watermark": EVERYBODY,
    "GET /users": ADMIN,
    "POST /users": ADMIN,
    "GET /me": EVERYBODY,
    "GET /users/{user_id}": ADMIN,
    "PATCH /users/{user_id}": ADMIN,
    "DELETE /users/{user_id}": ADMIN,
    "GET /api-keys": ADMIN,
    "POST /api-keys": ADMIN,
    "GET /api-keys/{api_key_id}": ADMIN,
    "PATCH /api-keys/{api_key_id}": ADMIN,
    "DELETE /api-keys/{api_key_id}": ADMIN,
    "POST /token": ANYONE,
    "GET /healthz": ANYONE,
    "GET /readyz": ANYONE,
    "GET /metrics": ANYONE,
}


@pytest.fixture
def ask(client, prediction):
    """A function that sends a request that is in order, so that a refusal can be about its sender alone."""
    now = datetime.now(UTC).isoformat()
    deployment = {
        "replica": "a", "model_name": "ontime", "model_version": "one", "git_commit": None, "model_uri": "data/model",
        "sha256": {}, "data": {}, "started_at": now, "last_seen_at": now, "ended_at": None,
    }  # fmt: skip
    weather = {"key": ["origin"], "columns": {"origin": {"kind": "category"}, "humid": {"kind": "number"}}}
    event = {"table": "weather", "key": {"origin": "EWR"}, "known_at": now, "values": {"humid": 61.0}}
    made = iter(range(1000))
    bodies = {
        "POST /predictions": lambda: {"json": {"predictions": [prediction()]}},
        "POST /outcomes": lambda: {"json": {"outcomes": [{"prediction_id": str(uuid7()), "outcome": True}]}},
        "PUT /deployments/{deployment_id}": lambda: {"json": deployment},
        "PUT /models/{model_version}": lambda: {
            "json": {
                "model_name": "ontime",
                "reference": {"columns": {}, "probability": None},
                "tables": {"weather": weather},
            }
        },
        "POST /events": lambda: {"json": {"events": [event]}},
        "POST /users": lambda: {"json": {"name": f"user-{next(made)}", "role": "reader"}},
        "PATCH /users/{user_id}": lambda: {"json": {"role": "reader"}},
        "POST /api-keys": lambda: {"json": {"user_id": 1, "name": f"key-{next(made)}"}},
        "PATCH /api-keys/{api_key_id}": lambda: {"json": {"name": f"key-{next(made)}"}},
        "POST /token": lambda: {"data": {"username": "admin", "password": "development"}},
    }

    def send(route, headers):
        method, path = route.split(" ")
        path = path.format(deployment_id=uuid7(), model_version="one", user_id=1_000_000, api_key_id=1_000_000)
        return client.request(method, path, headers=headers, **bodies.get(route, dict)()).status_code

    return send


def test_the_table_has_every_route(client):
    paths = client.get("/openapi.json").json()["paths"]

    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == set(MAY)


def test_each_role_may_do_what_the_table_says_and_nothing_else(ask, as_admin, as_service, as_reader):
    headers = {"admin": as_admin, "service": as_service, "reader": as_reader, "nobody": {}}

    answers = {(route, who): ask(route, shown) for route in MAY for who, shown in headers.items()}

    for (route, who), status in answers.items():
        if who in MAY[route]:
            assert status in {200, 201, 204, 404}, f"{who} should be allowed {route}: {status}"
        else:
            assert status == (401 if who == "nobody" else 403), f"{who} should be refused {route}: {status}"


@pytest.fixture
def strangers(client, engine, make_caller):
    """Headers that show something that does not count, or no more."""
    secret = client.app.state.service.settings.secret("jwt_secret")
    now, hour = datetime.now(UTC), timedelta(hours=1)
    mine = Tokens(secret, hour).issue(1, now)
    head, claims, signature = mine.split(".")
    revoked = make_caller("admin", "revoked")
    with transaction(engine) as session:
        api_keys.revoke(session, api_keys.list_all(session)[-1], now)
    tokens = {
        "a token that is too old": Tokens(secret, hour).issue(1, now - 2 * hour),
        "a token of another secret": Tokens("x" * 32, hour).issue(1, now),
        "a token of nobody": Tokens(secret, hour).issue(1_000_000, now),
        "an altered token": f"{head}.{claims[:-2]}AA.{signature}",
        "an unsigned token": f"eyJhbGciOiJub25lIn0.{claims}.",
        "no token at all": "x",
        "a token that is older than the password": Tokens(secret, 2 * hour).issue(1, now - hour),
    }
    return {
        "a key that nobody made": {"x-api-key": "ontime_unknown"},
        "a key that is revoked": revoked,
        "an empty key": {"x-api-key": ""},
        "an admin's id instead of a key": {"x-api-key": "1"},
        **{name: {"authorization": f"Bearer {token}"} for name, token in tokens.items()},
        "a name and a password": {"authorization": "Basic YWRtaW46ZGV2ZWxvcG1lbnQ="},
    }


def test_whoever_shows_something_that_does_not_count_is_refused_everywhere(ask, strangers):
    guarded = [route for route, may in MAY.items() if may != ANYONE]

    answers = {(route, who): ask(route, headers) for route in guarded for who, headers in strangers.items()}

    assert {key: status for key, status in answers.items() if status != 401} == {}


def test_a_token_does_what_its_user_may(client):
    form = {"username": "admin", "password": "development"}
    token = client.post("/token", data=form).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}

    assert client.get("/me", headers=headers).json()["name"] == "admin"
    assert client.get("/users", headers=headers).status_code == 200
