"""Schemas of API keys."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from data_api.schemas.types import Input, Name, RowIdInJson, Stored


class ApiKeyCreate(Input):
    """A key to create."""

    user_id: RowIdInJson = Field(description="The owner; the key has the permissions of this user")
    name: Name = Field(description="The purpose of the key")


class ApiKeyUpdate(Input):
    """Changes of a key."""

    name: Name


class ApiKeyRead(Stored):
    """What is stored about a key, without the key itself."""

    model_config = ConfigDict(validate_by_name=True)

    api_key_id: int
    user_id: int
    name: str
    created: datetime = Field(validation_alias="created_at")
    last_used: datetime | None = Field(validation_alias="last_used_at", description="Accurate to about half a minute")
    revoked: datetime | None = Field(validation_alias="revoked_at")


class ApiKeyList(BaseModel):
    """All keys, including revoked ones."""

    api_keys: list[ApiKeyRead]


class ApiKeyCreated(ApiKeyRead):
    """A new key."""

    key: str = Field(description="For the header X-API-Key; shown only once")
