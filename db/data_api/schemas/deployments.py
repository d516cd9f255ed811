"""Deployments: which model answered, from when to when."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from data_api.schemas.types import NO_NUL, Moment, Text

MOST_FILES = 1000
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32,128}$")]
Digests = Annotated[dict[Text, Digest], Field(max_length=MOST_FILES, description="Digest by file")]


class DeploymentCreate(BaseModel):
    """A model in a prediction service."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    replica: Text = Field(description="Which process answers")
    model_name: Text
    model_version: Text
    git_commit: Annotated[str, StringConstraints(max_length=64, pattern=NO_NUL)] | None
    model_uri: Annotated[str, StringConstraints(max_length=1000, pattern=NO_NUL)]
    sha256: Digests
    data: Digests
    started: Moment
    seen: Moment = Field(description="The last moment at which it is known to have answered")
    ended: Moment | None

    @model_validator(mode="after")
    def _in_order(self) -> "DeploymentCreate":
        if not self.started <= self.seen <= (self.ended or self.seen):
            raise ValueError(f"should be started <= seen <= ended; it is {self.started}, {self.seen}, {self.ended}")
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
    started: AwareDatetime
    seen: AwareDatetime
    ended: AwareDatetime | None


class DeploymentList(BaseModel):
    """Deployments, the newest first."""

    deployments: list[DeploymentRead]
    next: UUID | None = Field(description="The cursor of the next page; null on the last one")
