"""The OpenAPI document tells what the model that answers takes and what every route gives."""

import hashlib
import json
import re

import pytest
from fastapi.openapi.models import OpenAPI
from starlette.testclient import TestClient

from prediction_api.app import create_app
from serving.conftest import with_topics

ADMIN = {"x-api-key": "key"}
ROUTES = {
    ("/predict", "post"), ("/predict/batch", "post"), ("/reload", "post"), ("/model", "get"), ("/healthz", "get"),
    ("/readyz", "get"), ("/metrics", "get"), ("/v2", "get"), ("/v2/health/live", "get"), ("/v2/health/ready", "get"),
    ("/v2/models/{name}", "get"), ("/v2/models/{name}/ready", "get"), ("/v2/models/{name}/infer", "post"),
}  # fmt: skip


@pytest.fixture
def client(make_settings):
    with TestClient(create_app(make_settings(admin_keys=f"boss:{hashlib.sha256(b'key').hexdigest()}"))) as client:
        yield client


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


@pytest.fixture
def fields(document):
    """The fields of a record, as the document describes them."""
    return document["components"]["schemas"]["Record"]["properties"]


@pytest.fixture
def columns(client):
    """The columns of the model that answers, as its schema.json declares them."""
    return client.get("/model").json()["schema"]["columns"]


def references(found):
    """Every $ref in a document."""
    if isinstance(found, dict):
        here = [found["$ref"]] if "$ref" in found else []
        return [*here, *(one for part in found.values() for one in references(part))]
    return [one for part in found for one in references(part)] if isinstance(found, list) else []


def test_the_document_names_every_route_and_no_other(document):
    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == ROUTES


def test_the_document_carries_the_version_of_the_model(client, document):
    assert document["info"]["version"] == client.get("/model").json()["version"]


def test_the_fields_of_a_record_are_the_columns_in_their_order(document, fields, columns):
    assert list(fields) == [column["name"] for column in columns]
    assert document["components"]["schemas"]["Record"]["required"] == ["departs", "carrier", "distance", "delay"]
    assert document["components"]["schemas"]["Record"]["additionalProperties"] is False


def test_a_number_is_told_with_its_range_its_unit_and_an_example(fields):
    told = fields["distance"]

    assert (told["type"], told["minimum"], told["maximum"]) == ("number", 10, 6000)
    assert (told["x-unit"], told["examples"], told["description"]) == ("miles", [800.0], "Way to go (miles).")
    assert told["x-available-from"] == "in the timetable"


def test_a_nullable_field_is_told_as_null_or_a_value(fields):
    nullable = {name for name, told in fields.items() if {"type": "null"} in told.get("anyOf", [])}

    assert nullable == {"carrier", "season", "delay"}
    assert [one["type"] for one in fields["delay"]["anyOf"]] == ["number", "null"]


def test_declared_categories_are_an_enum_and_others_are_told_as_seen(fields):
    assert fields["season"]["anyOf"][0]["enum"] == ["summer", "winter"]
    assert "enum" not in json.dumps(fields["carrier"])
    assert "Seen in training: AA, UA." in fields["carrier"]["description"]


def test_a_datetime_is_told_as_a_text_with_an_example_and_without_a_time_zone(fields):
    told = fields["departs"]

    assert (told["type"], told["examples"]) == ("string", ["2013-05-19T14:15:00"])


def test_the_format_of_a_datetime_is_the_one_without_a_time_zone(client, record, fields):
    # date-time is that of RFC 3339, which wants an offset, and what it allows would be refused.
    assert client.post("/predict", json=record | {"departs": "2013-05-19T14:15:00Z"}).status_code == 422
    assert fields["departs"]["format"] == "date-time-local"


def test_every_field_has_a_description_and_an_example(fields):
    assert all(told["description"] and told["examples"] for told in fields.values())


def test_the_example_of_a_record_is_predicted(client, document):
    (example,) = document["components"]["schemas"]["Record"]["examples"]

    assert client.post("/predict", json=example).status_code == 200
    assert client.post("/predict/batch", json={"records": [example]}).status_code == 200


def test_the_example_of_tensors_is_predicted_as_that_of_a_record(client, document):
    route = document["paths"]["/v2/models/{name}/infer"]["post"]
    example = route["requestBody"]["content"]["application/json"]["example"]
    (record,) = document["components"]["schemas"]["Record"]["examples"]

    answer = client.post("/v2/models/tiny/infer", json=example)

    assert answer.json()["outputs"][0]["data"] == [client.post("/predict", json=record).json()["probability"]]
    assert set(answer.json()) < set(document["components"]["schemas"]["InferenceResponse"]["properties"])


def test_a_batch_is_told_with_the_number_of_records_that_it_may_hold(make_settings):
    with TestClient(create_app(make_settings(max_records=7))) as client:
        batch = client.get("/openapi.json").json()["components"]["schemas"]["Batch"]

    records = batch["properties"]["records"]
    assert (records["minItems"], records["maxItems"]) == (1, 7)
    assert records["items"] == {"$ref": "#/components/schemas/Record"}
    assert batch["required"] == ["records"]


def test_the_subjects_of_a_batch_are_shown_with_what_they_hold(document):
    schemas = document["components"]["schemas"]
    subjects = schemas["Batch"]["properties"]["subjects"]

    assert subjects["items"] == {"anyOf": [{"$ref": "#/components/schemas/Subject"}, {"type": "null"}]}
    assert schemas["Subject"]["required"] == ["subject", "as_of", "log_position", "official"]
    assert list(schemas["Subject"]["properties"]) == ["prediction_id", "subject", "as_of", "log_position", "official"]
    assert all(field["description"] for field in schemas["Subject"]["properties"].values())


def test_the_document_changes_with_the_model(client, make_model, document, columns):
    weight = columns[3] | {
        "name": "weight",
        "unit": "kg",
        "minimum": 1.0,
        "maximum": None,
        "example": 70.0,
        "nullable": True,
    }
    make_model(columns=[*columns[:3], columns[3] | {"maximum": 7000.0}, weight])

    assert client.post("/reload", headers=ADMIN).json()["changed"] is True
    after = client.get("/openapi.json").json()

    fields = after["components"]["schemas"]["Record"]["properties"]
    assert list(fields) == ["departs", "carrier", "season", "distance", "weight"]
    assert fields["distance"]["maximum"] == 7000
    assert fields["weight"]["x-unit"] == "kg"
    assert fields["weight"]["anyOf"][0]["minimum"] == 1
    assert after["info"]["version"] != document["info"]["version"]
    assert client.post("/predict", json=after["components"]["schemas"]["Record"]["examples"][0]).status_code == 200


def test_the_document_is_openapi_3_1(document):
    OpenAPI.model_validate(document)
    definitions = pytest.importorskip("schemathesis.specs.openapi.definitions")

    assert document["openapi"].startswith("3.1.")
    assert [str(error) for error in definitions.OPENAPI_31_VALIDATOR.iter_errors(document)] == []


def test_every_reference_leads_somewhere_and_every_schema_is_used(document):
    schemas = document["components"]["schemas"]

    used = set(references(document))
    assert used == {f"#/components/schemas/{name}" for name in schemas}


def test_operation_ids_are_unique(document):
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]

    assert len(set(ids)) == len(ids) == len(ROUTES)


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/predict", "post", {"200", "400", "401", "408", "413", "415", "422", "503"}),
        ("/predict/batch", "post", {"200", "400", "401", "408", "413", "415", "422", "503"}),
        ("/reload", "post", {"200", "401", "502", "503"}),
        ("/model", "get", {"200", "503"}),  # 503 beyond MAX_CONCURRENCY
        ("/healthz", "get", {"200"}),
        ("/readyz", "get", {"200", "503"}),
        ("/metrics", "get", {"200"}),
        ("/v2", "get", {"200"}),
        ("/v2/health/live", "get", {"200"}),
        ("/v2/health/ready", "get", {"200", "503"}),
        ("/v2/models/{name}", "get", {"200", "404"}),
        ("/v2/models/{name}/ready", "get", {"200", "404", "503"}),
        ("/v2/models/{name}/infer", "post", {"200", "400", "401", "404", "408", "413", "415", "422", "503"}),
    ],
)
def test_every_status_that_a_route_gives_is_told(document, path, method, statuses):
    told = set(document["paths"][path][method]["responses"])

    assert statuses <= told


def test_a_refusal_is_told_as_a_problem(document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status >= "400" and path != "/readyz":  # a body of its own: which check failed
                    (content,) = response["content"].items()
                    if path.startswith("/v2") and path.endswith("/ready") and status == "503":
                        continue  # as /readyz
                    if path.startswith("/v2"):  # whose clients read another form
                        assert content[1]["schema"] == {"$ref": "#/components/schemas/InferenceError"}
                        continue
                    assert (content[0], content[1]["schema"]) == (
                        "application/problem+json", {"$ref": "#/components/schemas/Problem"},
                    ), (path, status)  # fmt: skip


def test_whether_the_service_is_ready_is_told_with_the_fields_of_a_real_answer(client, document):
    schemas = document["components"]["schemas"]
    for path, name in (("/v2/health/ready", "ServerReadiness"), ("/v2/models/{name}/ready", "ModelReadiness")):
        responses = document["paths"][path]["get"]["responses"]
        answer = client.get(path.format(name="tiny")).json()

        for status in ("200", "503"):
            schema = responses[status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": f"#/components/schemas/{name}"}
        assert set(answer) == set(schemas[name]["properties"]) == set(schemas[name]["required"])


def test_a_real_refusal_and_a_real_answer_hold_what_the_document_tells(client, document, record):
    schemas = document["components"]["schemas"]
    answer = client.post("/predict", json=record | {"carrier": "ZZ"}).json()
    problem = client.post("/predict", json=record | {"distance": 1}).json()

    assert set(answer) == set(schemas["PredictionResponse"]["required"])
    for name, body in (("PredictionWarning", answer["warnings"][0]), ("Problem", problem)):
        assert set(body) == set(schemas[name]["properties"]), name
    assert set(problem["errors"][0]) == set(schemas["FieldError"]["properties"])


def test_real_reasons_hold_what_the_document_tells(client_of, make_model, record):
    client = client_of(model_uri=str(make_model(columns=with_topics())))
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    answer = client.post("/predict?reasons=true", json=record).json()
    topic = max(answer["reasons"]["topics"], key=lambda topic: len(topic["columns"]))

    for name, body in (
        ("PredictionResponse", answer),
        ("Reasons", answer["reasons"]),
        ("TopicContribution", topic),
        ("UnusualColumn", topic["columns"][0]),
    ):
        assert set(body) == set(schemas[name]["properties"]), name


def test_the_routes_that_predict_tell_of_their_parameters(document):
    for path in ("/predict", "/predict/batch"):
        parameters = document["paths"][path]["post"]["parameters"]
        assert [(parameter["name"], parameter["schema"]["enum"]) for parameter in parameters] == [
            ("reasons", ["true", "false"]),
            ("dry_run", ["true", "false"]),
        ]


def test_only_the_routes_that_take_a_key_tell_of_one(document):
    taking = {
        path: operation["security"]
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if "security" in operation
    }

    free = [{}, {"ApiKey": []}]
    assert taking == {
        "/predict": free, "/predict/batch": free, "/v2/models/{name}/infer": free, "/reload": [{"ApiKey": []}],
    }  # fmt: skip
    assert document["components"]["securitySchemes"]["ApiKey"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}


def test_the_page_for_people_shows_the_document(client):
    page = client.get("/docs")

    assert page.status_code == 200
    assert re.search(r"url: ['\"]openapi\.json['\"]", page.text)


def test_each_refusal_shows_an_example_of_its_own_status(client):
    document = client.get("/openapi.json").json()

    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                for content in response.get("content", {}).values():
                    if content.get("schema", {}).get("$ref", "").endswith("/Problem"):
                        example = content["example"]
                        assert (str(example["status"]), "errors" in example) == (status, status == "422")


def test_the_example_of_a_prediction_is_the_answer_to_the_example_of_a_record(client):
    document = client.get("/openapi.json").json()
    (record,) = document["components"]["schemas"]["Record"]["examples"]
    responses = [document["paths"][path]["post"]["responses"]["200"]["content"] for path in ("/predict", "/predict/batch")]
    one, batch = (content["application/json"]["example"] for content in responses)

    answer = client.post("/predict", json=record).json()

    assert {**one, "prediction_id": ""} == {**answer, "prediction_id": ""}
    assert batch == {"predictions": [one]}
