"""The prediction service, as the board asks it: the model, predictions, and their reasons."""

from collections.abc import Mapping, Sequence
from typing import Any

from board.clients.service import Service


class PredictionService(Service):
    """The prediction service."""

    async def model(self) -> dict[str, Any]:
        """The content of GET /model: the model that answers."""
        return await self.get_json("/model")

    async def predict(self, records: Sequence[Any], subjects: Sequence[Any]) -> list[dict[str, Any]]:
        """The predictions of records about subjects, in their order."""
        answer = await self.post_json("/predict/batch", {"records": records, "subjects": subjects})
        predictions: list[dict[str, Any]] = answer["predictions"]
        return predictions

    async def ask_about(self, record: Mapping[str, Any], reasons: bool, dry_run: bool) -> dict[str, Any]:
        """The prediction of one record, with its reasons or without them; a dry run is not stored.

        Raises ContentRejected where the record is not as the model takes it, or (409) where the model knows no reasons.
        """
        query = f"reasons={str(reasons).lower()}&dry_run={str(dry_run).lower()}"
        return await self.post_json(f"/predict?{query}", record)

    async def explain(self, records: Sequence[Any]) -> list[dict[str, Any]]:
        """The predictions of records with their reasons, in their order; nothing of it is stored."""
        answer = await self.post_json("/predict/batch?reasons=true&dry_run=true", {"records": records})
        predictions: list[dict[str, Any]] = answer["predictions"]
        return predictions
