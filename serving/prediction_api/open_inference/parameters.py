"""The parameters of a request: each is followed, or changes nothing, or is refused by its name."""

from collections.abc import Callable, Mapping
from typing import Any

from prediction_api.errors import MOST_SHOWN

DATA_SIZE, BINARY_DATA, BINARY_OUTPUT = "binary_data_size", "binary_data", "binary_data_output"
# How MLServer's clients say that a tensor is an array, a column, texts or datetimes, as which it is read anyway; not base64.
CONTENT_TYPES = ("np", "pd", "str", "datetime")
Checks = Mapping[str, tuple[Callable[[Any], bool], str]]  # of each parameter, and in words


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


CONTENT_TYPE: Checks = {"content_type": (CONTENT_TYPES.__contains__, f"one of {', '.join(CONTENT_TYPES)}")}
OF_REQUEST: Checks = {
    BINARY_OUTPUT: (_is_boolean, "true or false"),
    "priority": (_is_number, "a number"),  # like the next, of how soon an answer is wanted, not of what is in it
    "timeout": (_is_number, "a number"),
    **CONTENT_TYPE,
}
OF_INPUT: Checks = {DATA_SIZE: (lambda _: True, ""), **CONTENT_TYPE}  # the size is held to the bytes that follow
OF_OUTPUT: Checks = {BINARY_DATA: (_is_boolean, "true or false"), **CONTENT_TYPE}


def fault(owner: str, parameters: Mapping[str, Any] | None, checks: Checks) -> str | None:
    """What is wrong with the first parameter of ``owner`` at fault; a parameter that is null counts as absent."""
    for name, value in (parameters or {}).items():
        if value is None:
            continue
        if name not in checks:
            return f"the parameter {name[:MOST_SHOWN]!r} of {owner} is not supported; supported are {', '.join(checks)}"
        is_right, words = checks[name]
        if not is_right(value):
            return f"the parameter {name!r} of {owner} should be {words}; it is {str(value)[:MOST_SHOWN]!r}"
    return None
