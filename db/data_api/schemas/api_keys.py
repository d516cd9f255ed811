"""API keys, as admins see and make them."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from data_api.schemas.types import Name


class ApiKeyCreate(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    user_id: int = Field(ge=1, le=2**31 - 1, description="Whose key it is: it may do what they may")
    name: Name = Field(description="What it is for")


class ApiKeyUpdate(BaseModel):
    """What to change of a key."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class ApiKeyRead(BaseModel):
    """A key, without what opens."""

    model_config = ConfigDict(from_attributes=True, validate_by_name=True)

    api_key_id: int
    user_id: int
    name: str
    created: datetime = Field(validation_alias="created_at")
    last_used: datetime | None = Field(validation_alias="last_used_at", description="To about half a minute")
    revoked: datetime | None = Field(validation_alias="revoked_at")


class ApiKeyList(BaseModel):
    """All keys, the revoked ones too."""

    api_keys: list[ApiKeyRead]


class ApiKeyCreated(ApiKeyRead):
    """A key that was just made."""

    key: str = Field(description="For the header X-API-Key; shown this once")
