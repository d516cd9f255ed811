"""LitServe with the model's graph: `python litserve_server.py PORT`.

As its pages have it for speed: a worker for each processor, the fast queue, single records that wait together run together.
"""

import os
import sys

import litserve
from graph import Graph


class One(litserve.LitAPI):
    """A record a request, run with those that wait."""

    def setup(self, device):
        self.graph = Graph()

    def batch(self, records):
        return records

    def predict(self, records):
        return self.graph.predict(records)

    def unbatch(self, probabilities):
        return probabilities

    def encode_response(self, probability):
        return {"probability": probability}


class Many(litserve.LitAPI):
    """A list of records a request."""

    def setup(self, device):
        self.graph = Graph()

    def predict(self, request):
        return self.graph.predict(request["records"])

    def encode_response(self, probabilities):
        return {"probabilities": probabilities}


if __name__ == "__main__":
    apis = [One(api_path="/predict", max_batch_size=8), Many(api_path="/predict/batch")]
    server = litserve.LitServer(apis, accelerator="cpu", workers_per_device=os.cpu_count() or 1, fast_queue=True)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning")
