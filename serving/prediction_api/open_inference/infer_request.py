"""An inference request: its JSON, held to the form that the protocol gives it, and the binary tensors that follow it.

The protocol: https://github.com/kserve/open-inference-protocol; the binary tensors are an extension of Triton's:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from pydantic_core import from_json

from prediction_api.errors import MOST_SHOWN
from prediction_api.open_inference import parameters
from prediction_api.open_inference.parameters import BINARY_DATA, BINARY_OUTPUT, DATA_SIZE

HEADER_LENGTH = "Inference-Header-Content-Length"  # bytes of JSON; what follows are binary tensors
MOST_DIGITS, MOST_DIMENSIONS, MOST_OUTPUTS = 12, 8, 100
MARKS = b",[{"  # each value, array and object of a JSON text but the first has one of these before it
LEAST_MARKS, MARKS_A_VALUE = 10_000, 4  # more than any honest request has: a value in an array of its own takes two
Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class InvalidTensors(ValueError):
    """A body that is no inference request, or whose tensors are not as it declares them; says what is wrong."""


class InputTensor(msgspec.Struct):
    """A tensor as the JSON declares it; ``data`` is None where it follows in binary form."""

    name: str
    datatype: str
    shape: Annotated[list[Size], msgspec.Meta(max_length=MOST_DIMENSIONS)]
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class RequestedOutput(msgspec.Struct):
    """An output that the caller wants."""

    name: str
    parameters: dict[str, Any] | None = None


class RequestHeader(msgspec.Struct):
    """The JSON of a request."""

    inputs: Annotated[list[InputTensor], msgspec.Meta(min_length=1)]
    id: str | None = None
    outputs: Annotated[list[RequestedOutput], msgspec.Meta(max_length=MOST_OUTPUTS)] | None = None
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True)
class InferRequest:
    """A request, and the bytes of its inputs in their order: None of those whose values are in the JSON."""

    header: RequestHeader
    contents: list[memoryview | None]

    def is_binary(self, output: str) -> bool:
        """Whether the caller wants an output in binary form."""
        outputs = reversed(self.header.outputs or [])
        choice = next(((wanted.parameters or {}).get(BINARY_DATA) for wanted in outputs if wanted.name == output), None)
        default = (self.header.parameters or {}).get(BINARY_OUTPUT)
        return bool(default if choice is None else choice)


def read_request(body: bytes, header_length: str | None, most_values: int) -> InferRequest:
    """A request from its body and its header HEADER_LENGTH; raises InvalidTensors, also for JSON with many more values."""
    size = _header_size(body, header_length)
    header = _read_header(body[:size], most_values)
    _check_parameters(header)
    return InferRequest(header, _split(memoryview(body)[size:], header.inputs))


def _header_size(body: bytes, header_length: str | None) -> int:
    if header_length is None:
        return len(body)
    if not (header_length.isascii() and header_length.isdigit() and len(header_length) <= MOST_DIGITS):
        raise InvalidTensors(f"{HEADER_LENGTH} should be the number of bytes of its JSON")
    if (size := int(header_length)) > len(body):
        raise InvalidTensors(f"{HEADER_LENGTH} is {size:,}, and the whole body has {len(body):,} bytes")
    return size


def _read_header(content: bytes, most_values: int) -> RequestHeader:
    if sum(content.count(mark) for mark in MARKS) > LEAST_MARKS + MARKS_A_VALUE * most_values:
        raise InvalidTensors(f"its JSON holds many more than {most_values:,} values")
    try:
        return msgspec.convert(from_json(content), RequestHeader)
    except msgspec.ValidationError as error:
        raise InvalidTensors(f"its JSON has another form: {error}") from error
    except ValueError as error:
        raise InvalidTensors(f"its JSON cannot be read: {error}") from error


def _check_parameters(header: RequestHeader) -> None:
    owners = [("the request", header.parameters, parameters.OF_REQUEST)]
    owners += [(_named("input", tensor.name), tensor.parameters, parameters.OF_INPUT) for tensor in header.inputs]
    owners += [(_named("output", output.name), output.parameters, parameters.OF_OUTPUT) for output in header.outputs or []]
    for owner in owners:
        if fault := parameters.fault(*owner):
            raise InvalidTensors(fault)


def _named(kind: str, name: str) -> str:
    return f"the {kind} {name[:MOST_SHOWN]!r}"


def _split(content: memoryview, inputs: list[InputTensor]) -> list[memoryview | None]:
    """The bytes of each input, which follow one another without a gap."""
    contents: list[memoryview | None] = []
    start = 0
    for tensor in inputs:
        size = (tensor.parameters or {}).get(DATA_SIZE)
        if (size is None) == (tensor.data is None):
            raise InvalidTensors(f"{_named('input', tensor.name)} should have either data or {DATA_SIZE}")
        if size is None:
            contents.append(None)
            continue
        if type(size) is not int or not 0 <= size <= len(content) - start:
            raise InvalidTensors(
                f"{DATA_SIZE} of {_named('input', tensor.name)} should be a number of bytes that follow; "
                f"there are {len(content) - start:,}"
            )
        contents.append(content[start : start + size])
        start += size
    if start < len(content):
        raise InvalidTensors(f"{len(content) - start:,} bytes follow that belong to no input")
    return contents
