"""Requests of the Open Inference Protocol, made by hand."""

import json
import struct

DATATYPES = {"departs": "BYTES", "carrier": "BYTES", "season": "BYTES", "distance": "FP64", "delay": "FP64"}
HEADER = "Inference-Header-Content-Length"
NAN = float("nan")


def tensors(records, **changes):
    """Records as tensors in JSON, with changes of whole tensors by their name; None leaves one out."""
    inputs = [
        {
            "name": name,
            "datatype": datatype,
            "shape": [len(records)],
            "data": [(NAN if datatype == "FP64" else "") if record[name] is None else record[name] for record in records],
        }
        | (changes.get(name) or {})
        for name, datatype in DATATYPES.items()
        if changes.get(name, {}) is not None
    ]
    return {"inputs": inputs}


def texts(values):
    """Texts in binary form."""
    return b"".join(struct.pack("<I", len(value.encode())) + value.encode() for value in values)


def binary(request):
    """A request in JSON with all of its tensors in binary form: the body and its headers."""
    contents, inputs = [], []
    for declared in request["inputs"]:
        tensor = dict(declared)
        data = tensor.pop("data")
        contents.append(texts(data) if tensor["datatype"] == "BYTES" else struct.pack(f"<{len(data)}d", *data))
        inputs.append(tensor | {"parameters": {"binary_data_size": len(contents[-1])}})
    return joined({**request, "inputs": inputs}, *contents)


def joined(request, *contents):
    """A body of JSON and what follows it, and its headers."""
    head = json.dumps(request).encode()
    return b"".join((head, *contents)), {HEADER: str(len(head)), "content-type": "application/octet-stream"}
