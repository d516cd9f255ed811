"""Walks nested settings by their full dotted key."""

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(values: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value in nested mappings and lists with its full key, such as ``data.split.by`` or ``data.slices[0]``.

    An empty mapping or list is a value of its own.
    """
    if isinstance(values, Mapping) and values:
        for name, value in values.items():
            yield from leaves(value, f"{key}.{name}" if key else str(name))
    elif isinstance(values, list | tuple) and values:
        for index, value in enumerate(values):
            yield from leaves(value, f"{key}[{index}]")
    else:
        yield key, values
