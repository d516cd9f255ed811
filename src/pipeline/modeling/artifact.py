"""Writes and opens data/model, the contract between training and serving: model.onnx, schema.json, about.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from pipeline.files.atomic_write import replaced_folder
from pipeline.files.digests import sha256
from pipeline.support.errors import ModelMissing

GRAPH, SCHEMA, ABOUT = "model.onnx", "schema.json", "about.json"


def write(folder: Path, graph: onnx.ModelProto, schema: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Replaces the folder; ``about`` gains the sha256 of the other two files."""
    with replaced_folder(folder) as new:
        (new / GRAPH).write_bytes(graph.SerializeToString(deterministic=True))
        (new / SCHEMA).write_text(_json(schema), encoding="utf-8")
        digests = {name: sha256(new / name) for name in (GRAPH, SCHEMA)}
        (new / ABOUT).write_text(_json({**about, "sha256": digests}), encoding="utf-8")


def read_metadata(folder: Path) -> dict[str, Any]:
    """The content of about.json, after the other files were held to the digests in it.

    Raises ModelMissing where a file is absent or altered.
    """
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        altered = [name for name in (GRAPH, SCHEMA) if sha256(folder / name) != about["sha256"][name]]
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        raise ModelMissing(
            f"{folder} should hold {GRAPH}, {SCHEMA} and {ABOUT}; {error}. Type `dvc checkout {folder}` or `make repro`."
        ) from error
    if altered:
        raise ModelMissing(
            f"{folder} was altered since it was written: {', '.join(altered)}. Type `dvc checkout --force {folder}`."
        )
    return about


def session(graph: Path | bytes) -> onnxruntime.InferenceSession:
    """Opens a graph with one thread: partial sums of several would differ in their last bits from machine to machine."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def probability(model: onnxruntime.InferenceSession, arrays: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    """The probability [n] of each row of the packed inputs."""
    (result,) = model.run(["probability"], dict(arrays))
    return np.asarray(result, np.float64)


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
