"""What the committed model scored on its test rows, as a reference for live scores."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Interval:
    """A score with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def read(path: Path) -> Mapping[str, Interval]:
    """The scores of data/report/metrics.json, by name."""
    return {name: Interval(**one) for name, one in json.loads(path.read_text(encoding="utf-8")).items()}
