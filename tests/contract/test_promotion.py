"""What `make promote` records in the registry, the prediction service reads."""

from datetime import UTC, datetime
from types import SimpleNamespace

from pipeline.registry.champion_history import AliasChange
from pipeline.registry.mlflow_registry import Registry
from prediction_api.model import model_download


class Client:
    """A registry with one model and its tags and aliases, in place of MLflow's client."""

    def __init__(self):
        self.model = SimpleNamespace(tags={}, aliases={})

    def search_registered_models(self, _condition):
        return [self.model]

    def get_model_version(self, _name, number):
        return SimpleNamespace(version=number, tags={})

    def set_registered_model_alias(self, _name, alias, number):
        self.model.aliases[alias] = number

    def set_registered_model_tag(self, _name, tag, value):
        self.model.tags[tag] = value


def test_the_service_knows_when_how_and_why_a_version_became_champion():
    registry = Registry.__new__(Registry)
    registry._client = client = Client()
    for version, before in ((1, None), (2, 1)):
        moment = datetime(2026, 11, version, 12, 30, tzinfo=UTC)
        registry.change_champion(AliasChange(moment, version, "promoted", f"reason {version}", "c0ffee", "me", before))

    promotion = model_download._promotion(client.model.tags, "1")
    assert promotion is not None
    assert (promotion["kind"], promotion["why"]) == ("promoted", "reason 1")
    assert promotion["time"].startswith("2026-11-01T12:30:00")
    assert model_download._promotion(client.model.tags, 3) is None
