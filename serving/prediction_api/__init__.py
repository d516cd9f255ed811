"""The prediction service: answers from a model directory (model.onnx, schema.json, metadata.json) and from nothing else."""

import os

# ONNX Runtime reports each model that it opens to its makers unless told not to, before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
