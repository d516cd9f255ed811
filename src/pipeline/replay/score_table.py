"""Prints live and offline scores side by side."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.replay import comparison
from pipeline.replay.comparison import Scores
from pipeline.support import console_table


def show(live: Scores, offline: Scores, groups: Sequence[Mapping[str, Any]], more: Iterable[Sequence[str]] = ()) -> None:
    """Prints both sides of each score, ``more`` rows, and the scores of each model version where more than one answered."""
    differences = {name: comparison.difference(live[name], offline[name]) for name in live}
    lines = ([name, _text(live[name]), _text(offline[name]), f"{d:.1e}" if d else "0"] for name, d in differences.items())
    console_table.show(["score", "live", "offline", "difference"], [*lines, *more])
    if len(groups) > 1:
        by_version = [comparison.live(group) for group in groups]
        rows = ([name, *(_text(scores[name]) for scores in by_version)] for name in comparison.NAMES)
        console_table.show(["of model version", *(str(group["group"]) for group in groups)], rows)


def _text(score: float | None) -> str:
    return "undefined" if score is None else f"{score:,}" if isinstance(score, int) else f"{score:.6f}"
