"""The prediction service: answers from a model directory (model.onnx, schema.json, about.json) and from nothing else."""
