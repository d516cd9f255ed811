"""What a person writes into conf/ to keep a point of a search: each override that moved something, where it belongs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.config.flatten import leaves

DEFAULTS = "conf/config.yaml"


def lines(
    point: Sequence[str], groups: Mapping[str, str], committed: Mapping[str, Any], chosen: Mapping[str, Any]
) -> Iterator[str]:
    """One line for each override of a point that is not what is committed.

    ``groups`` is the committed choice of each group of conf/; ``committed`` and ``chosen`` are parameters by full key.
    """
    for override in point:
        key, _, value = override.lstrip("+").partition("=")
        if key in groups:
            if groups[key] != value:
                yield f"{key}: {value} in the defaults of {DEFAULTS}    (was {groups[key]})"
        elif key.startswith("~"):
            yield f"without {key[1:]}"
        elif key not in chosen:  # a whole list or mapping
            yield f"{key}: {value}"
        elif key not in committed or committed[key] != chosen[key]:
            yield f"{key}: {chosen[key]}    (was {committed.get(key, 'nothing')})"


def choices(config: Mapping[str, Any]) -> dict[str, str]:
    """The choice of each group in the ``defaults`` of conf/config.yaml."""
    found = (one for one in config.get("defaults", ()) if isinstance(one, Mapping))
    return {key: str(value) for one in found for key, value in leaves(one)}
