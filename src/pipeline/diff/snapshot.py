"""Reads one side of a change: its files from git, and the row counts from DVC."""

import io
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dvc.api
import pandas as pd
import yaml

from pipeline.config.flatten import leaves
from pipeline.config.params_file import PARAMS, parse_yaml
from pipeline.config.paths import COUNTS, INTERVALS, LOCK, METRICS, PLOTS, VALIDATION
from pipeline.diff import gate_settings, mermaid
from pipeline.diff.compare import SLICE, Interval, Snapshot
from pipeline.support.errors import OntimeError
from pipeline.versioning import dvc_lock, revision
from pipeline.versioning.revision import Commit

SCORE = ["value", "low", "high"]


class SnapshotUnreadable(OntimeError):
    """A file of one side does not have the expected content."""


def read(commit: Commit | None = None) -> Snapshot:
    """The snapshot of a commit, or of the working tree without one. Raises SnapshotUnreadable, which names the file."""
    curves = {name: _table(PLOTS / f"{name}.csv", [axes.x, axes.y], commit) for name, axes in mermaid.CURVES.items()}
    return Snapshot(
        params=_mapping(PARAMS, commit),
        gate=_mapping(Path(gate_settings.FILE), commit),
        hashes=dvc_lock.parse(_mapping(LOCK, commit)).outputs(),
        rows=_rows(commit),
        metrics=_scores(INTERVALS if revision.text(INTERVALS, commit) else METRICS, commit),  # older commits have one file
        validation=_scores(VALIDATION, commit),
        slices=_table(PLOTS / "slices.csv", [*SLICE, "rows", "metric", *SCORE], commit),
        curves={name: curve for name, curve in curves.items() if len(curve)},
    )


def _rows(commit: Commit | None) -> dict[str, int] | None:
    """The row counts that `preprocess` wrote, None where DVC's cache lacks them."""
    try:
        text = dvc.api.read(COUNTS.as_posix(), rev=commit.hash if commit else None)
    except Exception:  # each kind of remote raises its own, and the comparison is useful without counts
        return None
    return {key: int(count) for key, count in leaves(_parse(json.loads, text, COUNTS, commit))}


def _mapping(path: Path, commit: Commit | None) -> dict[str, Any]:
    text = revision.text(path, commit)
    values = _parse(parse_yaml, text or "{}", path, commit)
    if not isinstance(values, dict):
        raise _unreadable(path, commit, "a mapping", f"it holds {type(values).__name__}")
    return values


def _scores(path: Path, commit: Commit | None) -> dict[str, Interval]:
    """The metrics in a file: numbers, or ``{value, low, high}``; NaN and infinity become None."""
    metrics = _parse(
        partial(json.loads, parse_constant=lambda _name: None), revision.text(path, commit) or "{}", path, commit
    )
    try:
        return {name: _interval(score if isinstance(score, dict) else {"value": score}) for name, score in metrics.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise _unreadable(path, commit, "numbers, or value, low and high, by metric", str(error)) from error


def _interval(ends: Mapping[str, Any]) -> Interval:
    return Interval(**{end: None if number is None else float(number) for end, number in ends.items()})


def _table(path: Path, columns: list[str], commit: Commit | None) -> pd.DataFrame:
    """These columns of a table; no rows where there is no such file."""
    text = revision.text(path, commit) or ",".join(columns)
    text_columns = dict.fromkeys([*SLICE, "metric"], str)
    read = partial(pd.read_csv, usecols=columns, dtype=text_columns, keep_default_na=False, na_values=[""])
    return _parse(lambda text: read(io.StringIO(text))[columns], text, path, commit)


def _parse(parse: Callable[[str], Any], text: str, path: Path, commit: Commit | None) -> Any:
    try:
        return parse(text)
    except (ValueError, yaml.YAMLError) as error:
        language = "YAML" if path == LOCK else path.suffix[1:].upper()
        raise _unreadable(path, commit, language, " ".join(str(error).split())) from error


def _unreadable(path: Path, commit: Commit | None, expected: str, problem: str) -> SnapshotUnreadable:
    advice = "Compare with another BASE." if commit else "Correct it, or type `make reset` if it is a result."
    return SnapshotUnreadable(f"{path} of {commit or revision.WORKING_TREE} should hold {expected}; {problem}. {advice}")
