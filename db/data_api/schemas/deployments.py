"""Schemas of deployments: which model answered, from when to when."""

from typing import Annotated
from uuid import UUID

from pydantic import AliasChoices, BaseModel, Field, StringConstraints, model_validator

from data_api.schemas.types import NO_NUL, Input, Moment, Stored, Text

MAX_FILES = 1000
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32,128}$")]
Digests = Annotated[dict[Text, Digest], Field(max_length=MAX_FILES, description="The digest of each file")]


class Deployment(BaseModel):
    """A model in a prediction service. The names ``started``, ``seen`` and ``ended`` of older services are accepted too."""

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


class DeploymentCreate(Deployment, Input):
    """A deployment to record."""

    @model_validator(mode="after")
    def _in_order(self) -> "DeploymentCreate":
        if not self.started_at <= self.last_seen_at <= (self.ended_at or self.last_seen_at):
            raise ValueError(
                "should be started_at <= last_seen_at <= ended_at; "
                f"it is {self.started_at}, {self.last_seen_at}, {self.ended_at}"
            )
        return self


class DeploymentRead(Deployment, Stored):
    """A deployment as it is stored."""

    deployment_id: UUID


class DeploymentList(BaseModel):
    """A page of deployments, the newest first."""

    deployments: list[DeploymentRead]
    next: UUID | None = Field(description="The cursor of the next page; null on the last one")
