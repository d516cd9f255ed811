"""Prints the scores of a replay: live and offline, and those of each model version that answered."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.replay import comparison
from pipeline.replay.comparison import ScoreComparison
from pipeline.support import console_table


def show(lines: Sequence[ScoreComparison], groups: Sequence[Mapping[str, Any]]) -> None:
    """Prints both sides of each score, and the scores of each model version where more than one answered."""
    console_table.show(["score", "live", "offline", "difference"], (_cells(line) for line in lines))
    if len(groups) > 1:
        by_version = [comparison.live(group) for group in groups]
        rows = ([name, *(_number(scores[name]) for scores in by_version)] for name in comparison.NAMES)
        console_table.show(["of model version", *(str(group["group"]) for group in groups)], rows)


def _cells(line: ScoreComparison) -> list[str]:
    return [line.name, _number(line.live), _number(line.offline), f"{line.difference:.1e}" if line.difference else "0"]


def _number(value: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6f}"
