"""What the committed model scored on its test rows, as a reference for live scores."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Interval(NamedTuple):
    """A score with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f}, with a 95 % interval from {self.low:.3f} to {self.high:.3f}"


def read(path: Path) -> Mapping[str, Interval]:
    """The scores of data/report/intervals.json, by name."""
    return {name: Interval(**score) for name, score in json.loads(path.read_text(encoding="utf-8")).items()}
