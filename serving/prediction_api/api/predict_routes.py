"""The two routes that predict, in plain ASGI: what a framework adds to each request would cost more than the model does.

The rest of the API is in `routes`, with all that FastAPI offers.
"""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from starlette.types import Receive, Scope

from prediction_api.api import request_body
from prediction_api.app_state import AppState
from prediction_api.errors import OutboxUnavailable
from prediction_api.keys import KEY_HEADER, known
from prediction_api.model.request_schema import RECORD_BYTES, InvalidJson, InvalidRecords
from prediction_api.problems import ProblemError

Headers = Mapping[bytes, bytes]
Content = tuple[bytes, bytes]  # a body and its media type
JSON, NDJSON = b"application/json", b"application/x-ndjson"
LINES = frozenset((NDJSON, b"application/ndjson", b"application/jsonl"))
UTF8 = ("", "utf-8", "utf8")
PREDICT, BATCH = "/predict", "/predict/batch"


class PredictRoutes:
    """Answers POST on the two routes; each raises Refusal for what it does not answer as asked."""

    def __init__(self, service: AppState) -> None:
        self._service = service
        self.routes = {PREDICT: self.one, BATCH: self.batch}

    async def one(self, scope: Scope, headers: Headers, receive: Receive) -> Content:
        """Predicts the record in the body."""
        service = self._service
        caller = self._caller(scope, headers)
        _media_type(headers, (JSON,))
        most = service.settings.max_body_bytes
        body = await (
            request_body.read(receive, RECORD_BYTES, "one record")
            if most > RECORD_BYTES
            else request_body.read(receive, most)
        )
        model = service.live.served.model
        try:
            answer = await service.together.predict(model, model.records.one(body), caller)
        except (InvalidJson, InvalidRecords, OutboxUnavailable) as error:
            raise _refusal(error) from error
        return to_json(answer), JSON

    async def batch(self, scope: Scope, headers: Headers, receive: Receive) -> Content:
        """Predicts all records in the body, or none where one is refused."""
        service = self._service
        caller = self._caller(scope, headers)
        lines = _media_type(headers, (JSON, *LINES)) in LINES
        body = await request_body.read(receive, service.settings.max_body_bytes)
        model = service.live.served.model
        try:
            records = model.records.lines(body) if lines else model.records.batch(body)
            answers = await service.predict(model, [(record, caller) for record in records])
        except (InvalidJson, InvalidRecords, OutboxUnavailable) as error:
            raise _refusal(error) from error
        if lines:
            return b"".join([to_json(answer) + b"\n" for answer in answers]), NDJSON
        return to_json({"predictions": answers}), JSON

    def _caller(self, scope: Scope, headers: Headers) -> str | None:
        keys = self._service.keys
        if not keys:
            return None
        caller = known(keys, headers.get(KEY_HEADER), "a key (API_KEYS)")
        scope["state"]["caller"] = caller
        return caller


def _media_type(headers: Headers, accepted: tuple[bytes, ...]) -> bytes:
    if (encoding := headers.get(b"content-encoding", b"identity")) != b"identity":
        raise ProblemError(415, f"The body should not be encoded; it is, as {_text(encoding)}.", headers=request_body.CLOSE)
    given = headers.get(b"content-type", JSON)
    if given in accepted:
        return given
    kind, _, parameters = given.partition(b";")
    kind = kind.strip().lower()
    charset = _text(parameters).lower().replace(" ", "").removeprefix("charset=").strip('"')
    if kind not in accepted or charset not in UTF8:
        wanted = " or ".join(_text(one) for one in accepted)
        raise ProblemError(
            415, f"The body should be {wanted} in UTF-8; Content-Type is {_text(given)!r}.", headers=request_body.CLOSE
        )
    return kind


def _refusal(error: InvalidJson | InvalidRecords | OutboxUnavailable) -> ProblemError:
    if isinstance(error, InvalidJson):
        return ProblemError(400, f"The body should be JSON in UTF-8; {error}.")
    if isinstance(error, OutboxUnavailable):
        return ProblemError(503, str(error))
    count = len(error.faults)
    which = (
        "One field is not as the schema of the model wants it"
        if count == 1
        else f"{count} fields are not as the schema of the model wants them"
    )
    return ProblemError(422, f"{which}; GET /model shows it.", error.faults)


def _text(value: bytes) -> Any:
    return value.decode("latin-1")
