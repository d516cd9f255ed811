"""The tables. Importing this package registers all of them, as migrations need."""

from data_api.models.api_keys import ApiKey, RetiredKey
from data_api.models.base import Base
from data_api.models.deployments import Deployment
from data_api.models.events import Event, LastPosition
from data_api.models.model_versions import ModelVersion
from data_api.models.outcomes import Outcome
from data_api.models.predictions import Prediction
from data_api.models.users import Role, User

__all__ = [
    "ApiKey",
    "Base",
    "Deployment",
    "Event",
    "LastPosition",
    "ModelVersion",
    "Outcome",
    "Prediction",
    "RetiredKey",
    "Role",
    "User",
]
