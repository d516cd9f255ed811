"""What has to be true before a replay begins: the services serve this model, and the event log holds nothing else."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeline.clients.services import DataService, PredictionService
from pipeline.config.paths import MODEL
from pipeline.files.digests import sha256
from pipeline.modeling import artifact
from pipeline.support.errors import OntimeError


class ReplayImpossible(OntimeError):
    """There is no test table, or the services are not set up for a replay."""


def check(prediction: PredictionService, store: DataService) -> dict[str, Any]:
    """The metadata of data/model. Raises ReplayImpossible where the services cannot give the scores of this model."""
    metadata, model = artifact.read_metadata(MODEL), prediction.model()
    ours = {name: sha256(MODEL / name) for name in artifact.file_names(MODEL)}
    other = [name for name, digest in model["sha256"].items() if ours.get(name) != digest]
    if other:
        raise ReplayImpossible(
            f"{prediction.url} should serve the model in {MODEL}; it serves version {model['version']}, "
            f"of which {', '.join(other)} differ. Start it with MODEL_URI={MODEL}, or POST /reload."
        )
    if prediction.delivery() == "off":
        raise ReplayImpossible(
            f"{prediction.url} should deliver its predictions to {store.url}; it delivers nowhere. "
            f"Start it with DATA_API_URL={store.url} and DATA_API_KEY."
        )
    store.log_in()
    return metadata


def check_log(log: Mapping[str, Any], start: datetime, end: datetime, url: str) -> None:
    """Raises ReplayImpossible unless the event log is empty, or begins and ends like one of this replay.

    ``log`` is the answer of `GET /events/watermark`.
    """
    if log["watermark"] is None:
        return
    first, last = (datetime.fromisoformat(log[name]) for name in ("first_known_at", "watermark"))
    if first != start or last > end:
        raise ReplayImpossible(
            f"The event log of {url} should be empty, or hold this replay, {_text(start)} to {_text(end)} (UTC); it holds "
            f"events from {_text(first)} to {_text(last)}. Start the services on an empty database, such as with "
            "DATABASE_URL=sqlite:////tmp/demo.db and OUTBOX_DIR=/tmp/demo-outbox."
        )


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
