"""API keys: managed by admins."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.orm import Session

from data_api.auth import keys
from data_api.crud import api_keys, users
from data_api.dependencies import AdminReads, AdminWrites, Reads, Writes
from data_api.http.openapi_responses import refusals
from data_api.http.problems import Refusal
from data_api.models import ApiKey
from data_api.schemas.api_keys import ApiKeyChange, MadeApiKey, NewApiKey, ShownApiKey, ShownApiKeys
from data_api.schemas.types import now

ApiKeyId = Annotated[int, Path(ge=1, le=2**31 - 1)]
router = APIRouter(tags=["api keys"])


@router.get("/api-keys", summary="All keys", responses=refusals(401, 403, 422))
def every(
    session: Reads, caller: AdminReads, user_id: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None
) -> ShownApiKeys:
    """Or those of one user; without what opens."""
    return ShownApiKeys(api_keys=[ShownApiKey.model_validate(key) for key in api_keys.every(session, user_id)])


@router.post("/api-keys", status_code=201, summary="Make a key", responses=refusals(400, 401, 403, 404, 409, 413, 415, 422))
def make(new: NewApiKey, response: Response, session: Writes, caller: AdminWrites) -> MadeApiKey:
    """The key itself is in this answer and nowhere else."""
    if users.by_id(session, new.user_id) is None:
        raise Refusal(404, f"There is no user {new.user_id}.")
    key = keys.new()
    made = api_keys.make(session, new.user_id, new.name, keys.digest(key), now())
    response.headers["location"] = f"/api-keys/{made.api_key_id}"
    return MadeApiKey(**ShownApiKey.model_validate(made).model_dump(), key=key)


@router.get("/api-keys/{api_key_id}", summary="One key", responses=refusals(401, 403, 404, 422))
def one(api_key_id: ApiKeyId, session: Reads, caller: AdminReads) -> ShownApiKey:
    """Without what opens."""
    return ShownApiKey.model_validate(_found(session, api_key_id))


@router.patch("/api-keys/{api_key_id}", summary="Rename a key", responses=refusals(400, 401, 403, 404, 409, 413, 415, 422))
def change(api_key_id: ApiKeyId, changed: ApiKeyChange, session: Writes, caller: AdminWrites) -> ShownApiKey:
    """It opens as before."""
    key = _found(session, api_key_id)
    api_keys.rename(session, key, changed.name)
    return ShownApiKey.model_validate(key)


@router.delete("/api-keys/{api_key_id}", status_code=204, summary="Revoke a key", responses=refusals(401, 403, 404, 422))
def revoke(api_key_id: ApiKeyId, session: Writes, caller: AdminWrites) -> None:
    """At once and for ever. It stays in the list, so that nobody makes it again."""
    api_keys.revoke(session, _found(session, api_key_id), now())


def _found(session: Session, api_key_id: int) -> ApiKey:
    key = api_keys.by_id(session, api_key_id)
    if key is None:
        raise Refusal(404, f"There is no key {api_key_id}.")
    return key
