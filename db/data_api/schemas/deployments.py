"""Schemas of deployments: which model answered, from when to when."""

from typing import Annotated
from uuid import UUID

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from data_api.schemas.types import NO_NUL, Moment, Text

MAX_FILES = 1000
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32,128}$")]
Digests = Annotated[dict[Text, Digest], Field(max_length=MAX_FILES, description="The digest of each file")]


class DeploymentCreate(BaseModel):
    """A model in a prediction service. The names ``started``, ``seen`` and ``ended`` of older services are accepted too."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    replica: Text = Field(description="The process that answers")
    model_name: Text
    model_version: Text
    git_commit: Annotated[str, StringConstraints(max_length=64, pattern=NO_NUL)] | None
    model_uri: Annotated[str, StringConstraints(max_length=1000, pattern=NO_NUL)]
    sha256: Digests
    data: Digests
    started_at: Moment = Field(validation_alias=AliasChoices("started_at", "started"))
    last_seen_at: Moment = Field(
        validation_alias=AliasChoices("last_seen_at", "seen"),
        description="The last moment at which it is known to have answered",
    )
    ended_at: Moment | None = Field(validation_alias=AliasChoices("ended_at", "ended"))

    @model_validator(mode="after")
    def _in_order(self) -> "DeploymentCreate":
        if not self.started_at <= self.last_seen_at <= (self.ended_at or self.last_seen_at):
            raise ValueError(
                "should be started_at <= last_seen_at <= ended_at; "
                f"it is {self.started_at}, {self.last_seen_at}, {self.ended_at}"
            )
        return self


class DeploymentRead(BaseModel):
    """A deployment as it is stored."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())

    deployment_id: UUID
    replica: str
    model_name: str
    model_version: str
    git_commit: str | None
    model_uri: str
    sha256: dict[str, str]
    data: dict[str, str]
    started_at: AwareDatetime
    last_seen_at: AwareDatetime
    ended_at: AwareDatetime | None


class DeploymentList(BaseModel):
    """A page of deployments, the newest first."""

    deployments: list[DeploymentRead]
    next: UUID | None = Field(description="The cursor of the next page; null on the last one")
