"""A runtime of MLServer with the model's graph, for tensors in the JSON of the Open Inference Protocol."""

import numpy as np
from graph import Graph
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

ROW = {"numbers": np.float32, "datetimes": np.float64}


class Flights(MLModel):
    """The graph's inputs by name, row after row."""

    async def load(self) -> bool:
        self.graph = Graph()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        arrays = {}
        for tensor in payload.inputs:
            if tensor.name in ROW:
                arrays[tensor.name] = NumpyCodec.decode_input(tensor).astype(ROW[tensor.name], copy=False)
            else:
                arrays[tensor.name] = np.array(StringCodec.decode_input(tensor), object).reshape(tensor.shape)
        probabilities = np.array(self.graph.run(arrays))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probability", probabilities)])
