"""The routes: each reads the request, lets the service do the work, and writes the answer."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json

from prediction_api import bodies
from prediction_api.errors import FetchFailed, ModelRefused, OutboxRefuses
from prediction_api.problems import Refusal
from prediction_api.records import NotJson, RecordsInvalid
from prediction_api.service import Service

JSON, NDJSON = "application/json", "application/x-ndjson"
NDJSON_TYPES = (NDJSON, "application/ndjson", "application/jsonl")
KEY_HEADER = "x-api-key"
UTF8 = ("", "utf-8", "utf8")
router = APIRouter()


def service_of(request: Request) -> Service:
    """The service that answers."""
    found: Service = request.app.state.service
    return found


Serving = Annotated[Service, Depends(service_of)]


@router.post("/predict", tags=["predict"], summary="Predict one record", response_class=Response)
async def predict(request: Request) -> Response:
    """Predicts one record."""
    service = service_of(request)
    caller = _caller(service, request)
    _media_type(request, (JSON,))
    body = await bodies.read(request, service.settings.max_body_bytes, service.settings.request_seconds)
    model = service.live.served.model
    try:
        (answer,) = await service.predict(model, [model.records.one(body)], caller)
    except (NotJson, RecordsInvalid, OutboxRefuses) as error:
        raise _refusal(error) from error
    return Response(to_json(answer), media_type=JSON)


@router.post("/predict/batch", tags=["predict"], summary="Predict many records", response_class=Response)
async def predict_batch(request: Request) -> Response:
    """Predicts many records: all of them, or none where one is refused."""
    service = service_of(request)
    caller = _caller(service, request)
    lines = _media_type(request, (JSON, *NDJSON_TYPES)) in NDJSON_TYPES
    body = await bodies.read(request, service.settings.max_body_bytes, service.settings.request_seconds)
    model = service.live.served.model
    try:
        records = model.records.lines(body) if lines else model.records.batch(body)
        answers = await service.predict(model, records, caller)
    except (NotJson, RecordsInvalid, OutboxRefuses) as error:
        raise _refusal(error) from error
    if lines:
        return Response(b"".join([to_json(answer) + b"\n" for answer in answers]), media_type=NDJSON)
    return Response(to_json({"predictions": answers}), media_type=JSON)


@router.get("/model", tags=["model"], summary="The model that answers")
async def model(service: Serving) -> dict[str, Any]:
    """Its name and version, the digests of its files, its metrics and schema, and where it came from."""
    served = service.live.served
    contract = served.model.contract
    about = contract.files["about.json"]
    metrics = {
        "validation": about.get("metrics", {}),
        **({"run": found} if (found := served.lineage.get("metrics")) else {}),
    }
    return {
        "name": served.model.name,
        "version": served.model.version,
        "sha256": dict(contract.sha256),
        "threshold": served.model.threshold,
        "question": contract.about.question,
        "metrics": metrics,
        "lineage": {
            **{key: value for key, value in served.lineage.items() if key != "metrics"},
            "data": contract.about.data,
            "parameters": contract.about.parameters,
            "versions": contract.about.versions,
            "loaded": datetime.fromtimestamp(served.loaded, UTC).isoformat(),
        },
        "schema": contract.files["schema.json"],
    }


@router.get("/healthz", tags=["health"], summary="Whether the process is alive")
async def healthz() -> dict[str, str]:
    """Answers while the process can answer at all."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    tags=["health"],
    summary="Whether the service has what it needs",
    responses={503: {"description": "It has not"}},
)
async def readyz(service: Serving) -> Response:
    """The model and the outbox, each by name; 503 where one of them keeps predictions from being answered."""
    live, outbox = service.live, service.outbox
    checks = {
        "model": {"ok": True, "version": live.served.model.version, "reload": live.failure or "ok"},
        "outbox": {
            "ok": not outbox.full and outbox.failure is None,
            "waiting": outbox.depth,
            "bytes": outbox.size,
            "writing": outbox.failure or ("full" if outbox.full else "ok"),
            "delivery": "off" if service.delivery is None else service.delivery.failure or "ok",
        },
    }
    ready = all(check["ok"] for check in checks.values())
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)


@router.get("/metrics", tags=["health"], summary="Metrics for Prometheus", response_class=Response)
async def metrics(service: Serving) -> Response:
    """All metrics, as text."""
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.post("/reload", tags=["model"], summary="Look for another model now")
async def reload(request: Request, service: Serving) -> dict[str, Any]:
    """Fetches, checks and takes the model that MODEL_URI names now; needs an admin's key."""
    request.state.caller = _known(service.admins.caller(request.headers.get(KEY_HEADER)), "an admin's key (ADMIN_KEYS)")
    try:
        changed = await service.live.reload()
    except (ModelRefused, FetchFailed) as error:
        version = service.live.served.model.version
        raise Refusal(502, f"{error} Version {version} goes on answering.") from error
    return {"changed": changed, "model_version": service.live.served.model.version}


PATHS = frozenset(route.path for route in router.routes if isinstance(route, APIRoute))


def _caller(service: Service, request: Request) -> str | None:
    if not service.keys:
        return None
    caller = _known(service.keys.caller(request.headers.get(KEY_HEADER)), "a key (API_KEYS)")
    request.state.caller = caller
    return caller


def _known(caller: str | None, wanted: str) -> str:
    if caller is None:
        raise Refusal(401, f"The header X-API-Key should hold {wanted}.", headers={"www-authenticate": "ApiKey"})
    return caller


def _media_type(request: Request, accepted: tuple[str, ...]) -> str:
    given = request.headers.get("content-type")
    if given is None or given == JSON:
        return JSON
    kind, _, parameters = given.partition(";")
    kind, charset = kind.strip().lower(), parameters.lower().replace(" ", "").removeprefix("charset=").strip('"')
    if kind not in accepted or charset not in UTF8:
        raise Refusal(415, f"The body should be {' or '.join(accepted)} in UTF-8; Content-Type is {given!r}.")
    return kind


def _refusal(error: NotJson | RecordsInvalid | OutboxRefuses) -> Refusal:
    if isinstance(error, NotJson):
        return Refusal(400, f"The body should be JSON in UTF-8; {error}.")
    if isinstance(error, OutboxRefuses):
        return Refusal(503, str(error))
    count = len(error.faults)
    fields = (
        "One field is not as the schema of the model wants it"
        if count == 1
        else f"{count} fields are not as the schema of the model wants them"
    )
    return Refusal(422, f"{fields}; GET /model shows it.", error.faults)
