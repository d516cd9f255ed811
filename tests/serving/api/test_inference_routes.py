"""The Open Inference Protocol over HTTP: answered, kept, counted and refused as batches in JSON are."""

import hashlib
import json
import struct

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from prediction_api.open_inference.infer_request import HEADER_LENGTH
from serving.kept import kept_lines, without_own
from serving.open_inference.inference import DATATYPES, HEADER, NAN, binary, tensors

INFER = "/v2/models/tiny/infer"
NUMPY = {"FP64": np.float64, "BYTES": np.object_}


@pytest.fixture
def client(client_of):
    """A client of an app with the settings of a test."""
    return client_of()


@pytest.fixture
def records(record):
    """Records of which some get warnings, and some lack values."""
    odd = {"carrier": 'Ž"%s', "season": None, "delay": 1e4, "departs": "2014-01-01T00:00"}
    changes = [odd if number % 3 == 0 else {"delay": None} if number % 5 == 1 else {} for number in range(40)]
    return [{**record, "distance": 100.1 + number, **change} for number, change in enumerate(changes)]


def outputs(answer):
    """The outputs of an answer by name, of JSON or of binary form."""
    size = int(answer.headers.get(HEADER_LENGTH, len(answer.content)))
    content, rest = json.loads(answer.content[:size]), answer.content[size:]
    found = {}
    for output in content["outputs"]:
        if "data" not in output:
            length = output["parameters"]["binary_data_size"]
            output["data"], rest = _values(output["datatype"], rest[:length]), rest[length:]
        found[output["name"]] = output["data"]
    assert rest == b""
    return found


def _values(datatype, content):
    if datatype == "BYTES":
        values = []
        while content:
            end = 4 + struct.unpack("<I", content[:4])[0]
            values, content = [*values, content[4:end].decode()], content[end:]
        return values
    return list(struct.unpack(f"<{len(content)}?" if datatype == "BOOL" else f"<{len(content) // 8}d", content))


def test_tensors_get_what_records_get_to_the_last_bit_in_json_and_in_binary_form(client, records):
    expected = client.post("/predict/batch", json={"records": records}).json()["predictions"]
    body, headers = binary(tensors(records) | {"parameters": {"binary_data_output": True}})

    in_json = client.post(INFER, content=json.dumps(tensors(records)))
    in_bytes = client.post(INFER, content=body, headers=headers)

    assert (in_json.status_code, in_json.headers["content-type"]) == (200, "application/json")
    assert (in_bytes.status_code, in_bytes.headers["content-type"]) == (200, "application/octet-stream")
    for answer in (in_json, in_bytes):
        found = outputs(answer)
        assert list(found) == ["probability", "label", "prediction_id", "warnings"]
        assert found["probability"] == [answer["probability"] for answer in expected]
        assert found["label"] == [answer["label"] for answer in expected]
        assert len(set(found["prediction_id"])) == len(records)
        assert [json.loads(text) for text in found["warnings"]] == [answer["warnings"] for answer in expected]
    content = in_json.json()
    assert (content["model_name"], content["model_version"]) == ("tiny", expected[0]["model_version"])
    assert content["parameters"] == {"threshold": 0.5}


def test_the_lines_that_are_kept_are_those_of_json_to_the_byte(client, records, outbox):
    body, headers = binary(tensors(records))
    ids = outputs(client.post(INFER, content=body, headers=headers))["prediction_id"]
    client.post("/predict/batch", json={"records": records})

    kept = kept_lines(outbox)
    assert [json.loads(line)["prediction_id"] for line in kept[:40]] == ids
    assert [*map(without_own, kept[:40])] == [*map(without_own, kept[40:])]


def test_predictions_and_warnings_are_counted_as_those_of_json(client_of, records, tmp_path):
    counts = []
    for number, (path, content) in enumerate(((INFER, tensors(records)), ("/predict/batch", {"records": records}))):
        client = client_of(outbox_dir=tmp_path / f"outbox-{number}")
        assert client.post(path, content=json.dumps(content)).status_code == 200
        page = client.get("/metrics").text.splitlines()
        names = ("prediction_api_predictions_total", "prediction_api_probability_", "prediction_api_warnings_total")
        counts.append([line for line in page if line.startswith(names)])
        assert any('route="/v2/models/{name}/infer",status="200"' in line for line in page) == (path == INFER)

    assert counts[0] == counts[1]


def test_outputs_may_be_named_and_each_be_binary_or_not(client, records):
    wanted = [{"name": "label", "parameters": {"binary_data": False}}, {"name": "probability"}]
    request = tensors(records[:2]) | {"outputs": wanted, "parameters": {"binary_data_output": True}, "id": "mine"}

    answer = client.post(INFER, content=json.dumps(request))

    head = json.loads(answer.content[: int(answer.headers[HEADER])])
    assert [(output["name"], "data" in output) for output in head["outputs"]] == [("label", True), ("probability", False)]
    assert head["id"] == "mine"
    assert [output["shape"] for output in head["outputs"]] == [[2], [2]]


@pytest.mark.parametrize(
    ("where", "name", "value", "words"),
    [
        (
            "inputs",
            "content_type",
            "base64",
            "the parameter 'content_type' of the input 'departs' should be one of np, pd, str",
        ),
        ("inputs", "shared_memory_region", "x", "'shared_memory_region' of the input 'departs' is not supported"),
        ("outputs", "classification", 2, "the parameter 'classification' of the output 'label' is not supported"),
        ("outputs", "binary_data", "yes", "'binary_data' of the output 'label' should be true or false; it is 'yes'"),
        ("request", "binary_data_output", 1, "the parameter 'binary_data_output' of the request should be true or false"),
        ("request", "sequence_id", 7, "'sequence_id' of the request is not supported; supported are binary_data_output"),
        ("request", "content_type", ["np"], "'content_type' of the request should be one of np"),
        ("request", "x" * 1000, 7, f"'{'x' * 60}' of the request is not supported"),
    ],
)
def test_a_parameter_that_would_be_passed_over_is_refused_by_its_name(client, record, where, name, value, words):
    request = {**tensors([record]), "outputs": [{"name": "label"}]}
    (request if where == "request" else request[where][0])["parameters"] = {name: value}

    answer = client.post(INFER, content=json.dumps(request))

    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert words in answer.json()["error"]


def test_what_clients_of_mlserver_send_is_taken(client, record):
    request = tensors([record]) | {"outputs": None, "id": None, "parameters": {"content_type": "pd", "headers": None}}
    for tensor in request["inputs"]:
        content_type = {"FP64": "np", "BYTES": "str"}[tensor["datatype"]]
        tensor |= {"shape": [1, 1], "parameters": {"content_type": content_type, "headers": None}}

    answer = client.post(INFER, content=json.dumps(request))

    assert outputs(answer)["probability"] == client.post("/predict", json=record).json()["probability"] * np.ones(1)


def test_a_dry_run_has_no_ids_and_keeps_nothing(client, records, outbox):
    answer = client.post(f"{INFER}?dry_run=true", content=json.dumps(tensors(records)))

    assert outputs(answer)["prediction_id"] == [""] * 40
    assert kept_lines(outbox) == []


def test_faults_are_named_as_those_of_records_in_one_text(client, record):
    records = [record, {**record, "distance": 1.0, "season": "spring", "departs": "tomorrow"}]
    problem = client.post("/predict/batch", json={"records": records}).json()

    answer = client.post(INFER, content=json.dumps(tensors(records)))

    assert (answer.status_code, list(answer.json())) == (422, ["error"])
    assert answer.json()["error"].startswith(problem["detail"])
    for error in problem["errors"]:
        assert f"{error['field']}: wanted {error['wanted']}, got {error['got']}" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v2/models/other/infer", 404, "There is no model 'other' here; the model that answers is 'tiny'."),
        ("/v2/models/tiny/versions/1/infer", 404, "There is no version '1' here"),
        ("/v2/models/other", 404, "There is no model 'other'"),
        ("/v2/models/other/ready", 404, "There is no model 'other'"),
        ("/v2/unknown", 404, "Not Found"),
        (f"{INFER}?reasons=true", 422, "Tensors hold no reasons"),
        (f"{INFER}?colour=red", 422, "colour: wanted reasons or dry_run"),
    ],
)
def test_refusals_have_the_form_of_the_protocol(client, record, path, status, words):
    answer = client.post(path, content=json.dumps(tensors([record]))) if "infer" in path else client.get(path)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]
    assert answer.headers["x-request-id"]


def test_refusals_of_keys_sizes_methods_and_encodings_have_it_too(client_of, record):
    keys = f"web:{hashlib.sha256(b'key').hexdigest()}"
    client, body = client_of(api_keys=keys, max_body_bytes=2000), json.dumps(tensors([record]))
    key = {"x-api-key": "key"}

    answers = {
        401: client.post(INFER, content=body),
        405: client.get(INFER),
        413: client.post(INFER, content=body + " " * 2000, headers=key),
        415: client.post(INFER, content=body, headers={**key, "content-encoding": "gzip"}),
        422: client.post(INFER, content=json.dumps(tensors([record]) | {"outputs": [{"name": "x"}]}), headers=key),
    }

    for status, answer in answers.items():
        assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert client.post(INFER, content=body, headers=key).status_code == 200
    assert client.head("/v2/models/other").content == b""
    assert list(client.get("/model/unknown").json()) == ["type", "title", "status", "detail"]


def test_a_client_of_triton_works_unchanged(make_server, records):
    server = make_server()
    client = triton.InferenceServerClient(server.url.removeprefix("http://"))
    metadata = client.get_model_metadata("tiny")
    version = metadata["versions"][0]
    assert {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]} == DATATYPES
    assert all(tensor["shape"] == [-1] for tensor in metadata["inputs"] + metadata["outputs"])
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny", version)
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]

    probabilities = []
    for is_binary in (True, False):
        inputs = []
        for tensor in metadata["inputs"]:
            name, datatype = tensor["name"], tensor["datatype"]
            missing = NAN if datatype == "FP64" else ""
            values = [missing if record[name] is None else record[name] for record in records]
            array = np.array(values, NUMPY[datatype]).reshape(-1, 1)
            inputs.append(triton.InferInput(name, list(array.shape), datatype))
            inputs[-1].set_data_from_numpy(array, binary_data=is_binary)
        for model_version in ("", version):
            answer = client.infer("tiny", inputs, model_version, request_id="mine")
            assert answer.get_response()["id"] == "mine"
            assert answer.as_numpy("label").dtype == bool
            assert len(set(answer.as_numpy("prediction_id").tolist())) == len(records)
            probabilities.append(answer.as_numpy("probability").tolist())
    assert probabilities == [probabilities[0]] * 4
    dry = client.infer("tiny", inputs, query_params={"dry_run": "true"})
    assert set(dry.as_numpy("prediction_id").tolist()) == {b""}

    with pytest.raises(InferenceServerException, match="distance: wanted a number"):
        client.infer("tiny", inputs[:3])
    client.close()
