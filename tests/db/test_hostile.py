"""Input that nobody means well is refused clearly, and none is a failure of the service."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from uuid_utils import uuid7

from data_api.database.engine import transaction
from data_api.models import Base
from data_api.schemas.api_keys import ApiKeyCreate, ApiKeyUpdate
from data_api.schemas.deployments import DeploymentCreate
from data_api.schemas.model_versions import ModelVersionCreate
from data_api.schemas.outcomes import Outcomes
from data_api.schemas.predictions import Predictions
from data_api.schemas.users import UserCreate, UserUpdate
from db.ids import id_at

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(shared_client):
    return shared_client


@pytest.fixture(scope="module")
def as_admin(shared_caller):
    return shared_caller("admin")


@pytest.fixture(scope="module")
def as_reader(shared_caller):
    return shared_caller("reader")


def sizes(client):
    """How many rows each table has."""
    with transaction(client.app.state.service.engine, reads=True) as session:
        return {
            name: session.scalar(select(func.count()).select_from(table)) for name, table in Base.metadata.tables.items()
        }


@pytest.fixture(autouse=True)
def nothing_is_kept(client, as_admin, as_reader):
    """Every test of this file shows it beside its own fact, so that one database is enough for all of them."""
    before = sizes(client)
    yield
    assert sizes(client) == before


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/predictions", {"limit": 1001}),
        ("/predictions", {"limit": 0}),
        ("/predictions", {"limit": -1}),
        ("/predictions", {"limit": 10**30}),
        ("/predictions", {"cursor": "x"}),
        ("/predictions", {"cursor": "' OR 1=1 --"}),
        ("/predictions", {"since": "yesterday"}),
        ("/predictions", {"since": "2026-01-01"}),
        ("/predictions", {"since": "2026-01-01T00:00:00"}),
        ("/predictions", {"since": "1767225600"}),
        ("/predictions", {"since": "9999-12-31T23:59:59-01:00"}),
        ("/predictions", {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}),
        ("/predictions", {"label": "maybe"}),
        ("/predictions", {"order": "random"}),
        ("/predictions", {"format": "xml"}),
        ("/predictions", {"model_version": "a\0b"}),
        ("/predictions", {"model_version": "a" * 201}),
        ("/deployments", {"at": "0001-01-01T00:00:00+01:00"}),
        ("/deployments", {"limit": 1001}),
        ("/api-keys", {"user_id": 2**31}),
        ("/users/99999999999999999999", {}),
        ("/users/1.5", {}),
        ("/users/1_0", {}),
        ("/users/+1", {}),
        ("/users/ 1", {}),
        ("/users/01", {}),
        ("/api-keys/1.0", {}),
        ("/api-keys", {"user_id": "1_0"}),
        ("/api-keys/-1", {}),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(get_json, path, query):
    status, problem = get_json(path, **query)

    assert status == 422
    assert problem["errors"][0]["field"] in {*query, "user_id", "api_key_id"}


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"])
def test_a_moment_that_is_far_off_is_a_window_without_end(get_json, moment):
    assert get_json("/predictions", since=moment)[0] == get_json("/predictions", until=moment)[0] == 200
    for name in ("at", "since", "until"):
        assert get_json("/deployments", **{name: moment})[0] == 200
    assert get_json("/performance", until=moment, window="9999w", by="day")[0] == 200
    status, answer = get_json("/performance", since=moment)
    assert (status, [error["field"] for error in answer.get("errors", ())]) == (
        (422, ["since"]) if moment.startswith("9999") else (200, [])
    )


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/predictions?limit=1&limit=2", "limit"),
        ("/performance?by=none&window=7d&by=none", "by"),
        ("/users?odd=1&odd=1", "odd"),
    ],
)
def test_a_parameter_that_comes_twice_is_refused_by_name(client, as_admin, path, field):
    answer = client.get(path, headers=as_admin)
    assert answer.status_code == 422
    assert {"field": field, "wanted": "should come once", "got": "'2 of them'"} in answer.json()["errors"]


@pytest.mark.parametrize("twice", ["username=bob", "password=SECRET", "scope=a", "grant_type=password"])
def test_a_form_parameter_of_a_login_comes_once(client, twice):
    """RFC 6749, section 3.2."""
    form = "grant_type=password&username=admin&password=development&scope=b&" + twice
    answer = client.post("/token", content=form, headers={"content-type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, [error["wanted"] for error in answer.json()["errors"]]) == (422, ["should come once"])
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("path", ["/predictions?since=", "/performance?until=", "/deployments?at="])
@pytest.mark.parametrize("offset", ["+00:00", "+0200", "+02"])
def test_a_plus_that_an_address_made_a_blank_is_named_with_the_cure(client, as_admin, path, offset):
    answer = client.get(f"{path}2026-11-27T00:00:00{offset}", headers=as_admin)
    (error,) = answer.json()["errors"]
    assert answer.status_code == 422
    assert "a + stands for a blank, so write %2B or Z" in error["wanted"]


@pytest.mark.parametrize(
    "path",
    ["/predictions?sinse=2026-01-01T00:00:00Z", "/performance?sinse=1", "/users?sinse=1", "/me?sinse=", "/users/1?sinse=1"],
)
def test_an_unknown_parameter_is_refused_by_name(client, as_admin, path):
    answer = client.get(path, headers=as_admin)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "sinse"
    assert client.get("/healthz?sinse=1").status_code == client.get("/readyz?sinse=1").status_code == 200


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("prediction_id", "time"),
    [
        pytest.param(str(uuid4()), NOW, id="of no time"),
        pytest.param("00000000-0000-0000-0000-000000000000", NOW, id="zeros"),
        pytest.param("ffffffff-ffff-ffff-ffff-ffffffffffff", NOW, id="ones"),
        pytest.param(id_at(datetime(1970, 1, 2, tzinfo=UTC)), datetime(1970, 1, 2, tzinfo=UTC), id="of 1970"),
        pytest.param(id_at(datetime(2019, 12, 31, tzinfo=UTC)), datetime(2019, 12, 31, tzinfo=UTC), id="of 2019"),
        pytest.param(id_at(NOW + timedelta(hours=2)), NOW, id="in two hours"),
        pytest.param(id_at(datetime(9999, 1, 1, tzinfo=UTC)), NOW, id="of the year 9999"),
        pytest.param(id_at(NOW), NOW + timedelta(hours=2), id="before its time"),
        pytest.param(id_at(NOW), NOW - timedelta(days=2), id="after its time"),
        pytest.param(id_at(NOW), datetime(1, 1, 1, tzinfo=UTC), id="long after its time"),
        pytest.param("not an id", NOW, id="no id"),
        pytest.param(7, NOW, id="a number"),
    ],
)
def test_a_clock_that_is_far_off_is_refused(post_text, prediction, prediction_id, time):
    row = prediction(prediction_id=prediction_id, time=time.isoformat())

    status, problem = post_text("/predictions", json.dumps({"predictions": [prediction(), row]}))

    assert status == 422
    assert problem["errors"][0]["field"].startswith("predictions.1")


@pytest.mark.parametrize("time", ["2026-11-24T08:00:00", "2026-11-24", "now", 1_795_538_189, "1795538189", None, True])
def test_a_moment_without_its_zone_is_none(post_text, prediction, time):
    status, problem = post_text("/predictions", json.dumps({"predictions": [prediction(time=time)]}))

    assert (status, problem["errors"][0]["field"]) == (422, "predictions.0.time")


WRONG = [
    *({"probability": value} for value in (1.5, -0.1, "0.5", None, True)),
    *({"label": value} for value in (1, "true", None)),
    *({"model_version": value} for value in ("", "a" * 201, "a\0b", None, 1)),
    *({"caller": value} for value in ("", "a\0b", 1)),
    *({"warnings": value} for value in (None, [{}], ["x"])),
    *({"features": value} for value in ([], {"a": {}}, {"a": [1]}, {str(number): 1 for number in range(10_001)})),
    {"extra": 1},
]


@pytest.mark.parametrize("changes", WRONG)
def test_a_row_that_is_not_as_it_should_be_is_refused_by_field(post_text, prediction, changes):
    status, problem = post_text("/predictions", json.dumps({"predictions": [prediction(**changes)]}))

    assert status == 422
    assert problem["errors"][0]["field"].startswith(f"predictions.0.{next(iter(changes))}")


def test_a_row_that_lacks_a_field_is_refused_by_it(post_text, prediction):
    for name in set(prediction()) - {"caller"}:
        row = {key: value for key, value in prediction().items() if key != name}
        status, problem = post_text("/predictions", json.dumps({"predictions": [row]}))
        assert (status, problem["errors"]) == (
            422,
            [{"field": f"predictions.0.{name}", "wanted": "Field required", "got": "nothing"}],
        )


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_none_is_refused_wherever_it_is(post_text, prediction, number):
    for field in ("probability", "threshold", "features"):
        row = prediction(**{field: {"a": 12345.5} if field == "features" else 12345.5})
        status, _ = post_text("/predictions", json.dumps({"predictions": [row]}).replace("12345.5", number))
        assert status in {400, 422}, f"{field}: {number}"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"predictions"', 422),
        (b"{}", 422),
        (b'{"predictions": {}}', 422),
        (b'{"predictions": []}', 422),
        (b'{"predictions": [null]}', 422),
        (b'{"predictions": [', 400),
        (b"\xff\xfe{}", 400),
        (b'{"predictions": ["\\ud800"]}', 400),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"predictions": [], "more": 1}', 422),
    ],
)
def test_a_body_that_is_none_is_refused(post_text, content, status):
    assert post_text("/predictions", content)[0] == status


@pytest.mark.parametrize("path", ["/predictions", "/outcomes"])
def test_a_body_is_not_read_for_somebody_unknown(client, as_reader, path):
    for headers, status in (({"x-api-key": "ontime_unknown"}, 401), (as_reader, 403)):
        assert client.post(path, content=b"{", headers={**JSON, **headers}).status_code == status


def test_a_refusal_stays_short_whatever_was_sent(post_text, prediction):
    rows = [prediction(probability="x" * 10_000) for _ in range(1000)]

    status, problem = post_text("/predictions", json.dumps({"predictions": rows}))

    assert status == 422
    assert problem["detail"].startswith("1000 fields are not")
    assert len(problem["errors"]) == 20
    assert len(json.dumps(problem)) < 10_000


def test_the_bodies_of_other_routes_are_held_to_the_same(client, as_admin, as_service):
    for content in (b'{"name": "\\ud800", "role": "reader"}', b'{"name": NaN, "role": "reader"}', b"[" * 10_000, b"\xff"):
        assert client.post("/users", content=content, headers={**JSON, **as_admin}).status_code in {400, 422}
    answer = client.put(f"/deployments/{uuid7()}", content=b'{"sha256": {"a": "\\u0000"}}', headers={**JSON, **as_service})
    assert answer.status_code == 422


@pytest.mark.parametrize("user_id", [True, "1", 1.5, None, [1], 0, -1, 2**31, 10**30])
def test_a_user_id_that_is_no_whole_number_is_refused(client, as_admin, user_id):
    answer = client.post("/api-keys", json={"user_id": user_id, "name": "key"}, headers=as_admin)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "user_id"


def leaves(schema):
    """Each type that a body may hold somewhere, as Pydantic's core checks it."""
    if isinstance(schema, dict):
        if schema.get("type") == "function-before":  # a check of our own
            return
        if schema.get("type") in {"int", "float", "bool"}:
            yield schema
        for value in schema.values():
            yield from leaves(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from leaves(value)


BODIES = [ApiKeyCreate, ApiKeyUpdate, UserCreate, UserUpdate, DeploymentCreate, ModelVersionCreate, Predictions, Outcomes]


@pytest.mark.parametrize("body", BODIES)
def test_no_body_takes_another_type_for_a_number_or_a_truth(body):
    assert [leaf for leaf in leaves(body.__pydantic_core_schema__) if not leaf.get("strict")] == []
