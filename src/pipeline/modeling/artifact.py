"""Writes and opens data/model, the contract between training and serving: model.onnx, schema.json, metadata.json."""

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

GRAPH, SCHEMA, METADATA = "model.onnx", "schema.json", "metadata.json"
VERSION_CHARACTERS = 12
OLD_METADATA = "about.json"  # what versions that were registered before the renaming call it


def write(folder: Path, graph: onnx.ModelProto, schema: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """Replaces the folder; ``metadata`` gains the sha256 of the other two files."""
    with replaced_folder(folder) as new:
        (new / GRAPH).write_bytes(graph.SerializeToString(deterministic=True))
        (new / SCHEMA).write_text(_json(schema), encoding="utf-8")
        digests = {name: sha256(new / name) for name in (GRAPH, SCHEMA)}
        (new / METADATA).write_text(_json({**metadata, "sha256": digests}), encoding="utf-8")


def file_names(folder: Path) -> tuple[str, str, str]:
    """The names of graph, schema and metadata in ``folder``: an older directory calls its metadata about.json."""
    is_old = not (folder / METADATA).exists() and (folder / OLD_METADATA).is_file()
    return GRAPH, SCHEMA, OLD_METADATA if is_old else METADATA


def read_metadata(folder: Path) -> dict[str, Any]:
    """The content of metadata.json, after the other files were held to the digests in it.

    Raises ModelMissing where a file is absent or altered.
    """
    try:
        metadata: dict[str, Any] = json.loads((folder / file_names(folder)[-1]).read_text(encoding="utf-8"))
        altered = [name for name in (GRAPH, SCHEMA) if sha256(folder / name) != metadata["sha256"][name]]
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        raise ModelMissing(
            f"{folder} should hold {GRAPH}, {SCHEMA} and {METADATA}; {error}. Type `dvc checkout {folder}` or `make repro`."
        ) from error
    if altered:
        raise ModelMissing(
            f"{folder} was altered since it was written: {', '.join(altered)}. Type `dvc checkout --force {folder}`."
        )
    return metadata


def version(folder: Path) -> str:
    """The version by which the services call the model: metadata.json's digest, which stands for all files, cut short."""
    return sha256(folder / file_names(folder)[-1])[:VERSION_CHARACTERS]


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
