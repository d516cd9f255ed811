"""BentoML with the model's graph: `bentoml serve bentoml_service:Flights`.

As its pages have it for speed: a worker for each processor, single records that wait together run together.
"""

from typing import Any

import bentoml
from graph import Graph


@bentoml.service(workers="cpu_count", logging={"access": {"enabled": False}})
class Flights:
    """A list of records a request."""

    def __init__(self) -> None:
        self.graph = Graph()

    @bentoml.api(route="/predict", batchable=True)
    def one(self, records: list[dict[str, Any]]) -> list[float]:
        return self.graph.predict(records)

    @bentoml.api(route="/predict/batch")
    def many(self, records: list[dict[str, Any]]) -> list[float]:
        return self.graph.predict(records)
