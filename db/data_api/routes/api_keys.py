"""Routes of API keys, for admins."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from data_api.crud import api_keys, users
from data_api.dependencies import AdminReads, AdminWrites, ReadSession, WriteSession
from data_api.schemas.api_keys import ApiKeyCreate, ApiKeyCreated, ApiKeyList, ApiKeyRead, ApiKeyUpdate
from data_api.schemas.queries import ApiKeyQuery
from data_api.schemas.types import RowIdInAddress, now
from service_kit.api_keys import digest
from service_kit.api_keys import new as new_key

ApiKeyId = Annotated[RowIdInAddress, Path()]
router = APIRouter(tags=["api keys"])


@router.get("/api-keys", summary="List the API keys")
def list_all(session: ReadSession, caller: AdminReads, query: Annotated[ApiKeyQuery, Query()]) -> ApiKeyList:
    """All keys, or those of one user. The keys themselves are not stored, so they are not in the list."""
    return ApiKeyList(api_keys=[ApiKeyRead.model_validate(key) for key in api_keys.list_all(session, query.user_id)])


@router.post("/api-keys", status_code=201, summary="Create an API key", responses={404: {}, 409: {}})
def create(new: ApiKeyCreate, response: Response, session: WriteSession, caller: AdminWrites) -> ApiKeyCreated:
    """The key itself is shown in this answer only."""
    users.get(session, new.user_id)
    key = new_key()
    stored = api_keys.create(session, new.user_id, new.name, digest(key), now())
    response.headers["location"] = f"/api-keys/{stored.api_key_id}"
    return ApiKeyCreated(**ApiKeyRead.model_validate(stored).model_dump(), key=key)


@router.get("/api-keys/{api_key_id}", summary="Get an API key", responses={404: {}})
def get(api_key_id: ApiKeyId, session: ReadSession, caller: AdminReads) -> ApiKeyRead:
    """The name, the user and the times of a key. The key itself is not shown again."""
    return ApiKeyRead.model_validate(api_keys.get(session, api_key_id))


@router.patch("/api-keys/{api_key_id}", summary="Rename an API key", responses={404: {}, 409: {}})
def update(api_key_id: ApiKeyId, changes: ApiKeyUpdate, session: WriteSession, caller: AdminWrites) -> ApiKeyRead:
    """The key itself stays the same and remains valid."""
    key = api_keys.get(session, api_key_id)
    api_keys.rename(session, key, changes.name)
    return ApiKeyRead.model_validate(key)


@router.delete("/api-keys/{api_key_id}", status_code=204, summary="Revoke an API key", responses={404: {}})
def revoke(api_key_id: ApiKeyId, session: WriteSession, caller: AdminWrites) -> None:
    """The key is refused from now on, for good. It stays in the list, so that it cannot be created again."""
    api_keys.revoke(session, api_keys.get(session, api_key_id), now())
