"""HTTP client of the board."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.clients.environment import setting
from pipeline.clients.services import SETTINGS, Service
from pipeline.support.errors import OntimeError


class BoardService(Service):
    """The board; requests are sent once, because its 503 says in which state it is."""

    def __init__(self, url: str, key: str = "") -> None:
        super().__init__(url, "BOARD_URL", "PREDICTION_API_KEY", retries=0)
        if key:
            self._session.headers["X-API-Key"] = key

    def check(self) -> None:
        """Raises ServiceUnavailable or ServiceRejected unless it runs."""
        self.get("/healthz")

    def log(self) -> dict[str, Any]:
        """What the board says of the event log; raises ServiceRejected where it is not ready."""
        log: dict[str, Any] = self.get("/readyz")["checks"]["log"]
        return log

    def upcoming(self, hours: float) -> dict[str, Any]:
        """The content of GET /upcoming: what is due in the next hours of the log, by the name of its table."""
        return self.get("/upcoming", hours=hours)

    def predict(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of POST /predictions."""
        return self.post("/predictions", json=question)

    def state(self) -> str:
        """The state that the board reports, in a sentence."""
        try:
            return f"{self.url} is ready: {json.dumps(self.get('/readyz'))}."
        except OntimeError as error:
            return str(error)


def from_environment(environment: Mapping[str, str]) -> BoardService:
    """A client of the board, at the address that SETTINGS give."""
    return BoardService(*(setting(name, SETTINGS[name][0], environment) for name in ("BOARD_URL", "PREDICTION_API_KEY")))
