"""Writes the outputs of an inference: as JSON, and after it in binary form those that the caller wants so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic_core import to_json

from prediction_api.open_inference.parameters import DATA_SIZE
from prediction_api.open_inference.tensor_reader import LENGTH


@dataclass(frozen=True)
class OutputTensor:
    """The values [n] of an output: numbers of FP64, booleans of BOOL, or texts, whose type is BYTES."""

    name: str
    datatype: str
    values: npt.NDArray[np.float64] | npt.NDArray[np.bool_] | Sequence[str]


def write(
    head: dict[str, Any], outputs: Sequence[OutputTensor], is_binary: Callable[[str], bool]
) -> tuple[bytes, int | None]:
    """The body of an answer, and of how many bytes its JSON is: None where nothing follows it."""
    described, contents = [], []
    for output in outputs:
        about = {"name": output.name, "datatype": output.datatype, "shape": [len(output.values)]}
        if is_binary(output.name):
            content = _content(output)
            contents.append(content)
            described.append({**about, "parameters": {DATA_SIZE: len(content)}})
        else:
            values = output.values
            described.append({**about, "data": values.tolist() if isinstance(values, np.ndarray) else values})
    text = to_json({**head, "outputs": described})
    return b"".join((text, *contents)), len(text) if contents else None


def _content(output: OutputTensor) -> bytes:
    if isinstance(output.values, np.ndarray):
        return output.values.tobytes()
    texts = [text.encode() for text in output.values]
    return b"".join([part for text in texts for part in (LENGTH.pack(len(text)), text)])
