"""Schemas of users and tokens."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from data_api.models import Role
from data_api.schemas.types import Input, Name, Stored


def _encodable(password: SecretStr) -> SecretStr:
    try:
        password.get_secret_value().encode()
    except UnicodeEncodeError as error:
        raise ValueError("should be text in UTF-8") from error
    return password


Password = Annotated[
    SecretStr,
    Field(min_length=12, max_length=256, description="For logging in; a service needs an API key instead"),
    AfterValidator(_encodable),
]


class UserCreate(Input):
    """A user to create."""

    name: Name
    role: Role
    password: Password | None = None


class UserUpdate(Input):
    """Changes of a user; they invalidate earlier tokens."""

    role: Role | None = None
    password: Password | None = None

    @model_validator(mode="after")
    def _has_changes(self) -> "UserUpdate":
        if self.role is None and self.password is None:
            raise ValueError("should hold a role, a password or both")
        return self


class UserRead(Stored):
    """A user, without the password."""

    user_id: int
    name: str
    role: Role
    created: datetime = Field(validation_alias="created_at")


class UserList(BaseModel):
    """All users, ordered by name."""

    users: list[UserRead]


class TokenRead(BaseModel):
    """The answer of POST /token (RFC 6749)."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds until the token expires")
