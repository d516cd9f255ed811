"""The Open Inference Protocol v2, which KServe, Triton and MLServer speak: requests, tensors, and the form of refusals."""
